"""The command lines of mergekit's first program, ``main.py``, and of its successor, ``mergekit-legacy``."""

from __future__ import annotations

from typing import Any, NamedTuple

from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem
from nbmerge.recipe.constructors import open_if_local
from nbmerge.recipe.readers.command import FLAG, MANY, VALUE, Command, Options, find_commands, parse_options
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.readers.shared_options import SHARED, note_unused_options
from nbmerge.recipe.recipe import Recipe

FIRST = "main.py"
SUCCESSOR = "mergekit-legacy"
SUCCESSORS = (SUCCESSOR, "legacy.py", "mergekit.scripts.legacy")
OPTIONS = {
    "merge": MANY, "weight": MANY, "density": MANY, "method": VALUE, "base-model": VALUE, "normalize": FLAG,
    "bf16": FLAG, "naive-count": FLAG, "print-yaml": FLAG, "cache-dir": VALUE, "merged-cache-dir": VALUE,
    "int8-mask": FLAG, **SHARED,
}  # fmt: skip
FLOAT32 = ("embed_tokens", "lm_head")
"""What main.py kept in float32 beside bfloat16."""


class Defaults(NamedTuple):
    """Defaults of a program's options."""

    bf16: bool
    density: float


DEFAULTS = {FIRST: Defaults(bf16=True, density=0.33), SUCCESSOR: Defaults(bf16=False, density=1.0)}


def read(text: RecipeText) -> Recipe | None:
    """Read the first such command of a text."""
    if "--merge" not in text.raw:
        return None
    for command in find_commands(text.raw, text.above):
        if any(w.split("=")[0] == "--merge" for w in command.words):
            program = SUCCESSOR if command.program in SUCCESSORS else FIRST
            return _recipe(program, command)
    return None


def _recipe(program: str, command: Command) -> Recipe:
    given = parse_options(command, OPTIONS)
    method = given.one("method") or "ties"
    if method not in ("ties", "linear", "slerp") and program == FIRST:
        what = f"{program} supports the methods ties, linear and slerp, not {method!r:.60}."
        raise reading_error(what, where=("--method",), line=command.line)
    models = [_ref(m, "--merge", command) for m in given.many("merge")]
    base_model = given.one("base-model")
    base = _ref(base_model, "--base-model", command) if base_model else None
    notes = _notes(program, given, command)
    recipe: dict[str, Any] = {"merge_method": method, "base_model": base}
    if method == "slerp":
        recipe |= _slerp(given, models, base, command)
    else:
        data, decided = _weighted(program, method, given, models, base, command)
        recipe, notes = recipe | data, notes + decided
    if given.flags.get("bf16", DEFAULTS[program].bf16):
        recipe["dtype"] = "bfloat16"
        if program == FIRST:
            recipe["dtype_overrides"] = [{"filter": f, "dtype": "float32"} for f in FLOAT32]
            notes.append(note("main.py writes bfloat16 unless --no-bf16 is given; embedding and head stay in float32."))
    if program == FIRST and _truncates(method, models, base):
        recipe["vocabulary"] = "truncate"
        what = "the models' vocabularies differ in size, and main.py truncates embeddings and heads to the shortest."
        notes.append(note(what, severity="warning"))
    if seed := given.one("random-seed"):
        recipe["random_seed"] = seed
    name = "mergekit-legacy" if program != FIRST else "mergekit (main.py)"
    return Recipe.of(recipe).with_origin(f"a command line of {name}", notes)


def _truncates(method: str, models: list[ModelRef], base: ModelRef | None) -> bool:
    """Whether main.py would truncate vocabularies: to the shortest; in TIES to the base model's, if that is the shortest."""
    checkpoints = [open_if_local(m) for m in (base, *models) if m is not None]
    rows = [c.vocabulary for c in checkpoints if c is not None and c.vocabulary is not None]
    return len(rows) == len(checkpoints) and len(set(rows)) > 1 and (method != "ties" or rows[0] == min(rows))


def _slerp(given: Options, models: list[ModelRef], base: ModelRef | None, command: Command) -> dict[str, Any]:
    weights = given.numbers("weight")
    if len(weights) != 1:
        what = f"slerp needs exactly one --weight, the share of the second model; the command has {len(weights)}."
        raise reading_error(what, where=("--weight",), line=command.line)
    first = base or models[0]
    both = [first, *(m for m in models if m != first)]
    if len(both) != 2:
        raise reading_error(
            f"slerp merges two models; the command names {len(both)}.", where=("--merge",), line=command.line
        )
    return {"models": both, "base_model": first, "parameters": {"t": weights[0]}}


