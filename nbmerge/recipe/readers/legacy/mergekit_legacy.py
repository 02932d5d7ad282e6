"""The command lines of mergekit's first program, ``main.py``, and of its heir, ``mergekit-legacy``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem
from nbmerge.recipe.constructors import at_hand
from nbmerge.recipe.readers.command import FLAG, MANY, VALUE, Command, Options, find_commands, parse_options
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.readers.shared_options import SHARED, note_unused_options
from nbmerge.recipe.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.methods import Method

FIRST = "main.py"
HEIR = ("mergekit-legacy", "legacy.py", "mergekit.scripts.legacy")
OPTIONS = {
    "merge": MANY, "weight": MANY, "density": MANY, "method": VALUE, "base-model": VALUE, "normalize": FLAG,
    "bf16": FLAG, "naive-count": FLAG, "print-yaml": FLAG, "cache-dir": VALUE, "merged-cache-dir": VALUE,
    "int8-mask": FLAG, **SHARED,
}  # fmt: skip
FLOAT32 = ("embed_tokens", "lm_head")
"""What main.py kept in float32 beside bfloat16."""
MEANT = {FIRST: {"bf16": True, "density": 0.33}, HEIR[0]: {"bf16": False, "density": 1.0}}
"""Defaults of the two programs."""


def read(text: RecipeText) -> Recipe | None:
    """Read the first such command of a text."""
    if "--merge" not in text.raw:
        return None
    for command in find_commands(text.raw, text.above):
        if any(w.split("=")[0] == "--merge" for w in command.words):
            program = HEIR[0] if command.program in HEIR else FIRST
            return _recipe(program, command)
    return None


def _recipe(program: str, command: Command) -> Recipe:
    given = parse_options(command, OPTIONS)
    meant = MEANT[program]
    method = given.one("method", "ties")
    if method not in ("ties", "linear", "slerp") and program == FIRST:
        raise reading_error(
            f"{program} merges by ties, linear or slerp, not {method!r:.60}.", where=("--method",), line=command.line
        )
    models = [_ref(m, "--merge", command) for m in given.many("merge")]
    base = _ref(given.one("base-model"), "--base-model", command) if given.one("base-model") else None
    notes = _notes(program, given, command)
    recipe: dict[str, Any] = {"merge_method": method, "base_model": base}
    if method == "slerp":
        recipe |= _slerp(given, models, base, command)
    else:
        recipe |= _weighted(program, method, given, models, base, notes, command)
    if given.flags.get("bf16", meant["bf16"]):
        recipe["dtype"] = "bfloat16"
        if program == FIRST:
            recipe["dtype_overrides"] = [{"filter": f, "dtype": "float32"} for f in FLOAT32]
            notes.append(
                note("main.py writes bfloat16 unless told --no-bf16, and keeps embedding and head in float32.")
            )
    if program == FIRST and _cuts(method, models, base):
        recipe["vocabulary"] = "truncate"
        what = "the models' vocabularies differ in size, and main.py cuts embeddings and heads to the shortest."
        notes.append(note(what, severity="warning"))
    if seed := given.one("random-seed"):
        recipe["random_seed"] = seed
    return Recipe.of(recipe).with_origin(
        f"a command line of {'mergekit-legacy' if program != FIRST else 'mergekit (main.py)'}", notes
    )


def _cuts(method: str, models: list[ModelRef], base: ModelRef | None) -> bool:
    """Whether main.py would cut vocabularies: to the shortest; in TIES to the base model's, if that is the shortest."""
    found = [at_hand(m) for m in (base, *models) if m is not None]
    rows = [c.vocabulary for c in found if c is not None and c.vocabulary is not None]
    return len(rows) == len(found) and len(set(rows)) > 1 and (method != "ties" or rows[0] == min(rows))


def _slerp(given: Options, models: list[ModelRef], base: ModelRef | None, command: Command) -> dict[str, Any]:
    weights = given.numbers("weight")
    if len(weights) != 1:
        what = f"slerp takes exactly one --weight, the share of the second model; here are {len(weights)}."
        raise reading_error(what, where=("--weight",), line=command.line)
    first = base or models[0]
    both = [first, *(m for m in models if m != first)]
    if len(both) != 2:
        raise reading_error(f"slerp merges two models; here are {len(both)}.", where=("--merge",), line=command.line)
    return {"models": both, "base_model": first, "parameters": {"t": weights[0]}}


