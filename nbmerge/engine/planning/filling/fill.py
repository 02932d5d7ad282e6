"""The plan of a result that is filled in from another model: `Recipe.fill_from`.

The merge is planned as if it stood alone. Its tensors then take their places in the other model, of which everything else is
copied: the remaining tensors, config and tokenizer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.implementations import drop_foreign_implementations
from nbmerge.engine.planning.filling.places import find_places
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import CheckpointError
from nbmerge.methods import Values
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe
from nbmerge.tokenizers import read_vocabulary, same_tokenizer

Examined = tuple[Plan | None, list[Problem]]
WHERE = ("fill_from",)
_DTYPES = ("dtype", "torch_dtype")


def examine_filled(recipe: Recipe, source: ModelRef, examine: Callable[[Recipe], Examined]) -> Examined:
    """The plan, or None if there are errors, and all problems, the worst first.

    Parameters
    ----------
    recipe : Recipe
    source : ModelRef
        Its `fill_from`.
    examine : callable
        Examines a recipe without `fill_from`.
    """
    made, problems = examine(recipe.model_copy(update={"fill_from": None, "fill_prefix": None}))
    findings = Findings(recipe)
    whole = _open_source(recipe, source, findings, examine)
    filled = None
    if made is not None and whole is not None:
        filled = _fill(recipe, made, source, whole, findings)
    found = worst_first([*problems, *findings.problems()])
    if filled is None or findings.fatal:
        return None, found
    kept = worst_first([*made.problems, *findings.problems()]) if made is not None else found
    return replace(filled, problems=tuple(kept)), found


def _open_source(
    recipe: Recipe, source: ModelRef, findings: Findings, examine: Callable[[Recipe], Examined]
) -> Checkpoint | None:
    merge = recipe.merge_named(source)
    if merge is not None:
        plan, problems = examine(merge)
        for p in problems:
            findings.add(Problem(p.severity, ("merges", source.path, *p.where), p.what, p.how, p.line, p.kind))
        return None if plan is None else plan.as_checkpoint(source.path)
    try:
        return Checkpoint.open(source)
    except CheckpointError as error:
        findings.error(WHERE, str(error), kind="model")
        return None


def _fill(recipe: Recipe, made: Plan, source: ModelRef, whole: Checkpoint, findings: Findings) -> Plan | None:
    """The tensors of a plan in their places, between copies of all others."""
    if made.bare != whole.bare:
        kinds = ("bare weights", "a model with a config") if made.bare else ("a model with a config", "bare weights")
        what = f"the merge is {kinds[0]}, and {source.name} is {kinds[1]}."
        findings.error(WHERE, what, "Fill models in from models, and weights files from weights files.")
        return None
    shapes = {name: tensor.shape for name, tensor in whole.tensors.items()}
    places = find_places({t.name: t.shape for t in made.tensors}, shapes, recipe.fill_prefix)
    _check_places(made, whole, places, source, findings)
    _check_tokens(made, whole, source, findings)
    if findings.fatal:
        return None
    labels = {**made.labels, source: made.labels.get(source) or _label(source, made)}
    tensors = tuple(_tensors(recipe, made, whole, places, labels[source]))
    copied = len(tensors) - len(made.tensors)
    note = f"{copied:,} of {len(tensors):,} tensors are copied from {labels[source]}, and so are config and tokenizer."
    findings.info(WHERE, note if not whole.bare else note.replace(", and so are config and tokenizer", ""))
    return replace(
        made, recipe=recipe, checkpoints={**made.checkpoints, source: whole}, labels=labels, tensors=tensors, donor=source,
        config=_config(whole, tensors), tokenizer=None, donor_layers={},
    )  # fmt: skip


def _check_places(
    made: Plan, whole: Checkpoint, places: Mapping[str, str], source: ModelRef, findings: Findings
) -> None:
    """Report tensors without a place, and those of another shape than their place."""
    lost = [t.name for t in made.tensors if t.name not in places]
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        what = f"{source.name} has no tensor in the place of {lost[0]}{more}, which would be lost."
        how = "Name the model that this is a part of; fill_prefix is what its names begin with there."
        findings.error(WHERE, what, how, "tensors")
        return
    for tensor in made.tensors:
        wanted = whole.tensors[places[tensor.name]].shape
        if wanted != tensor.shape:
            shapes = {"the merge": tensor.shape, source.name: wanted}
            findings.unequal_shapes(WHERE, places[tensor.name], "other", shapes)


def _check_tokens(made: Plan, whole: Checkpoint, source: ModelRef, findings: Findings) -> None:
    """Report tokens that have other ids in the merge than in the tokenizer that the result gets."""
    if made.tokenizer is not None:
        what = f"the merge has a vocabulary of its own, and the result gets the tokenizer of {source.name}."
        findings.error(
            WHERE,
            what,
            "Leave out the recipe's tokenizer, or transplant the other one first.",
            "tokens",
        )
        return
    donor = made.checkpoints[made.donor].path
    if whole.bare or same_tokenizer(donor, whole.path):
        return
    try:
        own, other = read_vocabulary(whole.path), read_vocabulary(donor)
    except CheckpointError as error:
        findings.warning(WHERE, str(error))
        return
    if own is not None and other is not None and (moved := other.moved(own)):
        what = f"{made.labels[made.donor]} and {source.name} have different ids for {len(moved)} tokens ({moved[0]!r})."
        findings.warning(WHERE, what, "Fill in from a model that was built on the same language model.", "tokens")


def _label(source: ModelRef, made: Plan) -> str:
    return source.name if source.name not in made.labels.values() else str(source)


def _tensors(
    recipe: Recipe, made: Plan, whole: Checkpoint, places: Mapping[str, str], label: str
) -> Iterator[TensorPlan]:
    """Every tensor of the whole, in its order."""
    merged = {places[t.name]: t for t in made.tensors}
    several = len(whole.layout.stacks) > 1
    for name, stored in whole.tensors.items():
        place = whole.layout.place(name)
        stack = place.stack if several else None
        if (tensor := merged.get(name)) is not None:
            yield replace(tensor, name=name, layer=place.layer, kind=place.kind, stack=stack)
            continue
        dtype = _dtype_of(recipe, name) if stored.is_float else None
        yield TensorPlan(
            name, stored.shape, dtype or stored.output_dtype, place.layer, place.kind, "passthrough", (stored,), (label,),
            Values({}, {"scale": (1.0,)}), stack=stack,
        )  # fmt: skip


def _dtype_of(recipe: Recipe, name: str) -> str | None:
    """The dtype that the recipe sets for a copied tensor, as for all others; None to keep the stored one."""
    override = next((rule.dtype for rule in recipe.dtype_overrides if rule.filter in name), None)
    return override or recipe.out_dtype or recipe.dtype


def _config(whole: Checkpoint, tensors: tuple[TensorPlan, ...]) -> dict[str, object]:
    """The other model's config, with the dtype of most weights."""
    if whole.bare:
        return {}
    sizes: dict[str, int] = {}
    for tensor in tensors:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.count
    config = copy.deepcopy(whole.config)
    for part in (config, *(v for v in config.values() if isinstance(v, dict))):
        part.update(dict.fromkeys((key for key in _DTYPES if key in part), max(sizes, key=sizes.__getitem__)))
    return drop_foreign_implementations(config)[0]
