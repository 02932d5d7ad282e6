"""The knots that a recipe has for a track: the counterpart of `write_back`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nbmerge.curves.cells import Cell, find_cells
from nbmerge.curves.deciding import Part, list_parts
from nbmerge.curves.knots import CLOSE, Knot, Knots, knots_of_value, value_at
from nbmerge.curves.tracks import Track
from nbmerge.engine.planning import Plan
from nbmerge.recipe import Setting


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
        layer with the mean of its tensors.
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
    key = "knots", track.key, group
    if key not in plan.derived:
        plan.derived[key] = _read_knots(plan, track, group)
    line: Line = plan.derived[key]
    return line


def _read_knots(plan: Plan, track: Track, group: str | None) -> Line:
    slices = find_cells(plan, track, {})
    lines = []
    for part in list_parts(plan.recipe, plan, track):
        cells = [c for c in slices[part.number] if c.layer is not None and group in (None, c.kind)]
        if cells:
            lines.append(_shift(_read_part(part, cells, whole=len(plan.piece_depths) == 1), part.start))
    return Line(
        tuple(k for line in lines for k in line.knots),
        tuple(k for line in lines for k in line.alone),
        all(line.exact for line in lines),
    )


def _read_part(part: Part, cells: Sequence[Cell], whole: bool) -> Line:
    """The line of one slice; a flat one that is not the whole recipe has a knot at both of its ends."""
    setting = Setting(tuple(e.rule for e in part.entries))
    owners = Counter(setting.find(c.name) or 0 for c in cells)
    knots = knots_of_value(setting.rules[max(owners, key=owners.__getitem__)].value, part.depth)
    if not whole and len(knots) == 1:
        knots = tuple(Knot(float(i), knots[0].value) for i in sorted({0, part.depth - 1}))
    layers: dict[int, list[float]] = {}
    for cell in cells:
        layers.setdefault(cell.layer or 0, []).append(cell.old)
    if any(len(set(values)) > 1 for values in layers.values()):
        means = {i: sum(values) / len(values) for i, values in sorted(layers.items())}
        return Line(tuple(Knot(float(i), v) for i, v in means.items()), exact=False)
    given = (Knot(float(i), values[0]) for i, values in sorted(layers.items()))
    beside = tuple(k for k in given if abs(k.value - value_at(knots, k.layer)) > CLOSE)
    return Line(knots, beside) if len(beside) < len(layers) else Line(beside)


def _shift(line: Line, start: int) -> Line:
    if start == 0:
        return line
    knots, alone = (tuple(Knot(k.layer + start, k.value) for k in some) for some in (line.knots, line.alone))
    return Line(knots, alone, line.exact)
