"""Merge methods: formulas, parameters and the words that explain them."""

from nbmerge.methods.framework.decorators import combination, elementwise
from nbmerge.methods.framework.method import REQUIRED, Combination, Elementwise, Method, Parameter, Values
from nbmerge.methods.framework.registry import IGNORED, load_own, methods, parameter_names, register

__all__ = [
    "IGNORED", "REQUIRED", "Combination", "Elementwise", "Method", "Parameter", "Values",
    "combination", "elementwise", "methods", "parameter_names", "register",
]  # fmt: skip

load_own()
