"""The knots that a recipe has for a track: the counterpart of `write_back`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbmerge.engine.planning import Plan
from nbmerge.recipe import Setting
from nbmerge.widgets.curves.cells import Cell, find_cells
from nbmerge.widgets.curves.deciding import Part, list_parts
from nbmerge.widgets.curves.knots import CLOSE, Knot, Knots, knots_of_value, value_at
from nbmerge.widgets.curves.tracks import Track


@dataclass(frozen=True)
class Line:
    """A curve as a recipe says it.

    Parameters
    ----------
    knots : tuple of Knot
        Joined by straight lines.
    alone : tuple of Knot
        Layers that have a value of their own beside the line, by a rule for that layer.
    exact : bool
        Whether that is what every tensor gets. Where rules tell the tensors of a layer apart, there is a knot for each
        layer with the mean of its tensors, and writing them back gives all tensors that value.
    """

    knots: Knots
    alone: Knots = ()
    exact: bool = True


def read_knots(plan: Plan, track: Track, group: str | None = None) -> Line:
    """The knots of a track.

    Parameters
    ----------
    plan : Plan
    track : Track
    group : str, optional
        A group of `nbmerge.checkpoints.GROUPS`; default all of them.

    Examples
    --------
    What a drag of the second knot does::

        line = read_knots(plan, track)
        knots = move_knot(line.knots, 1, layer=12, value=0.8, depth=plan.depth)
        recipe = write_knots(plan.recipe, plan, track, knots, alone=line.alone)
    """
    slices = find_cells(plan, track, {})
    lines = []
    for part in list_parts(plan.recipe, plan, track):
        cells = [c for c in slices[part.number] if c.layer is not None and group in (None, c.kind)]
        if cells:
            lines.append(_shift(_read_part(part, cells, alone=len(plan.piece_depths) == 1), part.start))
    return Line(
        tuple(k for line in lines for k in line.knots),
        tuple(k for line in lines for k in line.alone),
        all(line.exact for line in lines),
    )


def _read_part(part: Part, cells: Sequence[Cell], alone: bool) -> Line:
    """The line of one slice; a flat one that is not the whole recipe has a knot at both of its ends."""
    setting = Setting(tuple(e.rule for e in part.entries))
    owned: dict[int, list[Cell]] = {}
    for cell in cells:
        owned.setdefault(setting.find(cell.name) or 0, []).append(cell)
    main = max(owned, key=lambda i: len(owned[i]))
    knots = knots_of_value(setting.rules[main].value, part.depth)
    if not alone and len(knots) == 1:
        knots = tuple(Knot(float(i), knots[0].value) for i in sorted({0, part.depth - 1}))
    layers: dict[int, set[float]] = {}
    for cell in cells:
        layers.setdefault(cell.layer or 0, set()).add(cell.old)
    others = {c.layer or 0 for i, mine in owned.items() if i != main for c in mine}
    if all(len(values) == 1 for values in layers.values()):
        off = {i: next(iter(values)) for i, values in layers.items() if i in others}
        apart = tuple(Knot(float(i), v) for i, v in sorted(off.items()) if abs(v - value_at(knots, i)) > CLOSE)
        if len(off) < len(layers) or not apart:
            return Line(knots, apart)
        return Line(tuple(Knot(float(i), v) for i, v in sorted(off.items())))
    means = {i: [c.old for c in cells if c.layer == i] for i in sorted(layers)}
    return Line(tuple(Knot(float(i), sum(v) / len(v)) for i, v in means.items()), exact=False)


def _shift(line: Line, start: int) -> Line:
    if start == 0:
        return line
    knots, alone = (tuple(Knot(k.layer + start, k.value) for k in some) for some in (line.knots, line.alone))
    return Line(knots, alone, line.exact)
