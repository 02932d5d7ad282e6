"""The list of methods. A method's file registers it; adding one is adding a file."""

from __future__ import annotations

from importlib import import_module

from nbmerge.methods.method import Method

_MODULES = ("linear", "slerp", "task_arithmetic", "ties", "dare", "passthrough")
_methods: dict[str, Method] = {}

IGNORED = {"int8_mask": "it only saved memory in mergekit and never changed a result"}
"""Parameters that recipes carry and that have no effect on any method, with the reason."""


def register(method: Method) -> Method:
    """Make a method known under its name, to recipes and to the interface; the same name replaces."""
    _methods[method.name] = method
    return method


def methods() -> dict[str, Method]:
    """Every known method, by name, in the order they are shown."""
    for module in _MODULES:
        import_module(f"nbmerge.methods.{module}")
    return dict(_methods)


def parameter_names() -> set[str]:
    """Names of every parameter of every method."""
    return {p.name for m in methods().values() for p in m.parameters}
