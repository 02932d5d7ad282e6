"""Linear: the weighted mean of any number of models ("model soup")."""

from __future__ import annotations

from nbmerge.methods.framework.method import Combination, Parameter, Values

WEIGHT = Parameter(
    "weight", "Weight of this model. With 'normalize', weights are divided by their sum.",
    scope="input", slider=(0.0, 1.0),
)  # fmt: skip
NORMALIZE = Parameter("normalize", "Divide by the sum of the weights.", default=True, kind="flag")


def _coefficients(values: Values, gram: None = None) -> list[float]:
    weights = values.each["weight"]
    total = sum(weights) if values["normalize"] else 1.0
    return [w / total for w in weights]


def _check(values: Values) -> str | None:
    if values["normalize"] and abs(sum(values.each["weight"])) < 1e-8:
        return "the weights sum to 0, so they cannot be normalised. Change a weight, or set normalize: false."
    return None


METHODS = (
    Combination(
        name="linear",
        title="Linear (weighted mean)",
        words="Computes the weighted mean of the models. The simplest merge, and hard to beat for models fine-tuned from the "
        "same base model.",
        formula=r"W = \frac{\sum_i w_i W_i}{\sum_i w_i}",
        reference="Wortsman et al. 2022, Model soups, https://arxiv.org/abs/2203.05482",
        parameters=(WEIGHT, NORMALIZE),
        coefficients=_coefficients,
        check=_check,
    ),
)
