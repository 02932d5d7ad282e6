"""Whole figures: a recipe or plan, and what a merge changed. Rows below each other share one axis of layers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from nbmerge.engine.planning import Plan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.errors import ArgumentError, NbmergeError
from nbmerge.methods import methods
from nbmerge.plots.colours import label_colours, model_colours
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.gradient_curves import HEIGHT as GRADIENT_HEIGHT
from nbmerge.plots.gradient_curves import frame_of, gradients, redraw_lines
from nbmerge.plots.gradient_values import ParameterGradients, worth_showing
from nbmerge.plots.heat_map import HEAD, ROW, heatmap
from nbmerge.plots.layers import HEIGHT as CURVES_HEIGHT
from nbmerge.plots.layers import layer_curves
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.measures import MEASURES
from nbmerge.plots.plan_gradients import read_plan
from nbmerge.plots.recipe_gradients import read_recipe
from nbmerge.plots.sources import SourceRow, read_sources, sources
from nbmerge.plots.theme import BOTTOM, LEFT, RIGHT, legend_height, stack_axes
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.statistics import Changes

WIDTH = 640 / DPI
"""Inches."""
LEGEND_GAP = 8
"""Pixels around a legend."""
STRIP = 24
"""Pixels for each model's bar of sources."""
MAPS = 6
"""Heat maps that are drawn without being asked for."""
NARROW = 20
"""Right margin where nothing is written in it."""
BETWEEN = 28
"""Pixels below axes that are not the last: numbers of layers, without the word."""


@dataclass(frozen=True)
class Row:
    """One pair of axes of a figure.

    Parameters
    ----------
    height, above : float
        Of the axes and of the room above them, in pixels relative to the text.
    draw : callable
    own_axis : bool
        Whether the x axis is another one than that of the rows below, so that its label is written.
    frame : hashable, optional
        Equal for rows that differ in nothing but what `draw_again` draws; None where there is no such thing.
    draw_again : callable, optional
        Draws on axes of an equal frame whatever lies above everything else there, and returns it.
    """

    height: float
    above: float
    draw: Callable[[Axes], Any]
    own_axis: bool = False
    frame: Hashable = None
    draw_again: Callable[[Axes], Sequence[Artist]] | None = None


@dataclass(frozen=True)
class Sheet:
    """What rows are drawn on.

    Parameters
    ----------
    look : Look
    width : float
        In inches.
    right : int
        Right margin in pixels relative to the text.
    """

    look: Look
    width: float
    right: int = RIGHT

    def __post_init__(self) -> None:
        if not 2 <= self.width <= 40:
            raise ArgumentError(f"width must be 2 to 40 inches, not {self.width!r}.")

    @property
    def inner(self) -> float:
        """Width of the axes in pixels relative to the text."""
        return self.width * DPI / self.look.scale - LEFT - self.right

    def draw(self, rows: Sequence[Row]) -> NotebookFigure:
        """Draw rows below each other."""
        if not rows:
            raise ArgumentError("This recipe sets no numbers and no slices, so there is nothing to plot.")
        below = [BOTTOM if row.own_axis or row is rows[-1] else BETWEEN for row in rows]
        sizes = [(row.height * self.look.scale, row.above, under) for row, under in zip(rows, below, strict=True)]
        made = stack_axes(sizes, self.width * DPI, right=self.right, look=self.look)
        for row, axes in zip(rows, made, strict=True):
            self.draw_row(row, axes, is_last=row is rows[-1])
        figure = made[0].figure.figure
        assert isinstance(figure, NotebookFigure)
        return figure

    def draw_row(self, row: Row, axes: Axes, is_last: bool) -> None:
        """Draw one row on axes of its own."""
        row.draw(axes)
        if not is_last and not row.own_axis:
            axes.set_xlabel("")


