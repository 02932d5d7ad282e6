"""Gathered and approximated rows, computed when blocks are read; a whole matrix is never in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nbmerge.engine.compute.workspace import BLOCK, Read, Workspace
from nbmerge.engine.planning.tokens import Rows
from nbmerge.engine.planning.tokens.pursuit_rows import PursuitRows
from nbmerge.methods.numerics import add_scaled_, halve
from nbmerge.tokenizers.pursuit import pursue
from nbmerge.tokenizers.table import MEAN


def open_rows(source: Rows, workspace: Workspace, slot: int) -> Read:
    """Read gathered rows."""
    gather = _Gather(source, workspace)

    def read(start: int, count: int) -> torch.Tensor:
        if not count:
            return torch.empty(0, dtype=gather.dtype)
        width = source.width
        first, end = start // width, -(-(start + count) // width)
        return gather.rows(first, end).view(-1)[start - first * width : start - first * width + count]

    return read


class _Gather:
    """Computes spans of gathered rows."""

    def __init__(self, rows: Rows, workspace: Workspace):
        self.rows_, self.table, self.width = rows, rows.table, rows.width
        self.dtype = getattr(torch, rows.dtype)
        self.exact = torch.float64 if rows.dtype == "float64" else torch.float32
        self.reads = [workspace.nested().open(s, 0) for s in rows.sources]
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
            out[i] = 0 if not counts[i] else self._mix(first + int(i))
        return out

    def _copy(self, out: torch.Tensor, at: np.ndarray, source: np.ndarray, row: np.ndarray) -> None:
        """Copy stored rows to their positions, each range of adjacent rows at once."""
        if not len(at):
            return
        breaks = np.flatnonzero((np.diff(at) != 1) | (np.diff(row) != 1) | (np.diff(source) != 0)) + 1
        longest = max(1, BLOCK // self.width)
        for begin, stop in zip([0, *breaks.tolist()], [*breaks.tolist(), len(at)], strict=True):
            for k in range(begin, stop, longest):
                n = min(longest, stop - k)
                block = self.reads[source[k]](int(row[k]) * self.width, n * self.width)
                out[int(at[k]) : int(at[k]) + n].view(-1).copy_(block)

    def _mix(self, i: int) -> torch.Tensor:
        """A weighted sum of rows; as x₀ + Σ wₖ(xₖ − x₀) if weights sum to one, so that equal rows are copied exactly."""
        entries = self.table.entries(i)
        rows = [self._row(source, row) for source, row, _ in entries]
        weights = [w for _, _, w in entries]
        total = rows[0].clone()
        if abs(sum(weights) - 1) < 1e-9:
            for row, weight in zip(rows[1:], weights[1:], strict=True):
                add_scaled_(total, row - rows[0], weight)
            return total
        total.mul_(weights[0])
        for row, weight in zip(rows[1:], weights[1:], strict=True):
            add_scaled_(total, row, weight)
        return total

    def _row(self, source: int, row: int) -> torch.Tensor:
        if row == MEAN:
            self._mean = self._mean if self._mean is not None else self._average()
            return self._mean
        return self.reads[source](row * self.width, self.width).to(self.exact, copy=True)

    def _average(self) -> torch.Tensor:
        """Mean of all rows of the table, in one pass over each source: every source row times the sum of its weights."""
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
                    total += halve((block.double() * shares[first:end, None]).T)
        return (total / max(1, int((~means).sum()))).to(self.exact)


def open_pursuit_rows(source: PursuitRows, workspace: Workspace, slot: int) -> Read:
    """Read rows, some of which are approximated by matching pursuit first."""
    theirs, own = (np.frombuffer(b, np.int64) for b in source.shared)
    rows, wanted = (np.frombuffer(b, np.int64) for b in source.wanted)
    matrix = _matrix(source.donor, workspace)
    found = pursue(matrix[theirs], matrix[wanted])
    others = {int(i): [(source.model, int(own[a]), c) for a, c in f] for i, f in zip(rows, found, strict=True) if f}
    gathered = Rows.of(source.own, source.all_sources, source.full.replaced(others), source.dtype)
    return workspace.open(gathered, slot)


def _matrix(stored: Any, workspace: Workspace) -> np.ndarray:
    """A whole matrix in float32; vectors as one column."""
    read, count = workspace.nested().open(stored, 0), stored.count
    flat = torch.empty(count)
    for start in range(0, count, BLOCK):
        n = min(BLOCK, count - start)
        flat[start : start + n].copy_(read(start, n))
    return flat.view(stored.shape[0], -1).numpy()
