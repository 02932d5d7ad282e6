"""Plots of a recipe as PNG files: its gradients, and the distance of the merge from its parents."""

from __future__ import annotations

from pathlib import Path

from nbmerge.engine.planning import plan as make_plan
from nbmerge.plots import plot_changes, plot_plan, to_png
from nbmerge.recipe import Recipe
from nbmerge.statistics import measure_merge

PIXELS_PER_INCH = 200


def write_plots(recipe: Recipe, folder: Path) -> list[Path]:
    """Write plots of a recipe's gradients, and of the distance of its merge from each parent, into a folder."""
    plan = make_plan(recipe)
    figures = {
        "gradients.png": plot_plan(plan, theme="light"),
        "distances.png": plot_changes(measure_merge(plan), theme="light"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        (folder / name).write_bytes(to_png(figure, PIXELS_PER_INCH))
    return [folder / name for name in figures]
