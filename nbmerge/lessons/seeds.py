"""What randomness costs: the same merge with many seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
from numpy.typing import NDArray

from nbmerge.engine.merge_tensors import merge_tensors
from nbmerge.errors import ArgumentError
from nbmerge.lessons.interactive_figure import InteractiveFigure
from nbmerge.lessons.microscope import EXAMPLE
from nbmerge.methods import methods
from nbmerge.palette import INK, PALETTE
from nbmerge.plots import theme
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.theme import new_axes

SIZE, TOP, SIDE = 290, 30, 14
"""Height of the figure, and margins above and at the right of the axes, in pixels."""


def merge_with_seeds(
    method: str, changes: Sequence[torch.Tensor], density: float, seeds: int, rescale: bool = True
) -> NDArray[np.float32]:
    """Changes of the merge for seeds 0, 1, …, float32, shape (seeds, weights); every model has weight 1."""
    if method not in methods() or not methods()[method].is_random:
        known = ", ".join(m.name for m in methods().values() if m.is_random)
        raise ArgumentError(f"{method!r} draws no random masks; these methods do: {known}.")
    base = torch.zeros_like(changes[0])
    given = {"weight": 1.0, "density": density, "rescale": rescale}
    rows = [merge_tensors(method, changes, base=base, parameters=given, seed=seed) for seed in range(seeds)]
    return torch.stack(rows).numpy()


def draw_seeds(
    method: str = "dare_linear",
    density: float = 0.5,
    seeds: int = 40,
    rescale: bool = True,
    *,
    theme: Theme = "auto",
    width: float = 640 / DPI,
    font_size: float = FONT,
) -> tuple[NotebookFigure, str]:
    """Draw what twelve weights become with many seeds: each seed as a point, all as a band, and their mean.

    Parameters
    ----------
    method : str
        A method that draws random masks.
    density : float
        Share of the changes that is kept.
    seeds : int
    rescale : bool
        Whether what is kept is made larger by what was dropped.
    theme, width, font_size
        As in `Recipe.plot`.

    Returns
    -------
    (Figure, str)
        The figure, and what it shows in a sentence.

    Examples
    --------
    >>> figure, words = nbm.lessons.draw_seeds(density=1.0)
    >>> words
    'With density 1, 40 seeds give the same merge.'
    """
    changes = [torch.tensor(row) for row in EXAMPLE]
    merged = merge_with_seeds(method, changes, density, seeds, rescale)
    whole = merge_with_seeds(method, changes, 1.0, 1, rescale)[0]
    axes = new_axes(round(width * DPI), SIZE, top=TOP, right=SIDE, look=Look(theme, font_size))
    figure = axes.figure.figure
    assert isinstance(figure, NotebookFigure)
    _draw(axes, merged, whole)
    spread = float(merged.std(axis=0).mean())
    if not np.ptp(merged, axis=0).any():
        return figure, f"With density {density:g}, {seeds} seeds give the same merge."
    away = float(np.abs(merged.mean(axis=0) - whole).mean())
    words = (
        f"With density {density:g}, a weight varies by ±{spread:.2f} between seeds; the mean of {seeds} seeds is "
        f"{away:.2f} away from the merge without dropping."
    )
    return figure, words


def _draw(axes: Any, merged: NDArray[np.float32], whole: NDArray[np.float32]) -> None:
    theme.dress(axes, xlabel="weight", ylabel="change in the merge")
    look = theme.look_of(axes)
    places = np.arange(merged.shape[1])
    axes.bar(
        places, np.ptp(merged, axis=0), 0.7, merged.min(axis=0), color=PALETTE[0], alpha=0.2, label="range of all seeds"
    )
    shift = np.linspace(-0.25, 0.25, len(merged))
    for seed, row in enumerate(merged):
        axes.scatter(places + shift[seed], row, s=4 * look.scale, color=PALETTE[0], alpha=0.6, linewidths=0)
    axes.scatter(
        places, merged.mean(axis=0), marker="_", s=160 * look.scale, color=PALETTE[1], label="mean of all seeds"
    )
    axes.scatter(places, whole, marker="x", s=24 * look.scale, color=INK, label="nothing dropped")
    axes.use_sticky_edges = False  # of bars: they would touch the axis
    axes.margins(y=0.06)
    axes.set_xticks(places, [str(i + 1) for i in places])
    axes.legend(frameon=False, labelcolor=look.ink, fontsize=look.font_size, loc="lower left", ncols=3,
                bbox_to_anchor=(0, 1), borderaxespad=0.2)  # fmt: skip


class Seeds(InteractiveFigure):
    """Shows what twelve weights become with many seeds while the density moves.

    Parameters
    ----------
    method : str
        A method that draws random masks, such as dare_linear, dare_ties or della.

    Examples
    --------
    >>> seeds = nbm.lessons.Seeds("dare_linear")
    >>> seeds.set(density=0.2)
    """

    def __init__(self, method: str = "dare_linear"):
        controls = {
            "density": ipywidgets.FloatSlider(0.5, min=0.05, max=1, step=0.05, description="density"),
            "seeds": ipywidgets.IntSlider(40, min=2, max=200, description="seeds"),
            "rescale": ipywidgets.Checkbox(True, description="rescale", indent=False),
        }
        super().__init__(
            lambda **values: draw_seeds(method, **values),
            controls,
            f"Twelve weights merged by {method} with many seeds",
        )
