"""Between two models: the straight line and the arc, in the plane that both models and the origin lie in."""

from __future__ import annotations

import math
from collections.abc import Sequence

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from nbmerge.engine.merge_tensors import merge_tensors
from nbmerge.errors import ArgumentError
from nbmerge.lessons.interactive_figure import InteractiveFigure
from nbmerge.palette import INK, PALETTE
from nbmerge.plots import theme
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme

PATHS = {"linear": PALETTE[0], "slerp": PALETTE[1]}
POINTS = 41
"""Points of a path."""
SIZE = 250
"""Height of the pictures, in pixels."""


def interpolate_tensors(method: str, first: torch.Tensor, second: torch.Tensor, t: float) -> torch.Tensor:
    """The merge of two tensors at a share t of the second, by `linear` or `slerp`."""
    values = {"t": t} if method == "slerp" else {"weight": [1 - t, t]}
    return merge_tensors(method, [first, second], parameters=values)


def measure_path(method: str, first: torch.Tensor, second: torch.Tensor, ts: Sequence[float]) -> NDArray[np.float64]:
    """Norms along a path, float64, shape (points,)."""
    return np.array([interpolate_tensors(method, first, second, t).double().norm().item() for t in ts])


def draw_interpolation(
    t: float = 0.5,
    angle: float = 90.0,
    ratio: float = 1.0,
    *,
    theme: Theme = "auto",
    width: float = 640 / DPI,
    font_size: float = FONT,
) -> tuple[NotebookFigure, str]:
    """Draw the line and the arc between two models at an angle, and the norm along both.

    Parameters
    ----------
    t : float
        Share of the second model.
    angle : float
        Between the models as vectors from the origin, in degrees, more than 0 and less than 180.
    ratio : float
        Length of the second model relative to the first.
    theme, width, font_size
        As in `Recipe.plot`.

    Returns
    -------
    (Figure, str)
        The figure, and what it shows in a sentence.

    Examples
    --------
    >>> figure, words = nbm.lessons.draw_interpolation(t=0.5, angle=90)
    >>> words
    'At t = 0.5, the linear merge has 0.71 of the norm of the first model, the spherical one 1.00.'
    """
    if not 0 < angle < 180:
        raise ArgumentError(f"angle must be more than 0 and less than 180 degrees, not {angle!r}.")
    turn = math.radians(angle)
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([math.cos(turn), math.sin(turn)]) * ratio
    look = Look(theme, font_size)
    pixels, scale = width * DPI, look.scale
    bottom, top, left, gap = 44 * scale, 12 * scale, 44 * scale, 66 * scale
    height = SIZE * scale + bottom + top
    figure = NotebookFigure(pixels, height, look)
    inner = (pixels - left - gap - 14 * scale) / 2
    plane = figure.add_axes((left / pixels, bottom / height, inner / pixels, SIZE * scale / height))
    norms = figure.add_axes(((left + inner + gap) / pixels, bottom / height, inner / pixels, SIZE * scale / height))
    _draw_plane(plane, first, second, t)
    lengths = _draw_norms(norms, first, second, t)
    words = (
        f"At t = {t:g}, the linear merge has {lengths['linear']:.2f} of the norm of the first model, "
        f"the spherical one {lengths['slerp']:.2f}."
    )
    return figure, words


def _draw_plane(axes: Axes, first: torch.Tensor, second: torch.Tensor, t: float) -> None:
    theme.dress(axes, grid=False)
    look = theme.look_of(axes)
    for end, name in ((first, "first"), (second, "second")):
        x, y = end.tolist()
        axes.plot((0, x), (0, y), color=INK, linewidth=1)
        axes.annotate(name, (x, y), (4, 4), textcoords="offset points", color=look.ink, fontsize=look.font_size)
    for method, colour in PATHS.items():
        path = torch.stack([interpolate_tensors(method, first, second, s) for s in np.linspace(0, 1, POINTS).tolist()])
        axes.plot(path[:, 0], path[:, 1], color=colour, linewidth=1.5)
        x, y = interpolate_tensors(method, first, second, t).tolist()
        axes.plot((0, x), (0, y), color=colour, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.plot([x], [y], "o", color=colour, markersize=6 * look.scale)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.15)


def _draw_norms(axes: Axes, first: torch.Tensor, second: torch.Tensor, t: float) -> dict[str, float]:
    theme.dress(axes, xlabel="t, share of the second model", ylabel="norm of the merge")
    look = theme.look_of(axes)
    ts = np.linspace(0, 1, POINTS).tolist()
    lengths = {}
    for method, colour in PATHS.items():
        axes.plot(ts, measure_path(method, first, second, ts), color=colour, linewidth=1.5, label=method)
        lengths[method] = float(measure_path(method, first, second, [t])[0])
        axes.plot([t], [lengths[method]], "o", color=colour, markersize=6 * look.scale, clip_on=False)
    axes.set_ylim(0, None)
    axes.legend(frameon=False, labelcolor=look.ink, fontsize=look.font_size, loc="lower left")
    return lengths


class Interpolation(InteractiveFigure):
    """Moves between two models, on the straight line and on the arc; the angle between the models can be changed.

    Examples
    --------
    >>> interpolation = nbm.lessons.Interpolation()
    >>> interpolation.set(angle=120, t=0.5)
    >>> interpolation.description
    'At t = 0.5, the linear merge has 0.50 of the norm of the first model, the spherical one 1.00.'
    """

    def __init__(self) -> None:
        controls = {
            "t": ipywidgets.FloatSlider(0.5, min=0, max=1, step=0.05, description="t"),
            "angle": ipywidgets.FloatSlider(90, min=5, max=175, step=5, description="angle"),
            "ratio": ipywidgets.FloatSlider(1, min=0.25, max=2, step=0.05, description="length of the second",
                                            style={"description_width": "initial"}),
        }  # fmt: skip
        super().__init__(draw_interpolation, controls, "Two ways between two models, and the norm along each")
