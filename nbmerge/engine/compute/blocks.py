"""Blocks: the inputs of one tensor, read piece by piece into buffers that are used again and again.

A block fits the processor's cache. It is also the unit in which sums are taken, so it is a constant of the results
and not a setting: a tensor's bytes never depend on threads, order or memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbmerge.engine.compute.workspace import BLOCK, Read, Workspace

if TYPE_CHECKING:
    from nbmerge.engine.planning.plans import TensorPlan
    from nbmerge.methods import Elementwise, Values

GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo 1, are spread evenly however many there are."""


class Blocks:
    """The inputs of one output tensor.

    Parameters
    ----------
    tensor : TensorPlan
    workspace : Workspace
    """

    def __init__(self, tensor: TensorPlan, workspace: Workspace):
        self.inputs = tensor.inputs
        self.count = tensor.count
        self.workspace = workspace
        self.target: torch.Tensor | None = None
        """The whole result's place in memory, flat, where it has one: blocks may then be computed into it."""
        self.dtype = torch.float64 if any(i.dtype == "float64" for i in self.inputs) else torch.float32
        """dtype of the arithmetic."""
        self.columns = max(1, tensor.shape[-1]) if tensor.shape else 1
        """Length of a row."""
        self.whole = getattr(tensor.how, "whole", "element")
        self.step = self._step(tensor.shape)
        """Elements in a block: `BLOCK`, or as many as keep rows or matrices whole."""
        self._readers: dict[int, Read] = {}
        host = workspace.host
        self._on_host = (
            None if host is workspace else Blocks(tensor, host)
        )  # never itself: blocks end with their last user

    @property
    def _near(self) -> Blocks:
        """The same blocks where they are read, to be looked at there."""
        return self._on_host or self

    def _step(self, shape: tuple[int, ...]) -> int:
        if self.whole == "element":
            return BLOCK
        if self.whole == "row":
            return max(1, BLOCK // self.columns) * self.columns
        return max(1, shape[-2] if len(shape) > 1 else 1) * self.columns

    def starts(self) -> range:
        """First element of every block."""
        return range(0, self.count, self.step)

    def size(self, start: int) -> int:
        """Number of elements in the block that begins at `start`."""
        return min(self.step, self.count - start)

    def stored(self, i: int, start: int) -> torch.Tensor:
        """One input's block in its stored dtype, where it is mixed."""
        return self.workspace.bring(i, self._near._read(i)(start, self.size(start)))

    def _read(self, i: int) -> Read:
        if i not in self._readers:
            self._readers[i] = self.workspace.open(self.inputs[i], i)
        return self._readers[i]

    def rows(self, start: int, which: list[int] | None = None, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Blocks of several inputs (default all) in the working dtype, shape (inputs, elements)."""
        which = list(range(len(self.inputs))) if which is None else which
        rows = self.workspace.working(dtype or self.dtype, len(which), self.size(start))
        for row, i in zip(rows, which, strict=True):
            row.copy_(self.stored(i, start))
        return rows

    def at(self, start: int) -> list[torch.Tensor]:
        """One block of all inputs in the working dtype; of shape (rows, columns) where rows stay whole."""
        blocks = self.rows(start).unbind()
        return list(blocks) if self.whole == "element" else [b.view(-1, self.columns) for b in blocks]

    def __iter__(self) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """(start, blocks of all inputs in the working dtype), one after another."""
        for start in self.starts():
            yield start, self.at(start)

    def deltas(self, i: int) -> Iterator[tuple[int, torch.Tensor]]:
        """(start, Wᵢ − W₀), one block after another."""
        for start in self.starts():
            base, own = self.rows(start, [0, i]).unbind()
            yield start, own.sub_(base)

    def magnitudes(self, i: int) -> Iterator[tuple[int, np.ndarray]]:
        """(start, |Wᵢ − W₀|), one block after another."""
        for start, delta in self.deltas(i):
            yield start, delta.abs_().numpy()

    def glimpse(self, i: int, wanted: int = 1 << 16) -> np.ndarray:
        """About as many |Wᵢ − W₀| as wanted: a piece of each block, its place in the block always another."""
        starts = self.starts()
        each = -(-wanted // max(1, len(starts)))
        pieces = []
        for j, start in enumerate(starts):
            count = min(each, self.size(start))
            first = start + int(j * GOLDEN % 1 * (self.size(start) - count))
            base, own = (self._read(k)(first, count).to(self.dtype) for k in (0, i))
            pieces.append((own - base).abs_().numpy())
        return np.concatenate(pieces)

    def restricted(self, tensor: TensorPlan) -> Blocks:
        """The same for the same tensor from fewer inputs."""
        fewer = Blocks(tensor, self.workspace)
        fewer.target = self.target
        return fewer

    def place(self, start: int) -> torch.Tensor | None:
        """The block's place in `target`, where blocks are mixed beside it."""
        return (
            None if self.target is None or self._on_host is not None else self.target[start : start + self.size(start)]
        )

    def looked(self, method: Elementwise, values: Values) -> Any:
        """What a method's look finds."""
        if method.look is None:
            return None
        near = self._near
        return near.workspace.recall((method.look, self.step), self.inputs, values, lambda v: method.look(near, v))

    def gram(self) -> np.ndarray:
        """Gram matrix over [W₀, W₁−W₀, …], float64, shape (inputs, inputs).

        Products of stored float32 are summed in float64; of shorter floats in float32 within a block, whose error of
        about 1e-7 is far below their own rounding.
        """
        near = self._near
        return near.workspace.recall(("gram", self.step), self.inputs, None, lambda _: near._gram())

    def _gram(self) -> np.ndarray:
        exact = any(i.dtype in ("float32", "float64") for i in self.inputs)
        total = np.zeros((len(self.inputs),) * 2)
        for start in self.starts():
            rows = self.rows(start, dtype=torch.float64 if exact else torch.float32)
            rows[1:].sub_(rows[:1])
            total += products(rows)
        return total


def products(rows: torch.Tensor) -> np.ndarray:
    """All products of rows with each other, float64, shape (rows, rows)."""
    count = len(rows)
    if count > 3:  # where a product of matrices begins to be faster than its entries one by one
        return (rows @ rows.T).double().numpy()
    found = np.empty((count, count))
    for i in range(count):
        for j in range(i, count):
            found[i, j] = found[j, i] = torch.dot(rows[i], rows[j]).item()
    return found
