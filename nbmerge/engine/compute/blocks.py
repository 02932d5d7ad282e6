"""Blocks: the inputs of one tensor, read piece by piece into buffers that are reused.

A block fits into the processor's cache. It is also the unit of summation, so its size affects results and is a constant, not a
setting: the bytes of a tensor never depend on threads, order or memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from nbmerge.engine.compute.workspace import BLOCK, Read, Workspace
from nbmerge.kernels import find_loops
from nbmerge.methods.numerics import inner_products
from nbmerge.methods.numerics.selection import Request

if TYPE_CHECKING:
    from nbmerge.engine.planning.plans import TensorPlan
    from nbmerge.methods import Elementwise, Values

T = TypeVar("T")
GOLDEN = (5**0.5 - 1) / 2
"""Golden ratio: its multiples modulo 1 are spread evenly, however many there are."""


class Blocks:
    """The inputs of one output tensor.

    Parameters
    ----------
    tensor : TensorPlan
    workspace : Workspace
    whole : "element", "row" or "matrix", optional
        What is never split between blocks; default what the tensor's method requires.
    """

    def __init__(self, tensor: TensorPlan, workspace: Workspace, whole: str | None = None):
        self.inputs = tensor.inputs
        self.count = tensor.count
        self.workspace = workspace
        self.target: torch.Tensor | None = None
        """Flat memory for the whole result, if it is given: blocks are computed into it where possible."""
        self.dtype = torch.float64 if any(i.dtype == "float64" for i in self.inputs) else torch.float32
        """dtype of the arithmetic."""
        self.columns = max(1, tensor.shape[-1]) if tensor.shape else 1
        """Length of a row."""
        self.whole = whole or getattr(tensor.how, "whole", "element")
        self.step = self._step(tensor.shape)
        """Elements in a block: `BLOCK`, or as many as keep rows or matrices whole."""
        self._readers: dict[int, Read] = {}
        self._base_sample: tuple[int, torch.Tensor] | None = None
        host = workspace.host
        # Never itself, which would be a reference cycle that delays freeing the buffers.
        self._on_host = None if host is workspace else Blocks(tensor, host, whole)

    @property
    def are_mixed_on_host(self) -> bool:
        """Whether blocks are mixed on the CPU."""
        return self._on_host is None

    @property
    def _host_blocks(self) -> Blocks:
        """The same blocks on the CPU, where they are read and scanned."""
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
        """A block of one input in its stored dtype, on the device where it is mixed."""
        return self.workspace.to_device(i, self._host_blocks._read(i)(start, self.size(start)))

    def _read(self, i: int) -> Read:
        if i not in self._readers:
            self._readers[i] = self.workspace.open(self.inputs[i], i)
        return self._readers[i]

    def rows(self, start: int, which: list[int] | None = None, dtype: torch.dtype | None = None) -> torch.Tensor:
        """Blocks of several inputs (default all) in the working dtype, shape (inputs, elements)."""
        which = list(range(len(self.inputs))) if which is None else which
        rows = self.workspace.scratch(dtype or self.dtype, len(which), self.size(start))
        for row, i in zip(rows, which, strict=True):
            row.copy_(self.stored(i, start))
        return rows

    def at(self, start: int) -> list[torch.Tensor]:
        """One block of all inputs in the working dtype; of shape (rows, columns) unless the method is elementwise."""
        blocks = self.rows(start).unbind()
        return list(blocks) if self.whole == "element" else [b.view(-1, self.columns) for b in blocks]

    def __iter__(self) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """Iterate over (start, blocks of all inputs in the working dtype)."""
        for start in self.starts():
            yield start, self.at(start)

    def apply(self, function: Callable[..., T], *arguments: Any) -> Iterator[tuple[int, T]]:
        """Iterate over (start, ``function(inputs, start, *arguments)``), by a compiled loop if there is one."""
        loops = find_loops()
        fused = loops.fuse_look(function, arguments, [i.dtype for i in self.inputs]) if loops else None
        for start in self.starts():
            found = fused([self.stored(i, start) for i in range(len(self.inputs))], start) if fused else None
            yield start, function(self.at(start), start, *arguments) if found is None else found

    def deltas(self, i: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Iterate over (start, Wᵢ − W₀)."""
        for start in self.starts():
            base, own = self.rows(start, [0, i]).unbind()
            yield start, own.sub_(base)

    def magnitudes(self, i: int) -> Iterator[tuple[int, np.ndarray]]:
        """Iterate over (start, |Wᵢ − W₀|)."""
        for start, delta in self.deltas(i):
            yield start, delta.abs_().numpy()

    def survey(self, requests: Sequence[tuple[int, Request]]) -> None:
        """Fill requests about |Wᵢ − W₀| in one pass over all blocks, by compiled loops where there are some."""
        which = sorted({i for i, _ in requests})
        loops = find_loops()
        survey = loops.fuse_survey([self.inputs[i].dtype for i in (0, *which)]) if loops else None
        for start in self.starts():
            open_requests = [(i, request) for i, request in requests if not request.is_full]
            if survey is not None:
                stored = {i: self.stored(i, start) for i in {0, *(i for i, _ in open_requests)}}
                for i, request in open_requests:
                    survey(request, start, stored[0], stored[i])
                continue
            base, *rows = self.rows(start, [0, *which]).unbind()
            magnitudes = {i: row.sub_(base).abs_().numpy() for i, row in zip(which, rows, strict=True)}
            for i, request in open_requests:
                request.measure(start, magnitudes[i])

    def sample_magnitudes(self, i: int, wanted: int = 1 << 16) -> np.ndarray:
        """A sample of about `wanted` values |Wᵢ − W₀|: a piece of each block, at varying positions."""
        if self._base_sample is None or self._base_sample[0] != wanted:
            self._base_sample = wanted, self._sample(0, wanted)
        base, own = self._base_sample[1], self._sample(i, wanted)
        return (own.to(self.dtype) - base.to(self.dtype)).abs_().numpy()

    def _sample(self, i: int, wanted: int) -> torch.Tensor:
        """Elements of one input as they are stored, at the same positions for all inputs."""
        starts, read, pieces = self.starts(), self._read(i), []
        each = -(-wanted // max(1, len(starts)))
        for j, start in enumerate(starts):
            count = min(each, self.size(start))
            first = start + int(j * GOLDEN % 1 * (self.size(start) - count))
            pieces.append(read(first, count).clone())
        return torch.cat(pieces)

    def restricted(self, tensor: TensorPlan) -> Blocks:
        """The blocks of the same tensor with fewer inputs."""
        fewer = Blocks(tensor, self.workspace)
        fewer.target = self.target
        return fewer

    def by_rows(self, tensor: TensorPlan) -> Blocks:
        """The same tensor in blocks of whole rows."""
        return Blocks(tensor, self.workspace, "row")

    def target_at(self, start: int) -> torch.Tensor | None:
        """The part of `target` for a block; None if there is no target, or blocks are mixed on another device."""
        if self.target is None or self._on_host is not None:
            return None
        return self.target[start : start + self.size(start)]

    def scan(self, method: Elementwise, values: Values) -> Any:
        """The state that a method's `look` returns."""
        look, near = method.look, self._host_blocks
        if look is None:
            return None
        return near.workspace.recall((look, self.step), self.inputs, values, lambda v: look(near, v))

    def gram(self) -> np.ndarray:
        """Gram matrix over [W₀, W₁−W₀, …], float64, shape (inputs, inputs).

        Products of float32 and float64 are summed in float64. Products of shorter floats are summed in float32 within a block,
        whose error of about 1e-7 is far below their own rounding.
        """
        near = self._host_blocks
        return near.workspace.recall(("gram", self.step), self.inputs, None, lambda _: near._gram())

    def _gram(self) -> np.ndarray:
        total = np.zeros((len(self.inputs),) * 2)
        loops = find_loops()
        if loops and (add := loops.fuse_products([i.dtype for i in self.inputs])):
            for start in self.starts():
                add([self.stored(i, start) for i in range(len(self.inputs))], total)
            return total
        exact = any(i.dtype in ("float32", "float64") for i in self.inputs)
        for start in self.starts():
            rows = self.rows(start, dtype=torch.float64 if exact else torch.float32)
            rows[1:].sub_(rows[:1])
            total += inner_products(rows).numpy()
        return total
