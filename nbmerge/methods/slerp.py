"""Slerp: from one model to another along the arc between their weights.

Each tensor is one long vector. The weights are not normalised before they are mixed, so norms follow the formula and
are not themselves interpolated on the sphere; that is how every tool does it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.methods.framework.method import Combination, Elementwise, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_

if TYPE_CHECKING:
    import torch


PARALLEL = 0.9995
"""|cosine| above which the arc is a line: sin θ is too small to divide by."""
ZERO = 1e-8
"""Norm at or below which a tensor counts as zero and has no direction."""


def _norms_and_cosine(gram: np.ndarray) -> tuple[float, float, float]:
    """‖a‖, ‖b‖ and their cosine (0 where one is zero) from the Gram matrix over [a, b − a]."""
    aa, ad, dd = gram[0, 0], gram[0, 1], gram[1, 1]
    a, b = math.sqrt(max(aa, 0.0)), math.sqrt(max(aa + 2 * ad + dd, 0.0))
    if min(a, b) <= ZERO:
        return a, b, 0.0
    return a, b, max(-1.0, min(1.0, (aa + ad) / (a * b)))


def _coefficients(values: Values, gram: np.ndarray) -> list[float]:
    t = values["t"]
    if t in (0.0, 1.0):
        return [1.0 - t, float(t)]
    a, b, cosine = _norms_and_cosine(gram)
    if min(a, b) <= ZERO < max(a, b) and values["zero_tensors"] == "keep_other":
        return [1.0, 0.0] if b <= ZERO else [0.0, 1.0]
    if abs(cosine) > PARALLEL:
        return [1.0 - t, t]
    angle = math.acos(cosine)
    return [math.sin((1.0 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)]


def _note(values: Values, gram: np.ndarray) -> str | None:
    a, b, cosine = _norms_and_cosine(gram)
    if min(a, b) <= ZERO < max(a, b):
        return "one of the two tensors is zero"
    if cosine < -PARALLEL:
        return "opposite directions, interpolated linearly"
    return "nearly parallel, interpolated linearly" if cosine > PARALLEL else None


TITLE, REFERENCE = "Slerp (spherical interpolation)", "Shoemake 1985, https://doi.org/10.1145/325165.325242"
T = Parameter("t", "Share of the second model: 0 is the first model, 1 the second.")
ZERO_TENSORS = Parameter(
    "zero_tensors", "If one of the two tensors is zero: keep the other (keep_other) or follow the formula.",
    default="keep_other", kind=("keep_other", "formula"),
)  # fmt: skip

_TOKENS = Elementwise(
    name="slerp",
    title=TITLE,
    words="Rows of tokens that both models have are interpolated along the arc; a row that only one model has is copied.",
    formula=r"W = \frac{\sin((1-t)\theta)}{\sin\theta} A + \frac{\sin(t\,\theta)}{\sin\theta} B",
    reference=REFERENCE,
    parameters=(T, ZERO_TENSORS),
    look=lambda tensors, values: _coefficients(values, tensors.gram()[:2, :2]),
    mix=lambda inputs, start, state, values: _mixed(inputs, state),
    portable=True,
)
"""For ``embed_slerp``: inputs are the two matrices, zero where they do not have a token, and the rows that only one has."""


def _mixed(inputs: list[torch.Tensor], coefficients: list[float]) -> torch.Tensor:
    """Σ cᵢxᵢ, and the rest where there is any: where an element of it is zero, so are both others or their sum."""
    a, b, rest = inputs
    arc = add_scaled_(a.mul_(coefficients[0]), b, coefficients[1])
    return arc.where(rest == 0, rest)


METHODS = (
    Combination(
        name="slerp",
        title=TITLE,
        words="Interpolates from the first model (t = 0) to the second (t = 1) along the arc between them instead of the "
        "straight line. It preserves the norm of the weights, which the mean of two different models would reduce.",
        formula=r"W = \frac{\sin((1-t)\theta)}{\sin\theta} A + \frac{\sin(t\,\theta)}{\sin\theta} B,\quad"
        r"\cos\theta = \frac{\langle A, B\rangle}{\|A\|\,\|B\|}",
        reference=REFERENCE,
        parameters=(T, ZERO_TENSORS),
        base="first",
        inputs=(2, 2),
        needs_gram=True,
        coefficients=_coefficients,
        note=_note,
        variant=lambda values: _TOKENS if values.shared.get("embed_slerp") else None,
    ),
)
