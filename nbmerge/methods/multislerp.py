"""Multi-SLERP: the direction of the models' weighted mean direction, with their weighted mean length.

mergekit writes it with one more step, a move along the tangents Σ wᵢ(uᵢ − ⟨uᵢ,m⟩m) at the mean direction m. As m is
the direction of Σ wᵢuᵢ itself, that sum is zero whatever the models are, and the step is left out here.
"""

from __future__ import annotations

import numpy as np

from nbmerge.methods.framework.method import Combination, Parameter, Values
from nbmerge.methods.numerics.geometry import cosines, has_base, placed, products

_WEIGHT = Parameter("weight", "Weight of this model.", scope="input")
_NORMALIZE = Parameter("normalize_weights", "Divide the weights by their sum.", default=True, kind="flag")
CANCELLED = 1e-3
"""Length of a mean of unit vectors below which its direction is mostly rounding error."""


def mean_direction(gram: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
    """Coefficients of the unit vector along the weighted mean of directions; None where the directions cancel out.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        Gram matrix of the vectors. Zero vectors have no direction and take no part.
    weights : ndarray, shape (n,)
    """
    norms = np.sqrt(np.clip(np.diag(gram), 0.0, None))
    length = np.sqrt(max(weights @ cosines(gram) @ weights, 0.0))
    if length <= CANCELLED * np.abs(weights[norms > 0]).sum():
        return None
    return np.divide(weights, norms * length, out=np.zeros_like(norms), where=norms > 0)


def _weights(values: Values) -> np.ndarray:
    weights = np.array([w for w in values.each["weight"] if w is not None], dtype=np.float64)
    return weights / weights.sum() if values["normalize_weights"] else weights


def _coefficients(values: Values, gram: np.ndarray) -> list[float]:
    based, weights = has_base(values), _weights(values)
    g = products(gram, based)
    direction = mean_direction(g, weights)
    if direction is None or np.count_nonzero(weights) == 1:
        return placed(weights, based)
    return placed(direction * (weights @ np.sqrt(np.clip(np.diag(g), 0.0, None))), based)


def _note(values: Values, gram: np.ndarray) -> str | None:
    g = products(gram, has_base(values))
    if not np.diag(g).any() or mean_direction(g, _weights(values)) is not None:
        return None
    return "directions cancel out, averaged in a straight line"


def _check(values: Values) -> str | None:
    total = sum(w for w in values.each["weight"] if w is not None)
    if values["normalize_weights"] and abs(total) < 1e-8:
        return "the weights sum to 0, so they cannot be normalised. Change a weight, or set normalize_weights: false."
    return None


METHODS = (
    Combination(
        name="multislerp",
        title="Multi-SLERP",
        words="Slerp for any number of models: their directions are averaged on the sphere, and the result has their mean "
        "norm. With a base model, it merges task vectors.",
        formula=r"W = B + (\sum_i w_i \|\delta_i\|) \frac{m}{\|m\|},\quad "
        r"m = \sum_i w_i \frac{\delta_i}{\|\delta_i\|}",
        reference="Goddard 2025, as defined by mergekit, https://github.com/arcee-ai/mergekit",
        parameters=(_WEIGHT, _NORMALIZE),
        base="optional",
        needs_gram=True,
        coefficients=_coefficients,
        note=_note,
        check=_check,
    ),
)
