"""Update a plan after only parameter values changed, as a slider changes them many times a second.

Models, layers and tensors stay the same; only tensors for which a changed setting gives another value, or the same value in
another place, are planned again. All other changes, and all errors, are left to the planner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


class Change:
    """A setting before and after.

    Parameters
    ----------
    old, new : Setting
    depth : int
        Number of layers.
    """

    def __init__(self, old: Setting, new: Setting, depth: int):
        self.old, self.new, self.depth = old, new, depth
        self._reordered = (len(old.rules) > 1) != (len(new.rules) > 1)  # values get another place in the recipe
        self._same_filters = [rule.filter for rule in old.rules] == [rule.filter for rule in new.rules]
        self._known: dict[tuple[int, float], bool] = {}  # the same for all tensors of a layer

    def affects(self, names: Iterable[str], t: float) -> bool:
        """Whether it gives a tensor another value, or the same value in another place.

        Parameters
        ----------
        names : iterable of str
            See `_list_names`.
        t : float
            Its position in its slice.
        """
        if self._reordered:
            return True
        for name in names:  # not a generator: a slider asks for each tensor
            i = self.old.find(name)
            if self._differs(i, i if self._same_filters else self.new.find(name), t):
                return True
        return False

    def _differs(self, i: int | None, j: int | None, t: float) -> bool:
        if i != j:
            return True
        if i is None or j is None:
            return False
        if (i, t) not in self._known:
            self._known[i, t] = self.old.rules[i].at(t, self.depth) != self.new.rules[j].at(t, self.depth)
        return self._known[i, t]


def plan_after(before: Plan, recipe: RecipeLike) -> Plan:
    """The plan of a recipe, equal to `nbmerge.plan(recipe)`; faster if only values differ from those of `before`.

    Raises
    ------
    RecipeError
        As `nbmerge.plan` does.
    """
    if isinstance(recipe, Plan):
        return recipe
    recipe = Recipe.load(recipe)
    return revise_plan(before, recipe) or make_plan(recipe)


def revise_plan(before: Plan, recipe: Recipe) -> Plan | None:
    """The plan of a recipe from that of another; None if the recipes differ in more than parameter values."""
    if (
        before.problems
        or before.bare
        or before.recipe.fill_from is not None
        or before.tokenizer is not None
        or not _alike(before.recipe, recipe)
        or not _unchanged(before)
    ):
        return None
    findings = Findings(recipe)
    resolved = Resolved(recipe, findings, find_methods(recipe, findings), before.checkpoints)
    stretches = plan_stretches(resolved)
    pieces = [piece for section in stretches for stretch in section for piece in stretch.pieces]
    if findings.problems() or len(pieces) != 1:
        return None
    changes = list(_changes(before.recipe, recipe, pieces[0].depth))
    tensors: list[TensorPlan] = []
    names = before.once("names in filters", lambda: [_list_names(tensor) for tensor in before.tensors])
    for tensor, own in zip(before.tensors, names, strict=True):
        affected = tensor.values.streams and any(change.affects(own, tensor.values.position) for change in changes)
        revised = _with_values(resolved, pieces[0], tensor) if affected else tensor
        if revised is None:
            return None
        tensors.append(revised)
    plan = replace(before, recipe=recipe, tensors=tuple(tensors))
    vars(plan)["structure"] = before.structure
    return None if findings.problems() or any(check_rules(recipe, plan)) else plan


def _alike(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes merge the same models by the same method, with the same parameters in the same places."""
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
    return simple and all(CHOICE.name not in p for p in (one.parameters, *(m.parameters for m in one.models)))


def _list_names(tensor: TensorPlan) -> tuple[str, ...]:
    """The names that filters are compared with: its own, in layers also those of its inputs."""
    return tuple({tensor.name, *(i.name for i in tensor.inputs)}) if tensor.layer is not None else (tensor.name,)


def _unchanged(plan: Plan) -> bool:
    """Whether a plan is made from stored tensors only, and their files have not changed since."""
    if not plan.once("stored inputs", lambda: all(type(i) is StoredTensor for t in plan.tensors for i in t.inputs)):
        return False
    try:
        return all(Checkpoint.open(ref).tensors is checkpoint.tensors for ref, checkpoint in plan.checkpoints.items())
    except CheckpointError:
        return False


def _changes(one: Recipe, other: Recipe, depth: int) -> Iterator[Change]:
    """The settings that differ between two recipes that are alike."""
    pairs = [(one.parameters, other.parameters)]
    pairs += [(a.parameters, b.parameters) for a, b in zip(one.models or (), other.models or (), strict=True)]
    for before, after in pairs:
        yield from (Change(before[name], after[name], depth) for name in before if before[name] != after[name])


def _with_values(resolved: Resolved, piece: Piece, tensor: TensorPlan) -> TensorPlan | None:
    """The same tensor with the recipe's new values; None if that needs the planner."""
    if len(tensor.inputs) != len(piece.inputs):
        return None
    names = [tensor.name] * len(tensor.inputs) if tensor.layer is None else [i.name for i in tensor.inputs]
    values, decided = find_values(resolved, piece, tensor.name, names, tensor.values.position, tensor.values.matrix)
    return None if values is None else replace(tensor, values=values, decided=decided)
