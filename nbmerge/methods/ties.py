"""TIES: trim small changes, elect a sign for each element, merge what agrees with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, Parameter, Values
from nbmerge.methods.numerics.fused import add_scaled_
from nbmerge.methods.numerics.selection import Cut, cuts
from nbmerge.methods.numerics.sign_election import elect
from nbmerge.methods.task_arithmetic import LAMBDA, WEIGHT

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


DENSITY = Parameter(
    "density", "Share of this model's changes that is kept, the largest first.",
    default=1.0, scope="input", low=0.0, high=1.0,
)  # fmt: skip
CONSENSUS = Parameter(
    "consensus", "Elect signs by the sum of the changes (sum) or by one vote per model (count).",
    default="sum", kind=("sum", "count"),
)  # fmt: skip
NORMALIZE = Parameter(
    "normalize",
    "Divide each element by the sum of the weights of the models that agree with the elected sign.",
    default=True,
    kind="flag",
)


def kept(density: float, count: int) -> int:
    """How many of `count` elements a density keeps: ⌊density·count⌋, at least one unless the density is 0."""
    return 0 if density <= 0 else max(1, int(density * count))


def _look(tensors: InputBlocks, values: Values) -> list[Cut | None]:
    """Where to cut each task vector; None for the base and where everything is kept."""
    keep = [tensors.count, *(kept(density, tensors.count) for density in values.each["density"][1:])]
    wanted = [(i, k) for i, k in enumerate(keep) if k < tensors.count]
    found: list[Cut | None] = [None] * len(keep)
    for (i, _), where in zip(wanted, cuts(tensors, wanted), strict=True):
        found[i] = where
    return found


def mix(inputs: list[torch.Tensor], start: int, state: list[Cut | None], values: Values) -> torch.Tensor:
    """Mix one block, see `Elementwise.mix`."""
    base, *tuned = inputs
    weights = list(values.each["weight"][1:])
    weighted = []
    for own, where, weight in zip(tuned, state[1:], weights, strict=True):
        delta = own.sub_(base)
        weighted.append((delta if where is None else where.apply(delta, start)).mul_(weight))
    merged = elect(weighted, weights, values["normalize"], values["consensus"])
    return add_scaled_(base, merged, values["lambda"])


METHODS = (
    Elementwise(
        name="ties",
        title="TIES",
        words="Keeps only the largest changes of each model, elects a sign for every weight by majority, and merges the "
        "changes that agree with it. It reduces interference between models compared with plain sums.",
        formula=r"W = B + \lambda \frac{\sum_i m_i w_i \hat\delta_i}{\sum_i m_i w_i},\quad"
        r"\ m_i = [\mathrm{sign}(w_i\hat\delta_i) = \mathrm{sign}(\sum_j w_j\hat\delta_j)]",
        reference="Yadav et al. 2023, TIES-Merging, https://arxiv.org/abs/2306.01708",
        parameters=(WEIGHT, DENSITY, NORMALIZE, LAMBDA, CONSENSUS),
        base="required",
        inputs=(1, None),
        look=_look,
        mix=mix,
        anywhere=True,
        portable=True,
    ),
)
