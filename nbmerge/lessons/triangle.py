"""A base model and two fine-tunes as a triangle, with lengths and angles to scale."""

from __future__ import annotations

import math

import ipywidgets
import numpy as np
from matplotlib.axes import Axes

from nbmerge.errors import ArgumentError
from nbmerge.lessons.interactive_figure import InteractiveFigure
from nbmerge.palette import INK, PALETTE
from nbmerge.plots import theme
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.statistics import Statistics

SIZE = 280
"""Height of the picture, in pixels."""
WHOLE = "all"
"""What the menu has in place of a layer."""


def measure_triangle(statistics: Statistics, layer: int | None = None) -> tuple[float, float, float]:
    """Lengths of the first two models' task vectors, and the angle between them in degrees.

    Parameters
    ----------
    statistics : Statistics
        Of a base and at least two models, as `nbmerge.measure_models` gives them.
    layer : int, optional
        Of one layer. Default: of the whole model.

    Raises
    ------
    ArgumentError
        If fewer than two models were measured, or there is no such layer.
    """
    if len(statistics.models) < 3:
        raise ArgumentError("A triangle needs the statistics of a base model and two others.")
    layers = statistics.table["layer"]
    chosen = np.ones(len(layers), bool) if layer is None else (layers == layer).fillna(False).to_numpy(bool)
    if not chosen.any():
        raise ArgumentError(f"There is no layer {layer}: the models have layers 0 to {layers.max()}.")
    gram = statistics.tally.gram[chosen].sum(axis=0)[1:3, 1:3]
    first, second = math.sqrt(gram[0, 0]), math.sqrt(gram[1, 1])
    cosine = gram[0, 1] / (first * second) if first and second else 0.0
    return first, second, math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def draw_triangle(
    statistics: Statistics,
    layer: int | None = None,
    *,
    theme: Theme = "auto",
    width: float = 640 / DPI,
    font_size: float = FONT,
) -> tuple[NotebookFigure, str]:
    """Draw a base model and two fine-tunes as a triangle to scale, with their mean and their sum.

    Parameters
    ----------
    statistics : Statistics
        Of a base and two models, as `nbmerge.measure_models` gives them.
    layer : int, optional
        Of one layer. Default: of the whole model.
    theme, width, font_size
        As in `Recipe.plot`.

    Returns
    -------
    (Figure, str)
        The figure, and what it shows in a sentence.

    Raises
    ------
    ArgumentError
        As `measure_triangle`.

    Examples
    --------
    >>> family = nbm.demo.family()
    >>> figure, words = nbm.lessons.draw_triangle(nbm.measure_models(family.base, *family.experts.values()))
    >>> words
    'The task vectors of reverser and shouter stand at an angle of ...'
    """
    one, two, angle = measure_triangle(statistics, layer)
    base, first, second = statistics.models[:3]
    turn = math.radians(angle)
    points = {
        base: (0.0, 0.0), first: (one, 0.0), second: (two * math.cos(turn), two * math.sin(turn)),
    }  # fmt: skip
    look = Look(theme, font_size)
    pixels, scale = width * DPI, look.scale
    height = SIZE * scale
    figure = NotebookFigure(pixels, height, look)
    _draw(figure.add_axes((0.02, 0.04, 0.96, 0.92)), points, angle)
    where = "" if layer is None else f" in layer {layer}"
    words = (
        f"The task vectors of {first} and {second} stand at an angle of {angle:.0f}°{where}; "
        f"the one of {second} is {two / one if one else 0:.2f} times as long."
    )
    return figure, words


def _draw(axes: Axes, points: dict[str, tuple[float, float]], angle: float) -> None:
    look = theme.look_of(axes)
    axes.set_axis_off()
    axes.set_facecolor("none")
    (base, origin), (first, a), (second, b) = points.items()
    mean, total = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2), (a[0] + b[0], a[1] + b[1])
    for end, colour in ((a, PALETTE[0]), (b, PALETTE[1])):
        axes.annotate(
            "",
            end,
            origin,
            arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0},
        )
        middle = (end[0] / 2, end[1] / 2)
        axes.annotate(
            f"{math.hypot(*end):.3g}",
            middle,
            (5, 4),
            textcoords="offset points",
            color=look.ink,
            fontsize=look.font_size,
        )
    axes.plot((a[0], b[0]), (a[1], b[1]), color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
    places = {base: origin, first: a, second: b, "mean": mean, "sum": total}
    for name, (x, y) in places.items():
        axes.plot([x], [y], "o", color=look.ink, markersize=4 * look.scale)
        axes.annotate(theme.plain(theme.shortened(name)), (x, y), (6, -4), textcoords="offset points", va="top",
                      color=look.ink, fontsize=look.font_size)  # fmt: skip
    radius = 0.22 * min(math.hypot(*a), math.hypot(*b))
    arc = np.radians(np.linspace(0, angle, 40))
    axes.plot(radius * np.cos(arc), radius * np.sin(arc), color=INK, linewidth=1)
    half = math.radians(angle / 2)
    axes.annotate(f"{angle:.0f}°", (radius * math.cos(half), radius * math.sin(half)), (3, 3), textcoords="offset points",
                  color=look.ink, fontsize=look.font_size)  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)


class Triangle(InteractiveFigure):
    """A base model and two fine-tunes as a triangle to scale, layer by layer.

    Parameters
    ----------
    statistics : Statistics
        Of a base and two models.

    Examples
    --------
    >>> family = nbm.demo.family()
    >>> triangle = nbm.lessons.Triangle(nbm.measure_models(family.base, *family.experts.values()))
    >>> triangle.set(layer=3)
    """

    def __init__(self, statistics: Statistics):
        layers = sorted(statistics.table["layer"].dropna().unique())
        # None would be no choice for a menu, and show nothing.
        options = [("the whole model", WHOLE), *((f"layer {n}", int(n)) for n in layers)]
        controls = {"layer": ipywidgets.Dropdown(options=options, description="of")}
        super().__init__(
            lambda layer: draw_triangle(statistics, None if layer == WHOLE else layer),
            controls,
            "A base model and two fine-tunes as a triangle",
        )
