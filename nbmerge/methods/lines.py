"""LiNeS: task arithmetic whose strength grows linearly with depth."""

from __future__ import annotations

from dataclasses import replace

from nbmerge.methods.framework.method import Combination, Parameter, Values
from nbmerge.methods.task_arithmetic import NORMALIZE, WEIGHT, divisor

_ALPHA = Parameter("alpha", "Factor on the merged task vector in the first layer and the embeddings.", default=0.2)
_BETA = Parameter("beta", "Added to alpha in the last layer, the final norm and the head.", default=0.8)


def _coefficients(values: Values, gram: None = None) -> list[float]:
    scale = (values["alpha"] + values["beta"] * values.position) / divisor(values)
    tuned = [w * scale for w in values.each["weight"][1:]]
    return [1.0 - sum(tuned), *tuned]


METHODS = (
    Combination(
        name="lines",
        title="LiNeS (strength by depth)",
        words="Adds task vectors to the base model, with a factor that grows from the first layer to the last. Early layers "
        "are general, so keeping them close to the base model reduces forgetting and interference.",
        formula=r"W_l = B_l + (\alpha + \beta\,\frac{l}{L-1}) \sum_i w_i (W_{i,l} - B_l)",
        reference="Wang et al. 2025, LiNeS, https://arxiv.org/abs/2410.17146",
        parameters=(replace(WEIGHT, default=1.0), NORMALIZE, _ALPHA, _BETA),
        base="required",
        inputs=(1, None),
        coefficients=_coefficients,
    ),
)
