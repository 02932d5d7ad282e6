"""Plots of a recipe as PNG files: its gradients, and the distance of the merge from its parents."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

from nbmerge.engine.planning import Plan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.plots import heatmap, layer_curves, to_png
from nbmerge.plots.curve import Line, curve
from nbmerge.plots.theme import colours, dress, legend
from nbmerge.recipe import Recipe
from nbmerge.statistics import measure_merge

PIXELS_PER_INCH = 200
SHORT_LABELS = {"embedding": "embed", "final norm": "norm"}
"""Labels of the Studio."""


def write_plots(recipe: Recipe, folder: Path) -> list[Path]:
    """Write plots of a recipe's weights, and of the distance of its merge from each parent, into a folder."""
    plan = make_plan(recipe)
    distances = measure_merge(plan)
    plots = {
        "weight-by-layer.png": plot_gradient(plan),
        "distance-by-layer.png": layer_curves(distances.by_layer()),
        f"distance-from-{plan.parents[0]}.png": heatmap(distances.grid(plan.parents[0]), parent=plan.parents[0]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, axes in plots.items():
        axes.figure.set_facecolor("white")  # transparent otherwise, for notebooks of any colour
        (folder / name).write_bytes(to_png(axes, PIXELS_PER_INCH))
    return [folder / name for name in plots]


def plot_gradient(plan: Plan, parameter: str = "weight") -> Axes:
    """Plot each model's value of a parameter, over the layers and outside them."""
    table = plan.values()
    slots = table["layer"].astype("Int64").astype("string").fillna(table["kind"].replace(SHORT_LABELS))
    columns = {c: c[len(parameter) + 1 : -1] for c in table.columns if c.startswith(f"{parameter}[")}
    means = table[list(columns)].rename(columns=columns).groupby(slots, sort=False).mean()
    colour = colours(means.columns)
    lines = [Line(means[model].tolist(), model, colour[model]) for model in means]
    values = means.to_numpy()
    span = (min(0.0, values.min()), max(1.0, values.max()))
    axes = dress(curve(lines, list(means.index), span=span), xlabel="layer")
    handles = [handle for handle in axes.get_lines() if handle.get_label() in colour]
    legend(axes, handles, [str(handle.get_label()) for handle in handles])
    return axes
