"""A few weights under the microscope: what each step of a method leaves of them, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from nbmerge.errors import ArgumentError
from nbmerge.lessons.interactive_figure import InteractiveFigure
from nbmerge.lessons.steps import FIRST_STEPS, Step, trace_method
from nbmerge.methods import methods
from nbmerge.plots import theme
from nbmerge.plots.figures import DPI, NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme

MOST = 16
"""Weights that are shown as numbers."""
CELL, HEAD, SIDE, LABELS = 24, 24, 10, 82
"""Heights of a row and of a step's title, right margin, and room for names, in pixels."""
FADED = 0.25
"""Opacity of the steps that have not been taken yet."""


def draw_steps(
    steps: Sequence[Step],
    shown: int | None = None,
    *,
    theme: Theme = "auto",
    width: float = 640 / DPI,
    font_size: float = FONT,
) -> NotebookFigure:
    """Draw the steps of a method as rows of numbers, blue below zero and red above.

    Parameters
    ----------
    steps : sequence of Step
        As `trace_method` gives them. The first 16 weights are shown.
    shown : int, optional
        How many steps have been taken; the others are faded. Default: all.
    theme, width, font_size
        As in `Recipe.plot`.

    Examples
    --------
    >>> import torch
    >>> base, models = torch.zeros(8), [torch.randn(8), torch.randn(8)]
    >>> steps = nbm.lessons.trace_method("ties", base, models, {"weight": 1, "density": 0.5})
    >>> figure = nbm.lessons.draw_steps(steps)
    """
    look = Look(theme, font_size)
    pixels, scale = width * DPI, look.scale
    height = sum(HEAD + CELL * len(step.rows) for step in steps) * scale + 8
    figure = NotebookFigure(pixels, height, look)
    # Signs are not changes: their colours say +1 and −1, whatever the size of the changes.
    changes = [row[:MOST] for step in steps for name, row in step.rows.items() if name != "elected sign"]
    limit = float(np.abs(np.concatenate(changes)).max()) or 1.0
    top = height
    for i, step in enumerate(steps):
        top -= HEAD * scale
        inner = CELL * len(step.rows) * scale
        box = (
            LABELS * scale / pixels, (top - inner) / height, 1 - (LABELS + SIDE) * scale / pixels, inner / height
        )  # fmt: skip
        _draw_rows(figure.add_axes(box), step, limit, 1.0 if shown is None or i < shown else FADED)
        top -= inner
    return figure


def _draw_rows(axes: Axes, step: Step, limit: float, opacity: float) -> None:
    look = theme.look_of(axes)
    table = np.stack([row[:MOST] for row in step.rows.values()])
    signs = "elected sign" in step.rows
    scale = 1.0 if signs else limit
    axes.imshow(table, cmap="RdBu_r", norm=TwoSlopeNorm(0, -scale, scale), aspect="auto", alpha=0.85 * opacity)
    for row, column in np.ndindex(*table.shape):
        value = float(table[row, column])
        text = {1.0: "+", -1.0: "−", 0.0: "0"}[value] if signs else f"{value:+.2f}".replace("-", "−") if value else "0"
        colour = "white" if abs(value) > 0.6 * scale else "#222222"
        axes.text(column, row, text, ha="center", va="center", fontsize=look.small, color=colour, alpha=opacity)
    axes.set_yticks(range(len(step.rows)), list(step.rows))
    axes.set_xticks([])
    axes.tick_params(colors=look.ink, labelsize=look.font_size, length=0)
    axes.set_title(
        step.words, loc="left", color=look.ink, fontsize=look.font_size, pad=4 * look.scale, alpha=max(opacity, 0.4)
    )
    for spine in axes.spines.values():
        spine.set_visible(False)


class Microscope(InteractiveFigure):
    """Steps through a method on a few weights: its parameters are sliders, its steps are taken one by one.

    Parameters
    ----------
    method : str
        A method that treats the weights of each model in steps: ties, dare_linear, dare_ties, della, della_linear, breadcrumbs,
        breadcrumbs_ties.
    models : sequence of sequence of float, optional
        What each model changes of each weight. Default: two models and twelve weights that show what the methods do.
    seed : int
        Of random masks.

    Raises
    ------
    ArgumentError
        For another method.

    Examples
    --------
    >>> microscope = nbm.lessons.Microscope("ties")
    >>> microscope.set(density=0.25, step=2)
    >>> microscope.description.split(":")[0]
    'Step 2 of 4. Trim'
    """

    def __init__(self, method: str = "ties", models: Sequence[Sequence[float]] | None = None, seed: int = 0):
        if method not in FIRST_STEPS:
            raise ArgumentError(f"The microscope shows {', '.join(FIRST_STEPS)}, not {method!r}.")
        self.method, self.seed = method, seed
        self.changes = [torch.tensor(row, dtype=torch.float32) for row in models or EXAMPLE]
        names = {p.name for p in methods()[method].parameters}
        style = {"description_width": "initial"}
        controls: dict[str, ipywidgets.Widget] = {"density": _slider("density", 0.5)}
        if "gamma" in names:
            controls["gamma"] = _slider("gamma (largest left out)", 0.1, style=style)
        if "rescale" in names:
            controls["rescale"] = ipywidgets.Checkbox(True, description="rescale", indent=False)
        for i in range(len(self.changes)):
            controls[f"weight_{i + 1}"] = _slider(f"weight of model {i + 1}", 1.0, 2.0, style=style)
        if methods()[method].is_random:
            controls["seed"] = ipywidgets.BoundedIntText(seed, min=0, max=10_000, description="seed")
        steps = len(self.trace({}))
        controls["step"] = ipywidgets.IntSlider(steps, min=1, max=steps, description="step")
        super().__init__(self._draw, controls, f"What the steps of {methods()[method].title} leave of each weight")

    def trace(self, values: Mapping[str, Any]) -> list[Step]:
        """The steps for some values of the controls."""
        given = {name: value for name, value in values.items() if name in ("density", "gamma", "rescale")}
        given["weight"] = [values.get(f"weight_{i + 1}", 1.0) for i in range(len(self.changes))]
        base = torch.zeros_like(self.changes[0])
        return trace_method(self.method, base, self.changes, given, int(values.get("seed", self.seed)))

    def _draw(self, step: int, **values: Any) -> tuple[NotebookFigure, str]:
        steps = self.trace(values)
        return draw_steps(steps, step), f"Step {step} of {len(steps)}. {steps[step - 1].words}"


EXAMPLE = (
    (0.9, 0.1, -0.7, 0.6, -0.2, 1.4, 0.3, -0.1, 0.0, -1.1, 0.5, 0.2),
    (0.8, -0.2, -0.5, -0.9, 0.3, 0.1, -0.4, -0.6, 1.2, -0.3, -0.5, 0.1),
)
"""Weights that both models change alike, in opposite directions, or that only one changes."""


def _slider(text: str, value: float, most: float = 1.0, **more: Any) -> ipywidgets.FloatSlider:
    return ipywidgets.FloatSlider(value, min=0.0, max=most, step=0.05, description=text, **more)
