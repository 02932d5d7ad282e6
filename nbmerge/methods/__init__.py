"""Merge methods: formulas, parameters and the words that explain them."""

from nbmerge.methods.decorators import combination, elementwise
from nbmerge.methods.method import REQUIRED, Combination, Elementwise, Method, Parameter, Values
from nbmerge.methods.registry import IGNORED, load_own, methods, parameter_names, register

__all__ = [
    "IGNORED", "REQUIRED", "Combination", "Elementwise", "Method", "Parameter", "Values",
    "combination", "elementwise", "methods", "parameter_names", "register",
]  # fmt: skip

load_own()
