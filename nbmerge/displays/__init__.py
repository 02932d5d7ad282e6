"""What notebooks show of each object: pure functions from an object to a small piece of HTML.

All text goes through `markup.element`, which escapes it. There are no scripts and no style sheets: styles are inline, with
JupyterLab's variables and fallbacks, and the structure (tables, lists, ``<details>``) also reads where styles are dropped,
as on GitHub. `nbmerge.presentation.Displayed` calls `to_html` when something is displayed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbmerge.displays.analysis import (
    show_ablation,
    show_path_scores,
    show_routing,
    show_sensitivity,
    show_token_comparison,
)
from nbmerge.displays.evaluations import show_evaluation
from nbmerge.displays.markup import Markup
from nbmerge.displays.memory import show_merge_in_memory, show_pin, show_update
from nbmerge.displays.merges import show_merge_result, show_report
from nbmerge.displays.recipes import show_plan, show_recipe
from nbmerge.displays.samples import show_blind_test, show_comparison, show_sample, show_sample_grid
from nbmerge.displays.searches import show_search
from nbmerge.displays.structure import (
    show_adapter_merge,
    show_coefficients,
    show_conflicts,
    show_extraction,
    show_family,
    show_lineage,
    show_spectra,
)
from nbmerge.displays.tables import show_changes, show_statistics

__all__ = ["to_html"]

_SHOW: dict[str, Callable[[Any], Markup]] = {
    "Ablation": show_ablation,
    "AdapterMerge": show_adapter_merge,
    "BlindTest": show_blind_test,
    "Changes": show_changes,
    "Coefficients": show_coefficients,
    "Comparison": show_comparison,
    "Conflicts": show_conflicts,
    "Evaluation": show_evaluation,
    "Extraction": show_extraction,
    "Family": show_family,
    "Lineage": show_lineage,
    "MergeInMemory": show_merge_in_memory,
    "MergeResult": show_merge_result,
    "PathScores": show_path_scores,
    "Pin": show_pin,
    "Plan": show_plan,
    "Recipe": show_recipe,
    "Report": show_report,
    "Routing": show_routing,
    "Sample": show_sample,
    "SampleGrid": show_sample_grid,
    "SearchResult": show_search,
    "Sensitivity": show_sensitivity,
    "Spectra": show_spectra,
    "Statistics": show_statistics,
    "TokenComparison": show_token_comparison,
    "Update": show_update,
}
"""By name of the class, so that showing a recipe does not import what a live merge needs."""


def to_html(subject: Any) -> str:
    """The HTML of an object.

    Parameters
    ----------
    subject : Recipe, Plan, Report, MergeResult, LiveMerge, VirtualMerge, Pin, Update, Sample, SampleGrid, Comparison, BlindTest,
        Statistics, Changes, SearchResult, Evaluation, or a result of `nbmerge.analysis` or `nbmerge.statistics.structure`

    Raises
    ------
    TypeError
        For any other object.
    """
    for kind in type(subject).__mro__:
        if kind.__name__ in _SHOW and kind.__module__.startswith("nbmerge."):
            return str(_SHOW[kind.__name__](subject))
    raise TypeError(f"nbmerge has no display for {type(subject).__name__}.")
