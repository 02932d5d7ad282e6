"""Plots: one file and one function for each, all of one pattern.

``plot(data, axes=None, *, options) -> Axes``: data is plain (a pandas table, numbers), `axes` are drawn into or else
made with `theme.new_axes`, and the same data give the same picture. No plot keeps state, reads files, or uses pyplot,
which breaks in kernels. `theme` and `look` have what they share; `to_bytes` draws, from any thread.

`pictures` puts several below each other: the figures of `Recipe.plot`, `Plan.plot` and `Changes.plot`. Exported names are
loaded on first use: they need matplotlib, which colours and measures do not.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.plots.analysis import (
        effect_map,
        plot_ablation,
        plot_path_scores,
        plot_routing,
        plot_sensitivity,
        plot_token_comparison,
        routing_bars,
        score_curve,
        score_plane,
        token_map,
    )
    from nbmerge.plots.colours import model_colours
    from nbmerge.plots.evaluations import plot_evaluation, task_values
    from nbmerge.plots.figures import NotebookFigure, to_bytes, to_png
    from nbmerge.plots.gradient_curves import gradients
    from nbmerge.plots.gradient_values import Gradient
    from nbmerge.plots.heat_map import heatmap
    from nbmerge.plots.layers import layer_curves
    from nbmerge.plots.look import Look
    from nbmerge.plots.method_effect import plot_method
    from nbmerge.plots.pictures import plot_changes, plot_merge, plot_plan, plot_recipe
    from nbmerge.plots.searches import plot_search, score_front, search_course, search_slice, trial_lines
    from nbmerge.plots.structure import (
        adapter_curves,
        change_bars,
        kept_mass_curves,
        plot_adapter,
        plot_coefficients,
        plot_conflicts,
        plot_family,
        plot_lineage,
        plot_spectra,
        plot_statistics,
        plot_value_maps,
        similarity_matrix,
        singular_value_curves,
        trimming_curves,
        unchanged_curves,
    )
    from nbmerge.plots.theme import new_axes

__all__ = [
    "Gradient",
    "Look",
    "NotebookFigure",
    "adapter_curves",
    "change_bars",
    "effect_map",
    "gradients",
    "heatmap",
    "kept_mass_curves",
    "layer_curves",
    "model_colours",
    "new_axes",
    "plot_ablation",
    "plot_adapter",
    "plot_changes",
    "plot_coefficients",
    "plot_conflicts",
    "plot_evaluation",
    "plot_family",
    "plot_lineage",
    "plot_merge",
    "plot_method",
    "plot_path_scores",
    "plot_plan",
    "plot_recipe",
    "plot_routing",
    "plot_search",
    "plot_sensitivity",
    "plot_spectra",
    "plot_statistics",
    "plot_token_comparison",
    "plot_value_maps",
    "routing_bars",
    "score_curve",
    "score_front",
    "score_plane",
    "search_course",
    "search_slice",
    "similarity_matrix",
    "singular_value_curves",
    "task_values",
    "to_bytes",
    "to_png",
    "token_map",
    "trial_lines",
    "trimming_curves",
    "unchanged_curves",
]

__getattr__ = exporter(
    __name__,
    analysis=(
        "effect_map",
        "plot_ablation",
        "plot_path_scores",
        "plot_routing",
        "plot_sensitivity",
        "plot_token_comparison",
        "routing_bars",
        "score_curve",
        "score_plane",
        "token_map",
    ),
    colours=("model_colours",),
    evaluations=("plot_evaluation", "task_values"),
    figures=("NotebookFigure", "to_bytes", "to_png"),
    gradient_curves=("gradients",),
    gradient_values=("Gradient",),
    heat_map=("heatmap",),
    layers=("layer_curves",),
    look=("Look",),
    method_effect=("plot_method",),
    pictures=("plot_changes", "plot_merge", "plot_plan", "plot_recipe"),
    searches=("plot_search", "score_front", "search_course", "search_slice", "trial_lines"),
    structure=(
        "adapter_curves",
        "change_bars",
        "kept_mass_curves",
        "plot_coefficients",
        "plot_conflicts",
        "plot_adapter",
        "plot_family",
        "plot_lineage",
        "plot_spectra",
        "plot_statistics",
        "plot_value_maps",
        "similarity_matrix",
        "singular_value_curves",
        "trimming_curves",
        "unchanged_curves",
    ),
    theme=("new_axes",),
)
