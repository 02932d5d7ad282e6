"""Passthrough: one model's tensors as they are, for stacking layers of several models."""

from __future__ import annotations

from nbmerge.methods.framework.method import Combination, Parameter, Values


def _coefficients(values: Values, gram: None = None) -> list[float]:
    return [values.each["scale"][0]]


METHODS = (
    Combination(
        name="passthrough",
        title="Passthrough (layer stacking)",
        words="Copies each layer from one model, unchanged or scaled. With slices of several models, it builds deeper or "
        'mixed stacks ("frankenmerges").',
        formula=r"W = s \, W_1",
        reference="Community practice (Goliath-120B and others, 2023)",
        parameters=(Parameter("scale", "Factor on the tensor.", default=1.0, scope="input", slider=(0.0, 2.0)),),
        inputs=(1, 1),
        coefficients=_coefficients,
    ),
)
