"""Blocks: the inputs of one tensor, read piece by piece into buffers that are used again and again.

A block fits the processor's cache. It is also the unit in which sums are taken, so it is a constant of the results
and not a setting: a tensor's bytes never depend on threads, order or memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.engine.compute.input_files import Files
from nbmerge.errors import MergeStopped

if TYPE_CHECKING:
    from nbmerge.engine.planning.plans import TensorPlan
    from nbmerge.methods import Elementwise, Values

BLOCK = 1 << 18
"""Elements in a block: 1 MiB in float32."""
GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo 1, are spread evenly however many there are."""


class Workspace:
    """One worker's buffers."""

    def __init__(self, files: Files, cancel: threading.Event | None = None):
        self.files = files
        self._cancel = cancel
        self._raw: list[bytearray] = []
        self._working: dict[torch.dtype, torch.Tensor] = {}

    def another(self) -> Workspace:
        """Buffers for a merge inside a merge."""
        return Workspace(self.files, self._cancel)

    def blocks(self, tensor: TensorPlan) -> Blocks:
        """The inputs of a tensor, in these buffers."""
        return Blocks(tensor, self)

    def stored(self, slot: int, stored: StoredTensor, start: int, count: int) -> torch.Tensor:
        """Elements ``start … start + count`` in the dtype they are stored in; valid until the slot's next use."""
        if self._cancel is not None and self._cancel.is_set():
            raise MergeStopped("The merge was stopped. Run it again to go on from here.")
        while len(self._raw) <= slot:
            self._raw.append(bytearray(BLOCK * 2))
        nbytes = count * ITEM_BYTES[CODES[stored.dtype]]
        if nbytes > len(self._raw[slot]):  # a row or matrix that must stay whole
            self._raw[slot] = bytearray(nbytes)
        view = memoryview(self._raw[slot])[:nbytes]
        self.files.read(stored, start, view)
        return torch.frombuffer(self._raw[slot], dtype=getattr(torch, stored.dtype), count=count)

    def recall(self, what: Hashable, inputs: tuple, values: Any, find: Callable[[Any], Any]) -> Any:
        """What `find(values)` says about inputs; a workspace that lasts may remember it."""
        return find(values)

    def working(self, dtype: torch.dtype, rows: int, count: int) -> torch.Tensor:
        """Scratch of shape (rows, count); valid until the next call."""
        held = self._working.get(dtype)
        if held is None or held.shape[0] < rows or held.shape[1] < count:
            held = self._working[dtype] = torch.empty(rows, max(BLOCK, count), dtype=dtype)
        return held[:rows, :count]


Read = Callable[[int, int], torch.Tensor]
"""``(start, count)``: elements of an input in its stored dtype, valid until the next call."""


@singledispatch
def reader(source, workspace: Workspace, slot: int) -> Read:
    """How the elements of an input are had; one function for each kind of input.

    An input has the fields of a `StoredTensor`: name, dtype, shape, count, nbytes, is_float. Kinds that are computed
    (a merge inside a merge, ...) register here beside their own code.
    """
    raise TypeError(f"{type(source).__name__} is not an input of a merge")


@reader.register
def _(source: StoredTensor, workspace: Workspace, slot: int) -> Read:
    return lambda start, count: workspace.stored(slot, source, start, count)


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
        """One input's block in its stored dtype."""
        return self._read(i)(start, self.size(start))

    def _read(self, i: int) -> Read:
        if i not in self._readers:
            self._readers[i] = reader(self.inputs[i], self.workspace, i)
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

    def pass_on(self, block_at: Callable[[int], torch.Tensor], emit: Callable[[int, torch.Tensor], None]) -> None:
        """Hand all blocks of a result on, in order."""
        for start in self.starts():
            emit(start, block_at(start))

    def place(self, start: int) -> torch.Tensor | None:
        """The block's place in `target`."""
        return None if self.target is None else self.target[start : start + self.size(start)]

    def looked(self, method: Elementwise, values: Values) -> Any:
        """What a method's look finds."""
        if method.look is None:
            return None
        return self.workspace.recall((method.look, self.step), self.inputs, values, lambda v: method.look(self, v))

    def gram(self) -> np.ndarray:
        """Gram matrix over [W₀, W₁−W₀, …], float64, shape (inputs, inputs).

        Products of stored float32 are summed in float64; of shorter floats in float32 within a block, whose error of
        about 1e-7 is far below their own rounding.
        """
        return self.workspace.recall(("gram", self.step), self.inputs, None, lambda _: self._gram())

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
