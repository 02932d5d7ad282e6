"""What a merge method does to weights: a few numbers one by one, and many as points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from numpy.typing import NDArray

from nbmerge.engine.merge_tensors import merge_tensors
from nbmerge.errors import ArgumentError
from nbmerge.methods import REQUIRED, Method, methods
from nbmerge.palette import PALETTE
from nbmerge.plots import theme
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.problems import nearest

SHAPE = (24, 40)
"""Of the weight matrix: enough points to see a rule in, few enough to see each."""
SHOWN = 12
"""Weights that are shown as numbers."""
COMMON = 0.45
"""Share of the changes that both models have in common, so that some agree and some do not."""
CELL, GAP, POINTS = 24, 22, 210
"""Heights of a row of numbers, of the room between the parts, and of the points, in pixels."""
SIDE, LABELS = 16, 62
"""Room at the right, and for the names at the left, in pixels."""
EXAMPLES: Mapping[str, Any] = {"weight": 1.0, "density": 0.5, "t": 0.5, "select_topk": 0.5, "gamma": 0.1}
"""Values that show what a method does: most methods change nothing at their defaults."""
OWN_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "linear": {"weight": 0.5},
    "nuslerp": {"weight": 0.5},
    "multislerp": {"weight": 0.5},
    "iso_c": {"weight": 0.5},
    "tsv_m": {"weight": 0.5},
}


@dataclass(frozen=True)
class MethodEffect:
    """Changes of weights from a base model: those of the models, and those of their merge.

    Parameters
    ----------
    models : tuple of ndarray, shape (weights,)
    merged : ndarray, shape (weights,)
    """

    models: tuple[NDArray[np.float32], ...]
    merged: NDArray[np.float32]


def plot_method(
    method: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    theme: Theme = "auto",
    width: float = 640 / DPI,
    font_size: float = FONT,
) -> NotebookFigure:
    """Plot what a merge method does to the weights of an invented matrix.

    Above, twelve weights as numbers: the change from the base model in each model, and in the merge. Below, all weights
    as points: their change in the merge over their change in each model. Where the models change a weight in opposite
    directions, its point is red. The numbers are computed by the method that merges run.

    Parameters
    ----------
    method : str
        A registered method.
    parameters : mapping of str to value, optional
        As in `nbmerge.merge_tensors`. The default values of most methods change little, so examples take their place.
    seed : int
        Of the matrix and of random masks.
    theme, width, font_size
        As in `Recipe.plot`.

    Returns
    -------
    Figure

    Raises
    ------
    ArgumentError
        As `nbmerge.merge_tensors`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> figure = nbm.plots.plot_method("ties", {"weight": 1, "density": 0.2})
    """
    look = Look(theme, font_size)
    effect = compute_effect(method, parameters, seed)
    labels = [*(f"model {i + 1}" for i in range(len(effect.models))), "merge"]
    scale, rows = look.scale, len(labels)
    pixels = width * DPI
    top, middle, bottom = 8 * scale, GAP * scale, 42 * scale
    cells, points = rows * CELL * scale, POINTS * scale
    height = top + cells + middle + points + bottom
    figure = NotebookFigure(pixels, height, look)
    left, right = LABELS * scale / pixels, SIDE * scale / pixels
    box = (left, 1 - (top + cells) / height, 1 - left - right, cells / height)
    _draw_numbers(figure.add_axes(box), effect, labels)
    each = (1 - left - right) / len(effect.models)
    limit = float(np.abs(np.concatenate([*effect.models, effect.merged])).max()) * 1.05
    for i in range(len(effect.models)):
        inner = each - (0.02 if i + 1 < len(effect.models) else 0)
        axes = figure.add_axes((left + i * each, bottom / height, inner, points / height))
        _draw_points(axes, effect, i, limit)
        if i:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
    return figure


def compute_effect(method: str, parameters: Mapping[str, Any] | None = None, seed: int = 0) -> MethodEffect:
    """Merge an invented matrix of as many models as the method takes, up to two."""
    known = methods()
    if method not in known:
        raise ArgumentError(f"There is no merge method {method!r}. {nearest(method, known)}")
    description = known[method]
    base, changes = _invent(_count_models(description), seed)
    tensors = [base + change for change in changes]
    needs = description.base == "required"
    settings: dict[str, Any] = {"base": base} if needs else {}
    given = example_parameters(method) if parameters is None else parameters
    merged = merge_tensors(method, tensors, **settings, parameters=given, seed=seed, position=0.5)
    return MethodEffect(tuple(change.flatten().numpy() for change in changes), (merged - base).flatten().numpy())


def example_parameters(method: str) -> dict[str, Any]:
    """Parameters that show what a method does."""
    own = OWN_EXAMPLES.get(method, {})
    return {
        p.name: own.get(p.name, EXAMPLES.get(p.name, 1.0))
        for p in methods()[method].parameters
        if p.name in own or p.name in EXAMPLES or p.default is REQUIRED
    }


def _count_models(method: Method) -> int:
    most = method.inputs[1]
    return 2 if most is None else min(2, most - (method.base == "required"))


def _invent(count: int, seed: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A base matrix and changes of it that have something in common, with a few large ones, as fine-tuning has."""
    generator = torch.Generator().manual_seed(seed)

    def draw() -> torch.Tensor:
        return torch.randn(SHAPE, generator=generator) * torch.rand(SHAPE, generator=generator).sqrt() * 1.5

    base, common = draw() * 2, draw()
    return base, [COMMON * common + (1 - COMMON) * draw() for _ in range(count)]


def _draw_numbers(axes: Axes, effect: MethodEffect, labels: list[str]) -> None:
    look = theme.look_of(axes)
    table = np.stack([*effect.models, effect.merged])[:, :SHOWN]
    limit = float(np.abs(table).max()) or 1.0
    norm = TwoSlopeNorm(0, -limit, limit)
    axes.imshow(table, cmap="RdBu_r", norm=norm, aspect="auto", alpha=0.85)
    for row, column in np.ndindex(*table.shape):
        value = float(table[row, column])
        light = abs(value) > 0.6 * limit
        axes.text(
            column, row, f"{value:+.2f}".replace("-", "−") if value else "0", ha="center", va="center", fontsize=look.small,
            color="white" if light else "#222222",
        )  # fmt: skip
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks([])
    axes.tick_params(colors=look.ink, labelsize=look.font_size, length=0)
    axes.axhline(len(labels) - 1.5, color=look.ink, linewidth=1.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_points(axes: Axes, effect: MethodEffect, i: int, limit: float) -> None:
    theme.dress(axes, xlabel=f"change in model {i + 1}", ylabel="change in the merge")
    look = theme.look_of(axes)
    own = effect.models[i]
    other = effect.models[1 - i] if len(effect.models) > 1 else own
    for agree, colour in ((True, PALETTE[0]), (False, PALETTE[1])):
        shown = (own * other >= 0) == agree
        axes.scatter(own[shown], effect.merged[shown], s=5 * look.scale, color=colour, alpha=0.6, linewidths=0)
    axes.plot((-limit, limit), (-limit, limit), color=look.ink, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
