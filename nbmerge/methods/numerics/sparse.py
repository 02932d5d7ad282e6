"""What methods share that thin out task vectors: weigh what is left, then add it up or let it vote."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.sign_election import elect
from nbmerge.methods.numerics.sums import absolute
from nbmerge.methods.task_arithmetic import divisor

if TYPE_CHECKING:
    import torch

Thin = Callable[["torch.Tensor", int, int], "torch.Tensor"]
"""``(delta, i, start)``: input i's task vector thinned out, elements from `start` on; may overwrite `delta`."""


def weighted(inputs: list[torch.Tensor], start: int, values: Values, thin: Thin) -> list[torch.Tensor]:
    """Thinned task vectors times their weights."""
    base, *tuned = inputs
    return [thin(own.sub_(base), i, start).mul_(values.each["weight"][i]) for i, own in enumerate(tuned, start=1)]


def added(inputs: list[torch.Tensor], start: int, values: Values, thin: Thin) -> torch.Tensor:
    """B + λ Σ wᵢδ̂ᵢ, divided by Σ wᵢ where weights are normalised."""
    total, *rest = weighted(inputs, start, values, thin)
    for delta in rest:
        total.add_(delta)
    return add_scaled_(inputs[0], total, values["lambda"] / divisor(values))


def voted(inputs: list[torch.Tensor], start: int, values: Values, thin: Thin) -> torch.Tensor:
    """B + λ times what agrees with the elected signs, see `elect`."""
    merged = elect(weighted(inputs, start, values, thin), list(values.each["weight"][1:]), values["normalize"])
    return add_scaled_(inputs[0], merged, values["lambda"])


def l1_factor(deltas: Iterable[tuple[int, torch.Tensor]], thin: Callable[[torch.Tensor, int], torch.Tensor]) -> float:
    """Factor that gives a thinned task vector its sum of absolute values back; 1 where nothing is left.

    Parameters
    ----------
    deltas : iterable of (start, Tensor)
    thin : callable
        ``(delta, start)``, in place.
    """
    before, after = [], []
    for start, delta in deltas:
        before.append(absolute(delta))
        after.append(absolute(thin(delta, start)))
    total, left = math.fsum(before), math.fsum(after)
    return total / left if left > 0 else 1.0
