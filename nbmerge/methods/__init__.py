"""Merge methods: formulas, parameters and the words that explain them.

One module for each family of methods; each has them in ``METHODS``, and all are registered here, in the order they are shown.
"""

from nbmerge.methods import (
    arcee_fusion,
    breadcrumbs,
    consensus,
    dare,
    della,
    fisher,
    iso_c,
    karcher,
    linear,
    lines,
    model_stock,
    multislerp,
    nearswap,
    nuslerp,
    passthrough,
    ram,
    regmean,
    sce,
    slerp,
    task_arithmetic,
    ties,
    tsv_m,
    wudi,
)
from nbmerge.methods.framework.decorators import combination, elementwise
from nbmerge.methods.framework.method import REQUIRED, Combination, Elementwise, Method, Parameter, Values
from nbmerge.methods.framework.registry import IGNORED, methods, parameter_names, register

__all__ = [
    "IGNORED", "REQUIRED", "Combination", "Elementwise", "Method", "Parameter", "Values",
    "combination", "elementwise", "methods", "parameter_names", "register",
]  # fmt: skip

for _module in (
    linear, slerp, nuslerp, multislerp, karcher, task_arithmetic, ties, dare, della, breadcrumbs,
    sce, model_stock, nearswap, arcee_fusion, ram, passthrough, lines, consensus, iso_c, tsv_m, wudi, regmean, fisher,
):  # fmt: skip
    for _method in _module.METHODS:
        register(_method)
