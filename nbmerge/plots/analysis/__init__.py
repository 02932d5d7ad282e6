"""Plots of `nbmerge.analysis`: scores along paths and over planes, effects of ablations, derivatives."""

from nbmerge.plots.analysis.effects import effect_map, plot_ablation, plot_sensitivity
from nbmerge.plots.analysis.paths import plot_path_scores, score_curve, score_plane

__all__ = ["effect_map", "plot_ablation", "plot_path_scores", "plot_sensitivity", "score_curve", "score_plane"]
