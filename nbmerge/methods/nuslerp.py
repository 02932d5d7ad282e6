"""NuSLERP: slerp between two models, or between their task vectors, for the whole tensor or row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.framework.method import Combination, Elementwise, MethodFields, Parameter, Values
from nbmerge.methods.numerics.geometry import arc, has_base, placed, products, row_products
from nbmerge.methods.numerics.sums import halve

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


_WEIGHT = Parameter("weight", "Weight of this model; the two weights are divided by their sum.", scope="input")
_FLATTEN = Parameter(
    "nuslerp_flatten", "One arc for the whole tensor (true), or one for each row or column.", default=True, kind="flag"
)
_BY_DIMENSION = Parameter(
    "nuslerp_row_wise", "Without nuslerp_flatten: arcs along the first dimension instead of the last.",
    default=False, kind="flag",
)  # fmt: skip


def _share(values: Values) -> float:
    """Share of the second model."""
    first, second = values.each["weight"][-2:]
    return second / (first + second)


def _check(values: Values) -> str | None:
    if abs(sum(values.each["weight"][-2:])) < 1e-8:
        return "the two weights sum to 0, so they cannot be normalised. Change one of them."
    return None


def _coefficients(values: Values, gram: np.ndarray) -> list[float]:
    t, based = _share(values), has_base(values)
    if t in (0.0, 1.0):
        return placed(np.array([1.0 - t, t]), based)
    g = products(gram, based)
    return placed(np.array(arc(g[0, 0], g[0, 1], g[1, 1], t)), based)


def _merged(inputs: list[torch.Tensor], values: Values) -> list[torch.Tensor]:
    """The two weights or task vectors."""
    return [own - inputs[0] for own in inputs[1:]] if has_base(values) else list(inputs)


def _look_at_columns(tensors: InputBlocks, values: Values) -> np.ndarray | None:
    """⟨a,a⟩, ⟨a,b⟩ and ⟨b,b⟩ of each column, float64, shape (3, columns); None for a vector, which is one row."""
    if tensors.count == tensors.columns and not values.matrix:
        return None
    total = np.zeros((3, tensors.columns))
    for _, inputs in tensors:
        a, b = _merged(inputs, values)
        total += np.stack([halve((x * y).double().T).numpy() for x, y in ((a, a), (a, b), (b, b))])
    return total


def find_row_factors(products: np.ndarray, values: Values) -> list[np.ndarray]:
    """What each row's a − B and b − a are multiplied by, given the inner products of a − B and b − B.

    Returns
    -------
    list of two ndarrays of float64, shape (rows,)
    """
    return _factors(products[:, 0, 0], products[:, 0, 1], products[:, 1, 1], values)


def _factors(aa: np.ndarray, ab: np.ndarray, bb: np.ndarray, values: Values) -> list[np.ndarray]:
    first, second = arc(aa, ab, bb, _share(values))
    return [first + second - 1.0, second]


def mix_rows(inputs: list[torch.Tensor], start: int, columns: np.ndarray | None, values: Values) -> torch.Tensor:
    """Mix a block of whole rows, with the inner products of columns or, by default, of rows; see `Elementwise.mix`."""
    pair = _merged(inputs, values)
    if columns is None:
        grow, turn = (f[:, None] for f in find_row_factors(row_products(pair), values))
    else:
        aa, ab, bb = columns
        grow, turn = _factors(aa, ab, bb, values)
    # W = a + (c₁+c₂−1)(a−B) + c₂(b−a): equal inputs give themselves, bit for bit.
    a, b = inputs[-2:]
    grown = pair[0].mul(a.new_tensor(grow)).add_(a)
    return b.sub_(a).mul_(a.new_tensor(turn)).add_(grown)


_FIELDS: MethodFields = {
    "name": "nuslerp",
    "title": "NuSLERP",
    "words": "Slerp between two models with a weight for each; with a base model, between their task vectors. There is one "
    "arc for the whole tensor, or one for every row or column.",
    "formula": r"W = B + \frac{\sin((1-t)\theta)}{\sin\theta}\delta_1 + \frac{\sin(t\,\theta)}{\sin\theta}\delta_2,"
    r"\quad t = \frac{w_2}{w_1 + w_2}",
    "reference": "Shoemake 1985, https://doi.org/10.1145/325165.325242; as defined by mergekit",
    "parameters": (_WEIGHT, _FLATTEN, _BY_DIMENSION),
    "base": "optional",
    "inputs": (2, 2),
}
_BY_ROW = Elementwise(mix=mix_rows, whole="row", portable=True, **_FIELDS)
_BY_COLUMN = Elementwise(mix=mix_rows, look=_look_at_columns, whole="row", portable=True, **_FIELDS)


def _variant(values: Values) -> Elementwise | None:
    if values["nuslerp_flatten"] or _share(values) in (0.0, 1.0):  # one model alone is a combination, however it is cut
        return None
    return _BY_COLUMN if values["nuslerp_row_wise"] else _BY_ROW


METHODS = (Combination(coefficients=_coefficients, needs_gram=True, variant=_variant, check=_check, **_FIELDS),)
