"""A plan made anew where only numbers changed: what a slider does, many times a second.

Models, layers and tensors are as they were; of the tensors, only those are looked at for whose names and places a changed
setting says something else. Whatever is more than that is left to the planner, and so is everything that goes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.engine.planning.advice import check_rules
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.engine.planning.precedence import CHOICE
from nbmerge.engine.planning.resolve import find_methods
from nbmerge.engine.planning.resolved import Piece, Resolved
from nbmerge.engine.planning.slices import plan_stretches
from nbmerge.engine.planning.values import find_values
from nbmerge.errors import CheckpointError
from nbmerge.recipe import Recipe, Setting

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike

Change = tuple[int | None, Setting, Setting]
"""Number of a source (None for the whole recipe) with one of its settings, before and after."""


def plan_after(before: Plan, recipe: RecipeLike) -> Plan:
    """The plan of a recipe, equal to `nbmerge.plan(recipe)`, in less time if it is `before` with other numbers.

    Raises
    ------
    RecipeError
        As `nbmerge.plan` does.
    """
    if isinstance(recipe, Plan):
        return recipe
    recipe = Recipe.load(recipe)
    return revised(before, recipe) or make_plan(recipe)


def revised(before: Plan, recipe: Recipe) -> Plan | None:
    """The plan of a recipe from that of another, None where they differ in more than numbers."""
    if before.problems or before.tokenizer is not None or not _alike(before.recipe, recipe) or not _unchanged(before):
        return None
    changes = list(_changes(before.recipe, recipe))
    findings = Findings(recipe)
    resolved = Resolved(recipe, findings, find_methods(recipe, findings), before.checkpoints)
    stretches = plan_stretches(resolved)
    pieces = [piece for section in stretches for stretch in section for piece in stretch.pieces]
    if findings.problems() or len(pieces) != 1:
        return None
    tensors = []
    for tensor in before.tensors:
        if tensor.values.streams and any(_concerns(change, tensor, pieces[0]) for change in changes):
            tensor = _with_values(resolved, pieces[0], tensor)
            if tensor is None:
                return None
        tensors.append(tensor)
    made = replace(before, recipe=recipe, tensors=tuple(tensors))
    return None if findings.problems() or any(check_rules(recipe, made)) else made


def _alike(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes merge the same models by the same method, and give the same parameters in the same places."""
    if other.notes or not one.models or not other.models or len(one.models) != len(other.models):
        return False
    fields = [f for f in type(one).model_fields if f not in ("models", "parameters")]
    if any(getattr(one, f) != getattr(other, f) for f in fields) or one.parameters.keys() != other.parameters.keys():
        return False
    pairs = list(zip(one.models, other.models, strict=True))
    if any(
        a.model != b.model or a.layer_range != b.layer_range or a.parameters.keys() != b.parameters.keys()
        for a, b in pairs
    ):
        return False
    owners = one.tokenizer is not None and one.tokenizer.rows == "owners"
    simple = one.slices is None and one.modules is None and not one.merges and not owners
    return simple and all(CHOICE.name not in part.parameters for part in (one, *one.models))


def _unchanged(plan: Plan) -> bool:
    """Whether the files are as they were when a plan was made of stored tensors alone."""
    if not all(type(i) is StoredTensor for t in plan.tensors for i in t.inputs):
        return False
    try:
        return all(Checkpoint.open(ref).tensors is held.tensors for ref, held in plan.checkpoints.items())
    except CheckpointError:
        return False


def _changes(one: Recipe, other: Recipe) -> Iterator[Change]:
    def of(number: int | None, a: Mapping[str, Setting], b: Mapping[str, Setting]) -> Iterator[Change]:
        yield from ((number, a[name], b[name]) for name in a if a[name] != b[name])

    yield from of(None, one.parameters, other.parameters)
    for i, (a, b) in enumerate(zip(one.models, other.models, strict=True)):
        yield from of(i, a.parameters, b.parameters)


def _concerns(change: Change, tensor: TensorPlan, piece: Piece) -> bool:
    """Whether a changed setting says something else about a tensor, or says it in another place."""
    _, old, new = change
    names = {tensor.name, *(i.name for i in tensor.inputs)} if tensor.layer is not None else {tensor.name}
    if (len(old.rules) > 1) != (len(new.rules) > 1):
        return True
    for name in names:
        i, j = old.find(name), new.find(name)
        if i != j:
            return True
        if i is not None and old.rules[i].at(tensor.values.position) != new.rules[j].at(tensor.values.position):
            return True
    return False


def _with_values(resolved: Resolved, piece: Piece, tensor: TensorPlan) -> TensorPlan | None:
    if len(tensor.inputs) != len(piece.inputs):
        return None
    names = [tensor.name] * len(tensor.inputs) if tensor.layer is None else [i.name for i in tensor.inputs]
    values, decided = find_values(resolved, piece, tensor.name, names, tensor.values.position, tensor.values.matrix)
    return None if values is None else replace(tensor, values=values, decided=decided)
