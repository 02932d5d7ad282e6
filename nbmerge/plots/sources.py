"""Where the layers of a merge of slices come from: a bar for each model, with the numbers of its own layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.axis import layer_axis
from nbmerge.plots.colours import label_colours, label_models
from nbmerge.recipe import Recipe

MOST = 16
"""Models up to which each has a bar."""


@dataclass
class SourceRow:
    """The layers that come from one model.

    Parameters
    ----------
    label : str
    colour : str
    spans : list of (int, int, int)
        First layer of the merge, number of layers, first layer of the model.
    """

    label: str
    colour: str
    spans: list[tuple[int, int, int]] = field(default_factory=list)


def read_sources(recipe: Recipe) -> list[SourceRow]:
    """A row for each model of a recipe of slices; none where a slice does not name its layers, or there are too many."""
    if recipe.slices is None or not all(s.layer_range for piece in recipe.slices for s in piece.sources):
        return []
    labels = label_models(recipe)
    colours = label_colours(labels.values(), None)
    rows: dict[str, SourceRow] = {}
    at = 0
    for piece in recipe.slices:
        ranges = [(s.model, *(s.layer_range or (0, 0))) for s in piece.sources]
        for ref, first, end in ranges:
            row = rows.setdefault(str(ref), SourceRow(labels[ref], colours[labels[ref]]))
            row.spans.append((at, end - first, first))
        at += max(end - first for _, first, end in ranges)
    return list(rows.values()) if len(rows) <= MOST else []


def sources(rows: Sequence[SourceRow], axes: Axes, *, depth: int | None, outside: Iterable[str] = ()) -> Axes:
    """Draw the models' layers over those of the merge.

    Parameters
    ----------
    rows : sequence of SourceRow
    axes : Axes
    depth : int, optional
        Number of layers of the merge; default as far as the bars go.
    outside : iterable of str
        Roles outside the layers that other axes of the figure have columns for.
    """
    theme.dress(axes, grid=False)
    depth = depth or max(at + count for row in rows for at, count, _ in row.spans)
    layer_axis(axes, depth, outside)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    theme.name_rows(axes, [row.label for row in rows])
    theme.title(axes, "source of each layer")
    small = theme.look_of(axes).small
    unit = theme.pixels(axes)[0] / (axes.get_xlim()[1] - axes.get_xlim()[0])
    for y, row in enumerate(rows):
        bars = [(at - 0.46, count - 0.08) for at, count, _ in row.spans]
        axes.broken_barh(bars, (y - 0.36, 0.72), facecolor=row.colour, alpha=0.85, linewidth=0)
        for at, count, first in row.spans:
            text = f"{first}" if count == 1 else f"{first}–{first + count - 1}"
            if len(text) <= theme.letters(count * unit - 4):
                axes.text(at + (count - 1) / 2, y, text, ha="center", va="center", color="#ffffff", fontsize=small)
    return axes