def _weighted(
    program: str, method: str, given: Options, models: list[ModelRef], base: ModelRef | None, command: Command
) -> tuple[dict[str, Any], list[Problem]]:
    """Models and parameters of a method that weighs its models, and notes on what was decided."""
    from nbmerge.methods import methods

    known, notes = methods().get(method), list[Problem]()
    if known is not None and known.base == "required" and base is None:
        raise reading_error(f"{method} needs a --base-model.", where=("--base-model",), line=command.line)
    if method == "linear" and base is not None and base not in models:
        models = _with_base(program, models, base, notes)
    weights = _weights(method, given, models, notes, command)
    densities = _densities(program, method, given, models, notes, command)
    columns = {"weight": weights, "density": densities}
    used = {n: v for n, v in columns.items() if v is not None and (known is None or known.parameter(n))}
    sources = [{"model": m, "parameters": {n: v[i] for n, v in used.items()}} for i, m in enumerate(models)]
    parameters: dict[str, Any] = {}
    if known is None or known.parameter("normalize"):
        parameters["normalize"] = given.flags.get("normalize", True)
    return {"models": sources, "parameters": parameters | _consensus(program, method, given)}, notes


def _consensus(program: str, method: str, given: Options) -> dict[str, Any]:
    """The vote of main.py's TIES, by one vote per model if it is asked for."""
    counts = method == "ties" and program == FIRST and given.flags.get("naive-count")
    return {"consensus": "count"} if counts else {}


def _with_base(program: str, models: list[ModelRef], base: ModelRef, notes: list[Problem]) -> list[ModelRef]:
    """The inputs of a linear merge whose base model is not listed."""
    if program != FIRST:
        return [*models, base]  # there it is an additional model, with a weight like the others
    notes.append(note("--base-model has no effect on linear, except that config and tokenizer are the base model's."))
    return models


def _weights(
    method: str, given: Options, models: list[ModelRef], notes: list[Problem], command: Command
) -> list[float]:
    weights = _per_model("weight", given, models, command)
    if weights is not None:
        return weights
    if method == "linear":
        raise reading_error("linear needs a --weight for each model.", where=("--weight",), line=command.line)
    notes.append(note("no --weight: each model has weight 1."))
    return [1.0] * len(models)


def _densities(
    program: str, method: str, given: Options, models: list[ModelRef], notes: list[Problem], command: Command
) -> list[float] | None:
    """A density for each model, the program's default where none is given; None where the method takes none."""
    from nbmerge.methods import methods

    known = methods().get(method)
    densities = _per_model("density", given, models, command)
    if known is not None and known.parameter("density") is not None:
        if densities is None:
            densities = [DEFAULTS[program].density] * len(models)
            notes.append(note(f"no --density: {densities[0]:g}, the default of {program}."))
        return densities
    if densities is not None:
        notes.append(note(f"--density has no effect on {method}."))
    return None


def _per_model(name: str, given: Options, models: list[ModelRef], command: Command) -> list[float] | None:
    """One number per model, in the order in which the option occurs; a single one applies to all."""
    values = given.numbers(name)
    if len(values) == 1:
        values *= len(models)
    if values and len(values) != len(models):
        what = f"{len(values)} values were given for {len(models)} models."
        raise reading_error(what, "Give one for each --merge, or one for all models.", (f"--{name}",), command.line)
    return values or None


def _ref(raw: str, where: str, command: Command) -> ModelRef:
    try:
        return ModelRef.of(raw)
    except ValueError as error:
        raise reading_error(str(error), where=(where,), line=command.line) from error


def _notes(program: str, given: Options, command: Command) -> list[Problem]:
    notes = [
        note(f"the output folder {out} is ignored: it is not part of a recipe.", line=command.line)
        for out in given.rest[:1]
    ]
    if len(given.rest) > 1:
        raise reading_error(
            f"{program} takes one output folder; the command names {', '.join(given.rest)[:200]}.", line=command.line
        )
    if given.flags.get("naive-count") and program != FIRST:
        what = "--naive-count has no effect: mergekit-legacy also elects signs by weighted sum when it is given."
        notes.append(note(what, ("--naive-count",)))
    return notes + note_unused_options(given, ("cache-dir", "merged-cache-dir", "int8-mask", "print-yaml"), command)
