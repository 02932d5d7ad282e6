"""Merge methods: formulas, parameters and the words that explain them."""

from nbmerge.methods.method import REQUIRED, Combination, Elementwise, Method, Parameter, Values
from nbmerge.methods.registry import IGNORED, methods, parameter_names, register

__all__ = [
    "IGNORED", "REQUIRED", "Combination", "Elementwise", "Method", "Parameter", "Values", "methods", "parameter_names", "register",
]  # fmt: skip