def _weighted(
    program: str, method: str, given: Options, models: list[ModelRef], base: ModelRef | None, notes: list[Problem],
    command: Command,
) -> dict[str, Any]:  # fmt: skip
    from nbmerge.methods import methods

    known = methods().get(method)
    if known is not None and known.base == "required" and base is None:
        raise reading_error(f"{method} needs a --base-model.", where=("--base-model",), line=command.line)
    if method == "linear" and base is not None and base not in models:
        models = _with_base(program, models, base, notes)
    names = _names_of_parameters(known)
    weights = _weights(method, given, models, notes, command)
    densities = _densities(program, method, "density" in names, given, models, notes, command)
    each = {"weight": weights if "weight" in names else None, "density": densities}
    parameters = {"normalize": given.flags.get("normalize", True)} if "normalize" in names else {}
    return {"models": _sources(models, each), "parameters": parameters | _vote(program, method, given)}


def _sources(models: list[ModelRef], each: Mapping[str, list[float] | None]) -> list[dict[str, Any]]:
    """Models with the parameters that are given for each."""
    return [{"model": m, "parameters": {k: v[i] for k, v in each.items() if v}} for i, m in enumerate(models)]


def _names_of_parameters(method: Method | None) -> set[str]:
    """What a method takes; one that is not known here has weights and is normalised, as nearly all are."""
    return {"weight", "normalize"} if method is None else {p.name for p in method.parameters}


def _vote(program: str, method: str, given: Options) -> dict[str, Any]:
    """Whether models vote with one vote each."""
    counted = method == "ties" and program == FIRST and given.flags.get("naive-count")
    return {"consensus": "count"} if counted else {}


def _with_base(program: str, models: list[ModelRef], base: ModelRef, notes: list[Problem]) -> list[ModelRef]:
    """The models of a linear merge whose base is not among them."""
    if program != FIRST:
        return [*models, base]  # there it is one more model, with a weight like the others
    what = "--base-model has no effect on linear, except that config and tokenizer are the base model's."
    notes.append(note(what))
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
    program: str, method: str, known: bool, given: Options, models: list[ModelRef], notes: list[Problem],
    command: Command,
) -> list[float] | None:  # fmt: skip
    """The densities of a method that has them: as given, else what the program takes."""
    densities = _per_model("density", given, models, command)
    if not known:
        if densities is not None:
            notes.append(note(f"--density has no effect on {method}."))
        return None
    if densities is None:
        density = MEANT[program]["density"]
        notes.append(note(f"no --density: {density:g}, as {program} has it."))
        densities = [density] * len(models)
    return densities


def _per_model(name: str, given: Options, models: list[ModelRef], command: Command) -> list[float] | None:
    """One number per model, by the order in which the option occurs; a single one holds for all."""
    values = given.numbers(name)
    if len(values) == 1:
        values *= len(models)
    if values and len(values) != len(models):
        what = f"{len(values)} values for {len(models)} models."
        raise reading_error(what, "Give one for each --merge, or one for all.", (f"--{name}",), command.line)
    return values or None


def _ref(raw: str, where: str, command: Command) -> ModelRef:
    try:
        return ModelRef.of(raw)
    except ValueError as error:
        raise reading_error(str(error), where=(where,), line=command.line) from error


def _notes(program: str, given: Options, command: Command) -> list[Problem]:
    notes = [note(f"the output folder {out} is no part of a recipe.", line=command.line) for out in given.rest[:1]]
    if len(given.rest) > 1:
        raise reading_error(
            f"{program} takes one output folder; here are {', '.join(given.rest)[:200]}.", line=command.line
        )
    if given.flags.get("naive-count") and program != FIRST:
        what = "--naive-count has no effect: mergekit-legacy, too, elects signs by weighted sum in spite of it."
        notes.append(note(what, ("--naive-count",)))
    return notes + note_unused_options(given, ("cache-dir", "merged-cache-dir", "int8-mask", "print-yaml"), command)