def plot_recipe(
    recipe: Recipe,
    parameters: str | Iterable[str] | None = None,
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """See `Recipe.plot`."""
    plan = _plan_of_local_models(recipe)
    if plan is not None:
        return plot_plan(plan, parameters, theme=theme, width=width, font_size=font_size)
    method = methods().get(recipe.merge_method)
    nominal = read_recipe(recipe, method)
    shown = _chosen(nominal.parameters, parameters, method)
    sheet = Sheet(Look(theme, font_size), width, _right_margin(shown))
    return sheet.draw(_rows_of_gradients(sheet, shown, read_sources(recipe), nominal.depth))


def plot_plan(
    plan: Plan,
    parameters: str | Iterable[str] | None = None,
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """See `Plan.plot`."""
    sheet, rows = _compose_plan(plan, parameters, Look(theme, font_size), width)
    return sheet.draw(rows)


def _compose_plan(
    plan: Plan, parameters: str | Iterable[str] | None, look: Look, width: float
) -> tuple[Sheet, list[Row]]:
    shown = _chosen(read_plan(plan), parameters, plan.method)
    sheet = Sheet(look, width, _right_margin(shown))
    return sheet, _rows_of_gradients(sheet, shown, read_sources(plan.recipe), plan.depth)


def plot_changes(
    changes: Changes,
    what: str = "distance",
    parents: str | Iterable[str] | None = None,
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """See `Changes.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    return sheet.draw(_rows_of_changes(sheet, changes, what, parents, label_colours(changes.parents, changes.base)))


def plot_merge(
    plan: Plan,
    changes: Changes | None = None,
    what: str = "distance",
    parents: str | Iterable[str] | None = None,
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """A plan's gradients and, below them on the same axis, how far its merge is from its parents.

    Parameters
    ----------
    plan : Plan
    changes : Changes, optional
        Measured or predicted for the same plan.
    what, parents
        As in `Changes.plot`.
    theme, width, font_size
        As in `Recipe.plot`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> plan = nbm.plan(nbm.demo.recipe())
    >>> figure = nbm.plots.plot_merge(plan, nbm.measure_merge(plan), theme="dark")
    >>> figure.savefig("merge.pdf")
    """
    sheet, rows = compose_merge(plan, changes, what, parents, Look(theme, font_size), width)
    return sheet.draw(rows)


def compose_merge(
    plan: Plan,
    changes: Changes | None = None,
    what: str = "distance",
    parents: str | Iterable[str] | None = None,
    look: Look | None = None,
    width: float = WIDTH,
) -> tuple[Sheet, list[Row]]:
    """The rows of `plot_merge`, and what they are drawn on."""
    look = look or Look()
    if changes is None:
        return _compose_plan(plan, None, look, width)
    sheet, colours = Sheet(look, width), model_colours(plan)
    shown, roles = _chosen(read_plan(plan), None, plan.method), changes.by_role(what).index
    rows = _rows_of_gradients(sheet, shown, read_sources(plan.recipe), plan.depth, roles)
    return sheet, rows + _rows_of_changes(sheet, changes, what, parents, colours)


def _right_margin(shown: Sequence[ParameterGradients]) -> int:
    """Room for what 0 and 1 mean, where that is written beside them."""
    return RIGHT if any(any(one.ends) for one in shown) else NARROW


def _rows_of_gradients(
    sheet: Sheet, shown: Sequence[ParameterGradients], strip: Sequence[SourceRow], depth: int | None,
    outside: Iterable[str] = (),
) -> list[Row]:  # fmt: skip
    """A row for each parameter, and one for the layers' sources where a recipe has slices."""
    roles = {*outside, *(role for p in shown for g in p.gradients for role in g.outside)}
    rows = []
    if strip:
        beside = roles if depth is not None else ()
        bars = partial(sources, strip, depth=depth, outside=beside)
        frame: Hashable = (repr(strip), depth, frozenset(beside))
        rows.append(Row(STRIP * len(strip), HEAD, bars, frame=frame, draw_again=lambda axes: ()))
    for one in shown:
        above = LEGEND_GAP + legend_height([g.label for g in one.gradients], sheet.inner)

        def draw(axes: Axes, one: ParameterGradients = one) -> None:
            gradients(one.gradients, axes, depth=depth, parameter=one.parameter, ends=one.ends, outside=roles)

        def draw_again(axes: Axes, one: ParameterGradients = one) -> list[Artist]:
            return redraw_lines(one.gradients, axes, depth, roles)

        lines = frame_of(one.gradients)
        frame = None if lines is None else (one.parameter, one.ends, depth, frozenset(roles), lines)
        rows.append(Row(GRADIENT_HEIGHT, above, draw, frame=frame, draw_again=draw_again))
    return rows


def _chosen(
    read: Sequence[ParameterGradients], parameters: str | Iterable[str] | None, method: Any
) -> list[ParameterGradients]:
    """The parameters asked for; by default those worth showing, else the first."""
    if parameters is None:
        return worth_showing(read, method) or list(read[:1])
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    known = {p.parameter: p for p in read}
    if unknown := [n for n in names if n not in known]:
        have = f"It has {', '.join(known)}." if known else "It has no numeric parameter."
        raise ArgumentError(f"This merge has no numeric parameter {unknown[0]!r}. {have}")
    return [known[n] for n in names]


def _rows_of_changes(
    sheet: Sheet, changes: Changes, what: str, parents: str | Iterable[str] | None, colours: dict[str, str]
) -> list[Row]:
    """Curves over the layers for all parents, and a heat map for each, with one scale."""
    chosen = (
        list(changes.parents)[:MAPS] if parents is None else [parents] if isinstance(parents, str) else list(parents)
    )
    grids = {parent: changes.grid(parent, what) for parent in chosen}
    rest = {parent: changes.outside(parent, what) for parent in chosen}
    by_layer, by_role = changes.by_layer(what), changes.by_role(what)
    above = LEGEND_GAP + legend_height(list(changes.parents), sheet.inner)

    def curves(axes: Axes) -> None:
        layer_curves(by_layer, axes, what=what, outside=by_role, colour=colours)

    rows = [Row(CURVES_HEIGHT - BOTTOM, above, curves)]
    numbers = [x.to_numpy(dtype=float).ravel() for x in (*grids.values(), *rest.values())]
    limits = MEASURES[what].limits(np.concatenate(numbers)) if numbers else None
    for parent in chosen:

        def cells(axes: Axes, parent: str = parent) -> None:
            outside = {str(role): float(value) for role, value in rest[parent].items()}
            heatmap(grids[parent], axes, what=what, parent=parent, outside=outside, limits=limits)

        rows.append(Row(ROW * max(grids[parent].shape[1], 2), HEAD, cells))
    return rows


def _plan_of_local_models(recipe: Recipe) -> Plan | None:
    """The plan of a recipe whose models are all folders on this machine and fit each other; nothing goes to the network."""
    paths = [path for ref in recipe.references if recipe.merge_named(ref) is None for path in (ref.path, *ref.lora)]
    if recipe.merges or not all(Path(path).is_dir() for path in paths):
        return None
    try:
        return make_plan(recipe)
    except (NbmergeError, OSError):
        return None
