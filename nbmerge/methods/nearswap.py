"""Nearswap: take the second model's weights where the two are near, a fixed step towards them where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, Parameter, Values

if TYPE_CHECKING:
    import torch


def mix(inputs: list[torch.Tensor], start: int, state: None, values: Values) -> torch.Tensor:
    """Mix one block, see `Elementwise.mix`."""
    base, other = inputs
    t = values["t"]
    # The formula is a step of at most t: ω(W − B) = clamp(W − B, −t, t).
    delta = other - base
    step = delta.clamp(-t, t).add_(base)
    return other.where(delta.abs_().le(t), step)


METHODS = (
    Elementwise(
        name="nearswap",
        title="Nearswap",
        words="Weights of the second model within t of the base model's replace them; otherwise, the base model's weight "
        "moves by t towards the other. Similar weights are taken over; different ones stay nearly unchanged.",
        formula=r"W = \omega W_1 + (1-\omega) B,\quad \omega = \min(1, \frac{t}{|W_1 - B|})",
        reference="Alchemonaut 2024, https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001",
        parameters=(Parameter("t", "Largest change of a weight.", low=0.0, slider=(0.0, 0.01)),),
        base="required",
        inputs=(2, 2),
        mix=mix,
        anywhere=True,
        portable=True,
    ),
)
