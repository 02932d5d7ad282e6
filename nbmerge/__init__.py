"""nbmerge: merge language models in a notebook.

The names below are loaded when first used, so that ``import nbmerge`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Recipe": "nbmerge.recipe",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nbmerge' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
