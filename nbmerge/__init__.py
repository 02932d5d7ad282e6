"""nbmerge: merge language models in a notebook.

The names below are loaded when first used, so that ``import nbmerge`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Recipe": "nbmerge.recipe",
    "check": "nbmerge.engine.check",
    "plan": "nbmerge.engine.planning.planner",
    "merge": "nbmerge.engine.merge",
    "live": "nbmerge.engine.live.live_merge",
    "virtual": "nbmerge.engine.live.virtual_merge",
    "choose_backend": "nbmerge.engine.live.backend_choice",
    "verify": "nbmerge.engine.verify",
    "publish": "nbmerge.engine.publish",
    "measure_models": "nbmerge.statistics",
    "measure_merge": "nbmerge.statistics",
    "sample": "nbmerge.sampling",
    "compare": "nbmerge.sampling",
    "perplexity": "nbmerge.sampling",
    "log_odds": "nbmerge.sampling",
    "Studio": "nbmerge.widgets",
}
_ROOMS = ("checkpoints", "demo", "engine", "errors", "methods", "plots", "recipe", "sampling", "statistics", "widgets")

__all__ = [
    "Recipe",
    "Studio",
    "check",
    "choose_backend",
    "compare",
    "live",
    "log_odds",
    "measure_merge",
    "measure_models",
    "merge",
    "perplexity",
    "plan",
    "publish",
    "sample",
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


def load_ipython_extension(ipython) -> None:
    """Make ``%%merge`` known: a recipe in the cell, a live model out."""
    from nbmerge.magic import load

    load(ipython)
