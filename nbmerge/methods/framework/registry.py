"""The list of methods. A method's file registers it; adding one is adding a file.

Other packages add theirs through the entry-point group ``nbmerge.methods``: each entry names a `Method`, or a module
that registers some when it is imported.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from nbmerge.methods.framework.method import Method

M = TypeVar("M", bound=Method)

_MODULES = (
    "linear", "slerp", "nuslerp", "multislerp", "karcher", "task_arithmetic", "ties", "dare", "della", "breadcrumbs",
    "sce", "model_stock", "nearswap", "arcee_fusion", "ram", "passthrough",
    "lines", "consensus", "iso_c", "tsv_m", "wudi",
)  # fmt: skip
GROUP = "nbmerge.methods"
_methods: dict[str, Method] = {}

IGNORED = {
    "int8_mask": "it only saved memory in mergekit and never changed a result",
    "eps": "divisions by nothing are recognised without it",
}
"""Parameters that recipes carry and that have no effect on any method, with the reason."""


def register(method: M) -> M:
    """Make a method known under its name, to recipes and to the interface; the same name replaces."""
    _methods[method.name] = method
    return method


def methods() -> dict[str, Method]:
    """Every known method, by name, in the order they are shown."""
    _load_packages()
    return dict(_methods)


def parameter_names() -> set[str]:
    """Names of every parameter of every method."""
    return {p.name for m in methods().values() for p in m.parameters}


def load_own() -> None:
    """Register the methods of this package; called once, when `nbmerge.methods` is imported."""
    for module in _MODULES:
        import_module(f"nbmerge.methods.{module}")


@cache
def _load_packages() -> None:
    for entry in entry_points(group=GROUP):
        try:
            found = entry.load()
        except Exception as error:  # a broken package must not take all methods with it
            warnings.warn(f"merge methods of {entry.value} cannot be loaded: {error}", stacklevel=3)
            continue
        if isinstance(found, Method):
            register(found)
