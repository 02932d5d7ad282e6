"""What a merge method is, how it declares what it needs, and the registry of all known methods."""

from nbmerge.methods.framework.decorators import combination, elementwise
from nbmerge.methods.framework.method import REQUIRED, Combination, Elementwise, Method, Parameter, Values
from nbmerge.methods.framework.registry import IGNORED, methods, parameter_names, register

__all__ = [
    "IGNORED", "REQUIRED", "Combination", "Elementwise", "Method", "Parameter", "Values",
    "combination", "elementwise", "methods", "parameter_names", "register",
]  # fmt: skip
