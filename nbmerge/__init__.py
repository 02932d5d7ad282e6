"""nbmerge: merge language models in a notebook.

The names below are loaded when first used, so that ``import nbmerge`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # editors and type checkers see these; `_HOMES` says the same to the program that runs
    from IPython.core.interactiveshell import InteractiveShell

    from nbmerge.adapters import AdapterMerge, Extraction, extract_lora, merge_adapters
    from nbmerge.analysis import (
        Ablation,
        PathScores,
        Sensitivity,
        TokenComparison,
        ablate,
        compare_tokens,
        sensitivity,
        sweep,
    )
    from nbmerge.analysis.gathering import Gathered, gather_statistics
    from nbmerge.engine.check import Report, check
    from nbmerge.engine.compute_tensors import compute_tensors
    from nbmerge.engine.cost.live_forecast import LiveForecast, forecast_live
    from nbmerge.engine.differences import Difference, describe_difference
    from nbmerge.engine.fill_missing import fill_missing
    from nbmerge.engine.live.backend_choice import BackendChoice, choose_backend
    from nbmerge.engine.live.live_merge import LiveMerge, live
    from nbmerge.engine.live.snapshots import Pin
    from nbmerge.engine.live.update import Update
    from nbmerge.engine.live.virtual_merge import VirtualMerge, virtual
    from nbmerge.engine.merge import MergeResult, merge
    from nbmerge.engine.merge_tensors import merge_tensors
    from nbmerge.engine.planning.planner import plan
    from nbmerge.engine.planning.plans import Plan
    from nbmerge.engine.publish import Published, publish
    from nbmerge.engine.shuffle import shuffle_layers
    from nbmerge.engine.transplant import Transplant, transplant
    from nbmerge.engine.verify import Verification, verify
    from nbmerge.evaluation import Evaluation, evaluate
    from nbmerge.mixtures import Routing, measure_routing, moe
    from nbmerge.model_ref import ModelRef
    from nbmerge.optimisation import SearchResult, search
    from nbmerge.pages import export_page
    from nbmerge.problems import Problem
    from nbmerge.recipe import Recipe
    from nbmerge.sampling import (
        BlindResult,
        BlindTest,
        Comparison,
        GridAxis,
        LogOdds,
        Sample,
        SampleGrid,
        blind_test,
        compare,
        log_odds,
        perplexity,
        sample,
        sample_grid,
    )
    from nbmerge.statistics import Changes, Statistics, measure_merge, measure_models
    from nbmerge.statistics.structure import (
        Coefficients,
        Conflicts,
        Family,
        Lineage,
        Spectra,
        check_family,
        measure_coefficients,
        measure_conflicts,
        measure_spectra,
        trace_lineage,
    )
    from nbmerge.widgets import Studio

__version__ = "0.1.0"

_EXPORTS = {
    "nbmerge.adapters": ("AdapterMerge", "Extraction", "extract_lora", "merge_adapters"),
    "nbmerge.analysis": (
        "Ablation",
        "PathScores",
        "Sensitivity",
        "TokenComparison",
        "ablate",
        "compare_tokens",
        "sensitivity",
        "sweep",
    ),
    "nbmerge.analysis.gathering": ("Gathered", "gather_statistics"),
    "nbmerge.engine.check": ("Report", "check"),
    "nbmerge.engine.compute_tensors": ("compute_tensors",),
    "nbmerge.engine.cost.live_forecast": ("LiveForecast", "forecast_live"),
    "nbmerge.engine.differences": ("Difference", "describe_difference"),
    "nbmerge.engine.fill_missing": ("fill_missing",),
    "nbmerge.engine.live.backend_choice": ("BackendChoice", "choose_backend"),
    "nbmerge.engine.live.live_merge": ("LiveMerge", "live"),
    "nbmerge.engine.live.snapshots": ("Pin",),
    "nbmerge.engine.live.update": ("Update",),
    "nbmerge.engine.live.virtual_merge": ("VirtualMerge", "virtual"),
    "nbmerge.engine.merge": ("MergeResult", "merge"),
    "nbmerge.engine.merge_tensors": ("merge_tensors",),
    "nbmerge.engine.planning.planner": ("plan",),
    "nbmerge.engine.planning.plans": ("Plan",),
    "nbmerge.engine.publish": ("Published", "publish"),
    "nbmerge.engine.shuffle": ("shuffle_layers",),
    "nbmerge.engine.transplant": ("Transplant", "transplant"),
    "nbmerge.engine.verify": ("Verification", "verify"),
    "nbmerge.evaluation": ("Evaluation", "evaluate"),
    "nbmerge.mixtures": ("Routing", "measure_routing", "moe"),
    "nbmerge.model_ref": ("ModelRef",),
    "nbmerge.optimisation": ("SearchResult", "search"),
    "nbmerge.pages": ("export_page",),
    "nbmerge.problems": ("Problem",),
    "nbmerge.recipe": ("Recipe",),
    "nbmerge.sampling": (
        "BlindResult",
        "BlindTest",
        "Comparison",
        "LogOdds",
        "Sample",
        "SampleGrid",
        "GridAxis",
        "blind_test",
        "compare",
        "log_odds",
        "perplexity",
        "sample",
        "sample_grid",
    ),
    "nbmerge.statistics": ("Changes", "Statistics", "measure_merge", "measure_models"),
    "nbmerge.statistics.structure": (
        "Coefficients",
        "Conflicts",
        "Family",
        "Lineage",
        "Spectra",
        "check_family",
        "measure_coefficients",
        "measure_conflicts",
        "measure_spectra",
        "trace_lineage",
    ),
    "nbmerge.widgets": ("Studio",),
}
_HOMES = {name: module for module, names in _EXPORTS.items() for name in names}
_ROOMS = (
    "adapters", "analysis", "checkpoints", "demo", "engine", "errors", "evaluation", "lessons", "methods", "mixtures", "optimisation",
    "plots", "progress", "recipe", "sampling", "statistics", "typing", "widgets",
)  # fmt: skip

__all__ = [
    "Ablation",
    "AdapterMerge",
    "BackendChoice",
    "BlindResult",
    "BlindTest",
    "Changes",
    "Coefficients",
    "Comparison",
    "Conflicts",
    "Difference",
    "Evaluation",
    "Extraction",
    "Family",
    "Gathered",
    "GridAxis",
    "Lineage",
    "LiveForecast",
    "LiveMerge",
    "LogOdds",
    "MergeResult",
    "ModelRef",
    "PathScores",
    "Pin",
    "Plan",
    "Problem",
    "Published",
    "Recipe",
    "Report",
    "Routing",
    "Sample",
    "SampleGrid",
    "SearchResult",
    "Sensitivity",
    "Spectra",
    "Statistics",
    "Studio",
    "TokenComparison",
    "Transplant",
    "Update",
    "Verification",
    "VirtualMerge",
    "ablate",
    "blind_test",
    "check",
    "check_family",
    "choose_backend",
    "compare",
    "compare_tokens",
    "compute_tensors",
    "describe_difference",
    "evaluate",
    "export_page",
    "extract_lora",
    "fill_missing",
    "forecast_live",
    "gather_statistics",
    "live",
    "log_odds",
    "measure_coefficients",
    "measure_conflicts",
    "measure_merge",
    "measure_models",
    "measure_routing",
    "measure_spectra",
    "merge",
    "merge_adapters",
    "merge_tensors",
    "moe",
    "perplexity",
    "plan",
    "publish",
    "sample",
    "sample_grid",
    "search",
    "sensitivity",
    "shuffle_layers",
    "sweep",
    "trace_lineage",
    "transplant",
    "verify",
    "virtual",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return import_module(f"nbmerge.{name}")
    raise AttributeError(f"module 'nbmerge' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__version__"])


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Register the cell magic ``%%merge``: a recipe in the cell becomes a live merge."""
    from nbmerge.magic import load

    load(ipython)
