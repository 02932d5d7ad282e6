"""Plots of `nbmerge.analysis`: scores along paths and over planes, effects of ablations, derivatives, tokens, routing."""

from nbmerge.plots.analysis.effects import effect_map, plot_ablation, plot_sensitivity
from nbmerge.plots.analysis.paths import plot_path_scores, score_curve, score_plane
from nbmerge.plots.analysis.routing import plot_routing, routing_bars
from nbmerge.plots.analysis.tokens import plot_token_comparison, token_map

__all__ = [
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
]
