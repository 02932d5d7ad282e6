"""The list of methods that are known. `nbmerge.methods` registers its own there, in one place.

Other packages add theirs through the entry-point group ``nbmerge.methods``: each entry names a `Method`, or a module
that registers some when it is imported.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.metadata import entry_points
from typing import TypeVar

from nbmerge.methods.framework.method import Method

M = TypeVar("M", bound=Method)

GROUP = "nbmerge.methods"
_methods: dict[str, Method] = {}

IGNORED = {
    "int8_mask": "it saves memory in mergekit and does not change results",
    "eps": "divisions by zero are detected without it",
}
"""Parameters that occur in recipes but have no effect on any method, with the reason."""


def register(method: M) -> M:
    """Make a method available by its name, in recipes and in the interface; replaces a method of the same name."""
    _methods[method.name] = method
    return method


def methods() -> dict[str, Method]:
    """Every known method by name, in the order in which they are shown."""
    _load_packages()
    return dict(_methods)


def parameter_names() -> set[str]:
    """Names of all parameters of all methods."""
    return {p.name for m in methods().values() for p in m.parameters}


@cache
def _load_packages() -> None:
    for entry in entry_points(group=GROUP):
        try:
            loaded = entry.load()
        except Exception as error:  # a broken package must not make all methods unavailable
            warnings.warn(f"merge methods of {entry.value} cannot be loaded: {error}", stacklevel=3)
            continue
        if isinstance(loaded, Method):
            register(loaded)
