"""Cells: the tensors that a track gives a value to, as a recipe's filters see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Mapping
from typing import NamedTuple

from nbmerge.checkpoints.modules import claims
from nbmerge.curves.tracks import Curve, Track
from nbmerge.engine.planning import ENDS, Plan, TensorPlan, read_numbers

Targets = Mapping[str, float]
"""Values that tensors are to have, by name; the others keep theirs."""


class Cell(NamedTuple):
    """A tensor with its value of one track, before and after a change.

    Parameters
    ----------
    tensor : str
        Name in the result.
    name : str
        Name that filters are compared with: of the model's own tensor, for a parameter of one model.
    part : str
        That name without the number of its layer and what is before it; outside the layers the whole name.
    kind : str
        See `TensorPlan`.
    layer : int or None
        Counted in its slice; None outside the layers.
    position : float
        0 to 1 in its slice.
    old, new : float
    asked : bool
        Whether the new value was asked for, even if it is the old one.
    bound : bool
        Whether the new value is meant; of tensors that no control shows, whatever the recipe says is right.
    """

    tensor: str
    name: str
    part: str
    kind: str
    layer: int | None
    position: float
    old: float
    new: float
    asked: bool = False
    bound: bool = True


class _Place(NamedTuple):
    """Where a tensor is, whatever its value: the number of its slice, and parts of its `Cell`."""

    slice: int
    name: str
    part: str
    layer: int | None
    in_other_stack: bool
    bound: bool


def find_cells(plan: Plan, track: Track, targets: Targets) -> list[list[Cell]]:
    """The cells of a track for each slice of the recipe, in the order of `Plan.piece_depths`."""
    key = "cells", track.key
    if key not in plan.derived:
        plan.derived[key] = _find_present(plan, track)
    present: list[list[Cell]] = plan.derived[key]
    if not targets:
        return present
    places = _find_places(plan, track)

    def change(cell: Cell) -> Cell:
        place = places[cell.tensor]
        if place is None or place.in_other_stack:
            return cell
        return cell._replace(new=targets[cell.tensor], asked=cell.bound)

    return [[change(cell) if cell.tensor in targets else cell for cell in cells] for cells in present]


def _find_places(plan: Plan, track: Track) -> dict[str, _Place | None]:
    """Where tensors are, as far as that was looked at."""
    return plan.once(("places of cells", track.model), dict)


def _find_present(plan: Plan, track: Track) -> list[list[Cell]]:
    """The cells with the values that they have."""
    slices: list[list[Cell]] = [[] for _ in plan.piece_depths]
    places = _find_places(plan, track)
    sections = None
    for tensor, old in read_numbers(plan, track.parameter, track.model):
        if tensor.name not in places:
            sections = sections or _find_sections(plan)
            places[tensor.name] = _find_place(plan, track, tensor, sections(tensor.name))
        place = places[tensor.name]
        if place is not None:
            slices[place.slice].append(Cell(
                tensor.name, place.name, place.part, tensor.kind, place.layer, tensor.values.position, old, old, False,
                place.bound,
            ))  # fmt: skip
    return slices


def _find_sections(plan: Plan) -> Callable[[str], Mapping[int, int]]:
    """For a tensor's name, the first layer of each slice of its section by the slice's number; empty without a section."""
    starts: dict[str | None, dict[int, int]] = {}
    number = 0
    for section in plan.recipe.sections:
        start = 0
        for _ in section.slices:
            starts.setdefault(section.module, {})[number] = start
            start += plan.piece_depths[number]
            number += 1
    if plan.recipe.modules is None:
        return lambda name: starts[None]
    owners = claims(plan.checkpoints[plan.donor].layout, plan.recipe.modules)
    return lambda name: starts.get(owners.get(name), {})


def _find_place(plan: Plan, track: Track, tensor: TensorPlan, starts: Mapping[int, int]) -> _Place | None:
    """Where a tensor is, given the first layers of the slices of its section; None without a section."""
    if not starts:
        return None
    in_other_stack = tensor.layer is not None and tensor.stack != plan.stack
    layer: int | None = None
    if tensor.layer is None:
        k = max(starts) if tensor.values.position == 1.0 else min(starts)
    elif in_other_stack:  # follows the deepest stack, as far as the recipe allows
        k = min(starts)
    else:
        k = max(k for k, start in starts.items() if start <= tensor.layer) if len(starts) > 1 else min(starts)
        layer = tensor.layer - starts[k]
    name = tensor.name
    if track.model is not None and tensor.layer is not None:
        name = tensor.inputs[tensor.models.index(plan.labels[track.model])].name
    layout = plan.checkpoints[track.model or plan.donor].layout
    part = (layout.places.get(name) or layout.place(name)).part
    bound = not in_other_stack and (tensor.layer is not None or tensor.kind in ENDS)
    return _Place(k, name, part, layer, in_other_stack, bound)


def find_targets(
    plan: Plan, track: Track, before: Curve, after: Curve, group: str | None = None, drawn: Container[int] = ()
) -> dict[str, float]:
    """The values of all tensors for which one curve says something else than another.

    Parameters
    ----------
    plan : Plan
    track : Track
    before, after : Curve
    group : str, optional
    drawn : container of int, optional
        Layers of that group (of all, if None) whose values were drawn, even if they are the same.
    """
    layers: dict[str, dict[int, float]] = defaultdict(dict)
    for kind, values in after.layers.items():
        for i, value in enumerate(values):
            again = i in drawn and group in (None, kind)
            if again or value != before.layers[kind][i] or after.spread[kind][i] != before.spread[kind][i]:
                layers[kind][i] = value
    ends = {role: value for role, value in after.ends.items() if value != before.ends[role]}
    targets = {}
    for tensor, _ in read_numbers(plan, track.parameter, track.model):
        if tensor.layer is None and tensor.kind in ends:
            targets[tensor.name] = ends[tensor.kind]
        elif tensor.layer is not None and tensor.stack == plan.stack and tensor.layer in layers.get(tensor.kind, {}):
            targets[tensor.name] = layers[tensor.kind][tensor.layer]
    return targets
