"""Task arithmetic: add what fine-tunes learned, their task vectors, to the base model."""

from __future__ import annotations

from nbmerge.methods.framework.method import Combination, Parameter, Values

WEIGHT = Parameter("weight", "Factor on this model's task vector, its difference from the base model.", scope="input")
LAMBDA = Parameter("lambda", "Factor on the merged task vector.", default=1.0, slider=(0.0, 2.0))
NORMALIZE = Parameter("normalize", "Divide by the sum of the weights.", default=False, kind="flag")


def divisor(values: Values) -> float:
    """What the weighted sum of task vectors is divided by: Σw when normalising (1 where that is 0), else 1."""
    total = sum(w for w in values.each["weight"] if w is not None)
    return total if values["normalize"] and abs(total) > 1e-8 else 1.0


def _coefficients(values: Values, gram: None = None) -> list[float]:
    scale = values["lambda"] / divisor(values)
    tuned = [w * scale for w in values.each["weight"][1:]]
    return [1.0 - sum(tuned), *tuned]


METHODS = (
    Combination(
        name="task_arithmetic",
        title="Task arithmetic",
        words="Adds each model's difference from the base model, times its weight, to the base model. Weights need not sum "
        "to 1: a weight of 0 omits a model's changes, 1 adds them in full, a negative weight subtracts them.",
        formula=r"W = B + \lambda \sum_i w_i (W_i - B)",
        reference="Ilharco et al. 2023, Editing models with task arithmetic, https://arxiv.org/abs/2212.04089",
        parameters=(WEIGHT, NORMALIZE, LAMBDA),
        base="required",
        inputs=(1, None),
        coefficients=_coefficients,
    ),
)
