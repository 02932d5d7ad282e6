"""Karcher mean: the direction that is nearest to all models' directions along the sphere, with their mean length."""

from __future__ import annotations

import numpy as np

from nbmerge.methods.framework.method import Combination, Parameter, Values
from nbmerge.methods.multislerp import mean_direction
from nbmerge.methods.numerics.geometry import placed, products

_STEPS = Parameter("max_iter", "Maximum number of steps towards the mean.", default=10, low=1, slider=(1.0, 50.0))
_TOLERANCE = Parameter(
    "tol", "Length of a step (in radians) at which the iteration stops.", default=1e-5, low=0.0, slider=(0.0, 1e-3)
)


def _coefficients(values: Values, gram: np.ndarray) -> list[float]:
    g = products(gram, based=False)
    count, norms = len(g), np.sqrt(np.clip(np.diag(g), 0.0, None))
    mean = mean_direction(g, np.full(count, 1.0 / count))
    if mean is None:
        return [1.0 / count] * count
    units = np.diag(np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0))[norms > 0]
    for _ in range(int(values["max_iter"])):
        step = _to_all(mean, units, g)
        angle = np.sqrt(max(step @ g @ step, 0.0))
        if angle < max(values["tol"], 1e-12):
            break
        mean = np.cos(angle) * mean + np.sin(angle) / angle * step
        mean /= np.sqrt(mean @ g @ mean)
    return placed(mean * norms.mean(), based=False)


def _to_all(mean: np.ndarray, units: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Mean of the logarithms at `mean` of unit vectors: the tangent that points to them, as long as the arc."""
    cosine = np.clip(units @ gram @ mean, -1.0, 1.0)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    stretch = np.divide(angle, sine, out=np.ones_like(sine), where=sine > 1e-9)
    return (stretch[:, None] * (units - cosine[:, None] * mean)).mean(0)


def _note(values: Values, gram: np.ndarray) -> str | None:
    g = products(gram, based=False)
    if not np.diag(g).any() or mean_direction(g, np.full(len(g), 1.0 / len(g))) is not None:
        return None
    return "directions cancel out, averaged linearly"


METHODS = (
    Combination(
        name="karcher",
        title="Karcher mean",
        words="The mean on the sphere, at which the arcs to all models balance, for any number of models with equal shares. "
        "For two models, it is the midpoint of the slerp between their directions.",
        formula=r"W = \bar n\, u^*,\quad u^* = \arg\min_{\|u\|=1} \sum_i \arccos^2 \langle u, W_i / \|W_i\| \rangle,"
        r"\quad \bar n = \frac{1}{N} \sum_i \|W_i\|",
        reference="Karcher 1977, https://doi.org/10.1002/cpa.3160300502",
        parameters=(_STEPS, _TOLERANCE),
        needs_gram=True,
        coefficients=_coefficients,
        note=_note,
    ),
)
