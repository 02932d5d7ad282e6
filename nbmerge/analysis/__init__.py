"""Analysis: why a merge behaves as it does. Functions from recipes and texts to tables, each with a plot.

Start reading at `path_scores`. Merges are evaluated side by side, one layer at a time (`layerwise`), where method and score allow
it, else by updates of a live merge (`measure`).
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.analysis.ablation import Ablation, ablate
    from nbmerge.analysis.divergence import Divergence
    from nbmerge.analysis.path_scores import Barrier, PathScores, sweep
    from nbmerge.analysis.sensitivities import Derivative, Sensitivity, sensitivity
    from nbmerge.analysis.tokens import TokenComparison, compare_tokens

__all__ = [
    "Ablation",
    "Barrier",
    "Derivative",
    "Divergence",
    "PathScores",
    "Sensitivity",
    "TokenComparison",
    "ablate",
    "compare_tokens",
    "sensitivity",
    "sweep",
]

__getattr__ = exporter(
    __name__,
    ablation=("Ablation", "ablate"),
    divergence=("Divergence",),
    path_scores=("Barrier", "PathScores", "sweep"),
    sensitivities=("Derivative", "Sensitivity", "sensitivity"),
    tokens=("TokenComparison", "compare_tokens"),
)
