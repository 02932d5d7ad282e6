"""What trimming and the election of signs leave of task vectors, counted block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
import torch

from nbmerge.kernels import find_loops
from nbmerge.methods.numerics import halve

LANES = 1 << 11
"""Partial sums of one block. A power of two."""


class TrimmedSums:
    """What is counted of n task vectors at several densities.

    Parameters
    ----------
    groups, densities, models : int
        Numbers of tensors (or groups of them), densities and models without the base.

    Attributes
    ----------
    total : ndarray, shape (groups, n)
        Σ|δ|.
    kept, elected : ndarray, shape (groups, densities, n)
        Σ|δ| of what is kept, and of what has the elected sign besides.
    shared, conflicting : ndarray, shape (groups, densities)
        Elements that at least two models changed and kept, and those of them with different signs.
    same, opposite : ndarray, shape (groups, densities, n, n)
        Elements that both models of a pair changed and kept, with the same and with opposite signs.
    """

    FIELDS = ("total", "kept", "elected", "shared", "conflicting", "same", "opposite")

    def __init__(self, groups: int, densities: int, models: int):
        self.total = np.zeros((groups, models))
        self.kept, self.elected = (np.zeros((groups, densities, models)) for _ in range(2))
        self.shared, self.conflicting = (np.zeros((groups, densities)) for _ in range(2))
        self.same, self.opposite = (np.zeros((groups, densities, models, models)) for _ in range(2))

    def find_loop(
        self, dtypes: Sequence[str]
    ) -> Callable[[int, list[torch.Tensor], np.ndarray, np.ndarray], None] | None:
        """The compiled form of `add` for inputs of these dtypes, if there is one; it takes their blocks as they are stored."""
        loops = find_loops()
        fused = loops.fuse_trimming(dtypes, LANES) if loops else None
        if fused is None:
            return None

        def add(t: int, blocks: list[torch.Tensor], thresholds: np.ndarray, ties: np.ndarray) -> None:
            fused(blocks, thresholds, ties, *(getattr(self, field)[t] for field in self.FIELDS))

        return add

    def add(self, t: int, deltas: torch.Tensor, thresholds: np.ndarray, ties: np.ndarray) -> None:
        """Count one block of tensor t at all densities.

        Parameters
        ----------
        t : int
        deltas : Tensor, shape (models, elements)
            Of the task vectors; overwritten. Blocks come in order.
        thresholds, ties : ndarray, shape (models, densities)
            See `find_thresholds`. What the block takes is subtracted from `ties`.
        """
        self.total[t] += _sum_rows(deltas.abs())
        for d in range(self.kept.shape[1]):
            for m, delta in enumerate(deltas):
                ties[m, d] -= _trim(delta, float(thresholds[m, d]), int(ties[m, d]))
            self._count_signs(t, d, deltas)
            self.kept[t, d] += _sum_rows(deltas.abs())
            self.elected[t, d] += _sum_rows(_elect(deltas))

    def _count_signs(self, t: int, d: int, kept: torch.Tensor) -> None:
        signs = kept.sign()
        changed = signs.abs()
        net = (signs @ signs.T).double().numpy()  # counts stay below 2²⁴ within a block, so their products are exact
        both = (changed @ changed.T).double().numpy()
        self.same[t, d] += (both + net) / 2
        self.opposite[t, d] += (both - net) / 2
        if len(kept) == 2:
            shared, conflicting = both[0, 1], (both[0, 1] - net[0, 1]) / 2
        else:
            models = changed.sum(0)
            several = models >= 2
            shared, conflicting = int(several.sum()), int((several & (signs.sum(0).abs() < models)).sum())
        self.shared[t, d] += shared
        self.conflicting[t, d] += conflicting

    def added(self, groups: Sequence[int], count: int) -> TrimmedSums:
        """The sums over groups of tensors; `groups` has the number of each tensor's group."""
        made = TrimmedSums(count, *self.kept.shape[1:])
        for field in self.FIELDS:
            np.add.at(getattr(made, field), np.array(groups), getattr(self, field))
        return made

    def columns(self, d: int, models: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """The columns of `Conflicts.table` at one density, with one number for each group."""
        with np.errstate(all="ignore"):
            yield "conflict", self.conflicting[:, d] / self.shared[:, d]
            for m, model in enumerate(models):
                yield f"kept[{model}]", self.kept[:, d, m] / self.total[:, m]
                yield f"elected[{model}]", self.elected[:, d, m] / self.total[:, m]
            for (i, a), (j, b) in combinations(enumerate(models), 2):
                opposite = self.opposite[:, d, i, j]
                yield f"conflict[{a}, {b}]", opposite / (self.same[:, d, i, j] + opposite)


def _trim(delta: torch.Tensor, threshold: float, ties: int) -> int:
    """Set what is cut of a block to zero; returns how many elements were kept that equal the threshold.

    Of these, those of lowest index are kept, as in TIES.
    """
    if not threshold:
        return 0  # what could be cut is zero
    equal = delta.abs().eq(threshold).nonzero()[:ties, 0] if ties else torch.empty(0, dtype=torch.int64)
    values = delta[equal]
    delta.copy_(torch.hardshrink(delta, threshold))  # ten times as fast as a mask
    delta[equal] = values
    return len(equal)


def _elect(kept: torch.Tensor) -> torch.Tensor:
    """The sizes of what has the sign of the sum over the models."""
    total = kept[0].clone()
    for row in kept[1:]:  # in this order, as the loop adds
        total += row
    return (kept * total.sign_()).clamp_(min=0)


def _sum_rows(sizes: torch.Tensor) -> np.ndarray:
    """The sum of each row in float64: elements k, k + `LANES`, k + 2·`LANES`, … in this order, then the lanes."""
    rows = sizes.numpy()
    whole = rows.shape[1] - rows.shape[1] % LANES
    lanes = np.add.reduce(rows[:, :whole].reshape(len(rows), -1, LANES), axis=1, dtype=np.float64)
    lanes[:, : rows.shape[1] - whole] += rows[:, whole:]
    return np.asarray(halve(torch.from_numpy(lanes)).numpy())
