"""An input whose rows are gathered: another order of tokens, rows of another model, means, or steps between two rows.

Rows are read and made when a block asks for them; memory never holds a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.engine.blocks import BLOCK, Read, Workspace, reader
from nbmerge.tokenizers.table import MEAN, Table


@dataclass(frozen=True)
class Rows:
    """A matrix (or vector) made of rows of stored ones.

    Parameters
    ----------
    name : str
        Name of the tensor it stands for.
    dtype : str
        dtype that its elements are handed on in.
    shape : tuple of int
    sources : tuple of StoredTensor or TensorPlan
        Matrices of equal width.
    table : Table
        What each row is made of; its numbers count `sources`.
    own : StoredTensor or TensorPlan
        The matrix that it stands for.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    sources: tuple
    table: Table
    own: Any = field(compare=False, repr=False)

    @classmethod
    def of(cls, own: Any, sources: Sequence, table: Table, dtype: str | None = None) -> Rows:
        """Rows of those matrices that the table needs, in place of one.

        Without a dtype, it is the one that holds what is read: float32 or float64 where rows are computed.
        """
        used = table.sources() or [0]
        kept = tuple(sources[i] for i in used)
        table = table if used == list(range(len(sources))) else table.on(used)
        dtype = dtype or _dtype([s.dtype for s in kept], table)
        return cls(own.name, dtype, (len(table), *own.shape[1:]), kept, table, own)

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.count * ITEM_BYTES[CODES[self.dtype]]

    @property
    def is_float(self) -> bool:
        """Whether it can be merged by arithmetic."""
        return all(s.is_float for s in self.sources)

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.shape[1:])

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors it is made from."""
        for source in self.sources:
            yield from source.leaves() if hasattr(source, "leaves") else (source,)

    def described(self) -> list:
        """What decides its bytes beside those of its sources, as plain data."""
        return ["rows", self.dtype, list(self.shape), self.table.digest]


def _dtype(dtypes: Sequence[str], table: Table) -> str:
    if "float64" in dtypes:
        return "float64"
    return dtypes[0] if len(set(dtypes)) == 1 and not table.mixed else "float32"


@reader.register
def _(source: Rows, workspace: Workspace, slot: int) -> Read:
    gather = _Gather(source, workspace)

    def read(start: int, count: int) -> torch.Tensor:
        if not count:
            return torch.empty(0, dtype=gather.dtype)
        width = source.width
        first, end = start // width, -(-(start + count) // width)
        return gather.rows(first, end).view(-1)[start - first * width : start - first * width + count]

    return read


class _Gather:
    """Makes rows, one span of them after another."""

    def __init__(self, rows: Rows, workspace: Workspace):
        self.rows_, self.table, self.width = rows, rows.table, rows.width
        self.dtype = getattr(torch, rows.dtype)
        self.exact = torch.float64 if rows.dtype == "float64" else torch.float32
        self.reads = [reader(s, workspace.another(), 0) for s in rows.sources]
        self._buffer = torch.empty(0, dtype=self.dtype)
        self._mean: torch.Tensor | None = None

    def rows(self, first: int, end: int) -> torch.Tensor:
        """Rows ``first … end``, shape (rows, width); valid until the next call."""
        if self._buffer.numel() < (end - first) * self.width:
            self._buffer = torch.empty((end - first) * self.width, dtype=self.dtype)
        out = self._buffer[: (end - first) * self.width].view(end - first, self.width)
        table, span = self.table, slice(first, end)
        copied, counts = table.copied[span], table.counts[span]
        at = np.flatnonzero(copied)
        entries = table.starts[span][at]
        self._copy(out, at, table.source[entries], table.row[entries])
        for i in np.flatnonzero(~copied):
            out[i] = 0 if not counts[i] else self._made(first + int(i))
        return out

    def _copy(self, out: torch.Tensor, at: np.ndarray, source: np.ndarray, row: np.ndarray) -> None:
        """Copy stored rows to their places, each run of neighbours at once."""
        if not len(at):
            return
        breaks = np.flatnonzero((np.diff(at) != 1) | (np.diff(row) != 1) | (np.diff(source) != 0)) + 1
        longest = max(1, BLOCK // self.width)
        for begin, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(at)], strict=True):
            for k in range(begin, stop, longest):
                n = min(longest, stop - k)
                block = self.reads[source[k]](int(row[k]) * self.width, n * self.width)
                out[int(at[k]) : int(at[k]) + n].view(-1).copy_(block)

    def _made(self, i: int) -> torch.Tensor:
        """A weighted sum of rows; where weights sum to one, as x₀ + Σ wₖ(xₖ − x₀), so that equal rows stay as they are."""
        entries = self.table.entries(i)
        rows = [self._row(source, row) for source, row, _ in entries]
        weights = [w for _, _, w in entries]
        made = rows[0].clone()
        if abs(sum(weights) - 1) < 1e-9:
            for row, weight in zip(rows[1:], weights[1:], strict=True):
                made.add_(row - rows[0], alpha=weight)
            return made
        made.mul_(weights[0])
        for row, weight in zip(rows[1:], weights[1:], strict=True):
            made.add_(row, alpha=weight)
        return made

    def _row(self, source: int, row: int) -> torch.Tensor:
        if row == MEAN:
            self._mean = self._mean if self._mean is not None else self._average()
            return self._mean
        return self.reads[source](row * self.width, self.width).to(self.exact, copy=True)

    def _average(self) -> torch.Tensor:
        """Mean of the table's rows, in one pass over each source: Σ over its rows of how much of each is in them."""
        table = self.table
        means = np.zeros(len(table), bool)
        means[np.searchsorted(table.starts, np.flatnonzero(table.row == MEAN), side="right") - 1] = True
        counted = np.repeat(~means, table.counts)
        total = torch.zeros(self.width, dtype=torch.float64)
        step = max(1, BLOCK // self.width)
        for s, source in enumerate(self.rows_.sources):
            mine = counted & (table.source == s)
            shares = torch.from_numpy(np.bincount(table.row[mine], table.weight[mine], minlength=source.shape[0]))
            for first in range(0, source.shape[0], step):
                end = min(first + step, source.shape[0])
                if shares[first:end].any():
                    block = self.reads[s](first * self.width, (end - first) * self.width).view(-1, self.width)
                    total += shares[first:end] @ block.double()
        return (total / max(1, int((~means).sum()))).to(self.exact)
