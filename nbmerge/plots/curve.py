"""A gradient over the layers: what each layer, and each tensor outside the layers, will get.

The picture is made of slots of equal width: embeddings, layers, final norm, head. A row of sliders below it can
therefore stand exactly under its points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nbmerge.plots.theme import DPI, FONT, INK, PALETTE, dress, pixels, plain, shortened

LEFT, RIGHT, TOP, BOTTOM = 44, 14, 28, 42
"""Margins around the axes in pixels: tighter than elsewhere, sliders stand in line with the axes."""
PAD = 0.05
"""Share of the range that is left free above and below, so that a point at 0 or 1 is a whole point."""


@dataclass(frozen=True)
class Line:
    """One curve of the picture.

    Parameters
    ----------
    values : sequence of float or None
        One per slot; None where it has nothing to say.
    label : str
    colour : str
    selected : bool
        Drawn strong; the others are there to be compared with.
    dash : str or tuple
        A line style of matplotlib.
    spread : sequence of (float, float) or None, optional
        Smallest and largest value per slot, where one slot holds several.
    """

    values: Sequence[float | None]
    label: str = ""
    colour: str = PALETTE[0]
    selected: bool = True
    dash: str | tuple[int, tuple[float, ...]] = "solid"
    spread: Sequence[tuple[float, float] | None] | None = None


def curve_axes(width: int = 640, height: int = 250, bottom: int = BOTTOM) -> Axes:
    """Axes with the margins of this plot, in a figure of their own. Sizes in CSS pixels."""
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="none")
    FigureCanvasAgg(figure)
    across, down = max(width - LEFT - RIGHT, 20), max(height - TOP - bottom, 20)
    return figure.add_axes((LEFT / width, bottom / height, across / width, down / height))


def curve(
    lines: Sequence[Line],
    slots: Sequence[str],
    axes: Axes | None = None,
    *,
    span: tuple[float, float] = (0.0, 1.0),
    ends: tuple[str, str] = ("", ""),
    points: bool = True,
    names: bool = True,
) -> Axes:
    """Draw gradients over the layers.

    Parameters
    ----------
    lines : sequence of Line
    slots : sequence of str
        Names under the axis: layer numbers, and words for what is outside the layers.
    axes : Axes, optional
    span : (float, float)
        Lowest and highest value to be shown.
    ends : (str, str)
        What the values 0 and 1 mean; written below and above.
    points : bool
        Draw the selected line's points too; off where movable points are laid over the picture.
    names : bool
        Write the slots' names below; off where they stand on the sliders there.

    Returns
    -------
    Axes
    """
    axes = curve_axes() if axes is None else axes
    dress(axes)
    axes.set_xlim(-0.5, max(len(slots), 1) - 0.5)
    axes.set_ylim(span[0] - PAD * (span[1] - span[0]), span[1] + PAD * (span[1] - span[0]))
    _ticks(axes, slots if names else [""] * len(slots))
    _guides(axes, slots, span)
    for line in sorted(lines, key=lambda line: line.selected):
        _draw(axes, line, slots, points or not line.selected)
    words: dict[str, Any] = {
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "color": INK,
        "fontsize": FONT,
        "annotation_clip": False,
    }
    letters = int(pixels(axes)[0] / 7)
    axes.annotate(plain(shortened(ends[1], letters)), (0, 1), (-24, 8), ha="left", va="bottom", **words)
    axes.annotate(plain(shortened(ends[0], letters)), (0, 0), (-24, -18 if names else -6), ha="left", va="top", **words)
    return axes


def _ticks(axes: Axes, slots: Sequence[str]) -> None:
    """A name under each slot, or under every second, fourth, ... layer where they stand too close."""
    room = pixels(axes)[0] / max(len(slots), 1)
    every = next(n for n in (1, 2, 4, 5, 8, 10, 20, 50, 1000) if n * room >= 20)
    shown = [i for i, s in enumerate(slots) if s and (not s.isdigit() or int(s) % every == 0)]
    axes.set_xticks(shown, [slots[i] for i in shown])
    axes.tick_params(length=0)


def _guides(axes: Axes, slots: Sequence[str], span: tuple[float, float]) -> None:
    """Lines at 0 and 1 where the picture goes beyond them, and between layers and what is outside them."""
    for level in (0.0, 1.0):
        if span[0] <= level <= span[1]:
            axes.axhline(level, color=INK, alpha=0.6, linewidth=0.9)
    for i in range(len(slots) - 1):
        if slots[i].isdigit() != slots[i + 1].isdigit():
            axes.axvline(i + 0.5, color=INK, alpha=0.5, linewidth=0.8, linestyle=":")


def _draw(axes: Axes, line: Line, slots: Sequence[str], points: bool) -> None:
    strong: dict[str, Any] = {"alpha": 1.0, "zorder": 3} if line.selected else {"alpha": 0.6, "zorder": 2}
    given = [i for i in range(len(slots)) if line.values[i] is not None]
    inside, outside = [i for i in given if slots[i].isdigit()], [i for i in given if not slots[i].isdigit()]
    spread = [(i, *pair) for i in inside if line.spread is not None and (pair := line.spread[i]) is not None]
    if any(low != high for _, low, high in spread):
        where, lows, highs = zip(*spread, strict=True)
        axes.fill_between(where, lows, highs, color=line.colour, alpha=0.2, linewidth=0)
    width = 2.2 if line.selected else 1.3
    style: dict[str, Any] = {
        "color": line.colour,
        "linestyle": line.dash,
        "linewidth": width,
        "label": plain(line.label),
    }
    axes.plot(inside, _numbers(line, inside), **style, **strong)
    if points:
        size = 5.5 if line.selected else 3.2
        for marker, slot in (("o", inside), ("D", outside)):
            axes.plot(
                slot,
                _numbers(line, slot),
                marker,
                color=line.colour,
                markersize=size,
                clip_on=False,
                **strong,
            )


def _numbers(line: Line, slots: Sequence[int]) -> list[float]:
    """The values at some slots, all of which have one."""
    return [value for i in slots if (value := line.values[i]) is not None]
