"""Whether compiled loops are worth loading for some work; without importing torch or numba."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nbmerge.kernels import is_expected, request
from nbmerge.methods import Combination

if TYPE_CHECKING:
    from nbmerge.engine.planning.plans import TensorPlan

SAVED = {
    "ties": 1.7e-9, "dare_linear": 1e-9, "dare_ties": 1.3e-9, "breadcrumbs": 1.5e-9, "breadcrumbs_ties": 2e-9,
    "nearswap": 1e-9, "consensus": 1.5e-9, "della": 5e-9, "della_linear": 5e-9, "sce": 1e-8, "ram": 2e-9, "ramplus_tl": 6e-9,
    "model_stock": 3e-9, "nuslerp": 2.5e-9,
}  # fmt: skip
"""Processor seconds that loops save for each number of each input; of the methods that can be combinations, if they are not."""
SAVED_SUM, SAVED_PRODUCTS = 5e-11, 1e-9
"""The same for a weighted sum, and for inner products."""

MEMORY = 110_000_000
"""Resident memory of numba and some compiled loops, in bytes (measured, numba 0.68, Linux)."""


def load_loops(tensors: Iterable[TensorPlan], times: int = 1) -> None:
    """Load compiled loops if they save enough in computing these tensors, a number of times."""
    request(times * estimate_saved_seconds(tensors))


def estimate_loop_bytes(tensors: Iterable[TensorPlan], times: int = 1) -> int:
    """Memory of the loops that computing these tensors loads, a number of times."""
    return find_loop_bytes(times * estimate_saved_seconds(tensors))


def find_loop_bytes(seconds: float) -> int:
    """Memory of the loops that work loads in which they save so many processor seconds."""
    return MEMORY if is_expected(seconds) else 0


def estimate_saved_seconds(tensors: Iterable[TensorPlan]) -> float:
    """Processor time that loops save in computing these tensors once."""
    return sum(tensor.count * len(tensor.inputs) * _saved_by_number(tensor) for tensor in tensors)


def _saved_by_number(tensor: TensorPlan) -> float:
    method = tensor.how
    if isinstance(method, Combination):
        return SAVED_SUM + SAVED_PRODUCTS * method.needs_gram
    return SAVED.get(method.name, 0.0)
