"""LiNeS: task arithmetic whose strength grows linearly with depth."""

from __future__ import annotations

from dataclasses import replace

from nbmerge.methods.framework.method import Combination, Parameter, Values
from nbmerge.methods.task_arithmetic import NORMALIZE, WEIGHT, divisor

_ALPHA = Parameter("alpha", "Factor on the merged task vector in the first layer (and the embeddings).", default=0.2)
_BETA = Parameter("beta", "What the last layer (and the final norm and head) gets on top of alpha.", default=0.8)


def _coefficients(values: Values, gram: None = None) -> list[float]:
    scale = (values["alpha"] + values["beta"] * values.position) / divisor(values)
    tuned = [w * scale for w in values.each["weight"][1:]]
    return [1.0 - sum(tuned), *tuned]


METHODS = (
    Combination(
        name="lines",
        title="LiNeS (strength by depth)",
        words="Adds task vectors to the base, weakly in the first layers and strongly in the last. The first layers "
        "hold what all tasks need, so leaving them near the base forgets less and lets tasks interfere less.",
        formula=r"W_l = B_l + (\alpha + \beta\,\frac{l}{L-1}) \sum_i w_i (W_{i,l} - B_l)",
        reference="Wang et al. 2025, LiNeS, https://arxiv.org/abs/2410.17146",
        parameters=(replace(WEIGHT, default=1.0), NORMALIZE, _ALPHA, _BETA),
        base="required",
        inputs=(1, None),
        coefficients=_coefficients,
    ),
)
