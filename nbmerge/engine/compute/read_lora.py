"""Tensors with adapters applied, computed in tiles of rows when blocks are read; the whole matrix is never in memory.

Tiles have fixed positions, and a tile is always computed as a whole: the last bit of an element then does not depend on the
block that is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, ExpertProducts, LowRank, NewRows, Shift
from nbmerge.checkpoints.adapters.adapted_tensor import Step as AdapterStep
from nbmerge.engine.compute.workspace import BLOCK, Read, Workspace
from nbmerge.methods.numerics import add_scaled_, halve

Step = Callable[[torch.Tensor, int], None]
"""``(tile, first row)``: carries out the change of one adapter in place."""
TINY = sys.float_info.min
"""Replaces the length of an output whose weights are all zero, so that they remain zero."""


def open_adapted(source: Adapted, workspace: Workspace, slot: int) -> Read:
    """Read a tensor with adapters applied."""
    return _Tiles(source, workspace.nested()).read


class _Tiles:
    """Reads an adapted tensor tile by tile."""

    def __init__(self, source: Adapted, workspace: Workspace):
        self.dtype = getattr(torch, source.dtype)
        self.width = source.row
        self.rows = source.count // self.width
        self.step = max(1, BLOCK // self.width)
        self._base = workspace.nested().open(source.base, 0)
        self._steps = [_apply(step, workspace, self.dtype) for step in source.steps]
        self._tile = torch.empty(0, self.width, dtype=self.dtype)
        self._number: int | None = None
        self._whole = torch.empty(0, dtype=self.dtype)
        self._measured = False

    def read(self, start: int, count: int) -> torch.Tensor:
        """Elements ``start … start + count``; valid until the next call."""
        if not count:
            return self._whole[:0]
        size = self.step * self.width
        if start // size == (start + count - 1) // size:
            return self._computed(start // size)[start % size :][:count]
        if self._whole.numel() < count:
            self._whole = torch.empty(count, dtype=self.dtype)
        at = 0
        while at < count:
            part = self._computed((start + at) // size)[(start + at) % size :][: count - at]
            self._whole[at : at + part.numel()].copy_(part)
            at += part.numel()
        return self._whole[:count]

    def _computed(self, number: int) -> torch.Tensor:
        """The elements of a tile; the last tile is kept."""
        if not self._measured:
            self._measure_columns()
        if self._number != number:
            self._number = None  # reading may fail half-way
            self._elements = self._tile_at(number, len(self._steps)).view(-1)
            self._number = number
        return self._elements

    def _tile_at(self, number: int, steps: int) -> torch.Tensor:
        """A tile's rows with the first `steps` adapters applied."""
        first = number * self.step
        n = min(self.step, self.rows - first)
        if self._tile.shape[0] < n:
            self._tile = torch.empty(n, self.width, dtype=self.dtype)
        tile = self._tile[:n]
        tile.view(-1).copy_(self._base(first * self.width, n * self.width))
        for step in self._steps[:steps]:
            step(tile, first)
        return tile

    def _measure_columns(self) -> None:
        """Compute the lengths of columns for adapters that scale them, in one pass over all rows for each."""
        for before, step in enumerate(self._steps):
            if isinstance(step, _Product) and step.scales_columns:
                squares = torch.zeros(self.width, dtype=torch.float64)
                for number in range(-(-self.rows // self.step)):
                    tile = self._tile_at(number, before)
                    step.add(tile, number * self.step)
                    squares += halve(tile.double().square().T)
                step.column_norms = squares.sqrt_()
        self._measured = True


def _apply(step: AdapterStep, workspace: Workspace, dtype: torch.dtype) -> Step:
    """The function that applies one adapter in place."""
    if isinstance(step, LowRank):
        return _Product(step, workspace, dtype)
    if isinstance(step, ExpertProducts):
        return _ExpertProducts(step, workspace, dtype)
    return _shift(step, workspace) if isinstance(step, Shift) else _new_rows(step, workspace)


def _new_rows(step: NewRows, workspace: Workspace) -> Step:
    def put(tile: torch.Tensor, first: int) -> None:
        for k, row in enumerate(step.rows):
            if first <= row < first + len(tile):
                width = tile.shape[1]
                tile[row - first].copy_(workspace.stored(0, step.values, k * width, width))

    return put


def _shift(step: Shift, workspace: Workspace) -> Step:
    def add(tile: torch.Tensor, first: int) -> None:
        flat = tile.view(-1)
        values = workspace.stored(0, step.values, first * tile.shape[1], flat.numel())
        add_scaled_(flat, values.to(flat.dtype), step.scale)

    return add


class _Product:
    """Adds rows of s·BA and, for DoRA, scales each output's weights to its magnitude."""

    def __init__(self, step: LowRank, workspace: Workspace, dtype: torch.dtype):
        self.step, self.workspace, self.dtype = step, workspace, dtype
        self.scales_columns = step.magnitude is not None and step.transposed
        self.column_norms: torch.Tensor | None = None
        """‖W′‖ of every column; `_Tiles` measures them before the first tile is read."""
        self._right: torch.Tensor | None = None

    def __call__(self, tile: torch.Tensor, first: int) -> None:
        self.add(tile, first)
        magnitude = self.step.magnitude
        if magnitude is None:
            return
        if self.column_norms is not None:
            tile.mul_(self._factors(magnitude, 0, self.column_norms))
        else:
            norms = halve(tile.double().square()).sqrt_()
            tile.mul_(self._factors(magnitude, first, norms).unsqueeze(1))

    def add(self, tile: torch.Tensor, first: int) -> None:
        """Add s·BA to these rows."""
        tile.addmm_(self._left(first, len(tile)), self._right_factor(), alpha=self.step.scale)

    def _factors(self, magnitude: StoredTensor, first: int, norms: torch.Tensor) -> torch.Tensor:
        """m/‖W′‖."""
        lengths = self.workspace.stored(0, magnitude, first, len(norms)).double()
        return (lengths / norms.clamp_min(TINY)).to(self.dtype)

    def _left(self, first: int, n: int) -> torch.Tensor:
        """Rows of B (or Aᵀ), shape (n, rank)."""
        rank, inputs = self.step.rank, self.step.inputs
        if not self.step.transposed:
            width = self.step.up.shape[1]
            rows = self.workspace.stored(0, self.step.up, first * width, n * width).view(n, width)
            if self.step.columns is not None:
                begin, apart = self.step.columns
                rows = rows[:, begin::apart].contiguous()
            return rows.to(self.dtype)
        left = torch.empty(rank, n, dtype=self.dtype)
        for k, row in enumerate(left):
            row.copy_(self.workspace.stored(0, self.step.down, k * inputs + first, n))
        return left.T.contiguous()

    def _right_factor(self) -> torch.Tensor:
        """A (or Bᵀ), shape (rank, width), read once."""
        if self._right is None:
            stored = self.step.up if self.step.transposed else self.step.down
            whole = self.workspace.stored(1, stored, 0, stored.count).view(stored.shape[0], -1)
            self._right = (whole.T if self.step.transposed else whole).to(self.dtype, copy=True).contiguous()
        return self._right


class _ExpertProducts:
    """Adds rows of s·BA of each expert."""

    def __init__(self, step: ExpertProducts, workspace: Workspace, dtype: torch.dtype):
        self.step, self.workspace, self.dtype = step, workspace, dtype
        self._factors: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(self, tile: torch.Tensor, first: int) -> None:
        left, right = self._read_factors()
        height = left.shape[1]
        while len(tile):
            expert, row = divmod(first, height)
            n = min(len(tile), height - row)
            tile[:n].addmm_(left[expert, row : row + n], right[expert], alpha=self.step.scale)
            tile, first = tile[n:], first + n

    def _read_factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Left and right factors of all experts, shapes (experts, rows, rank) and (experts, rank, columns), read once."""
        if self._factors is None:
            experts, rank = self.step.experts, self.step.rank
            a = self.workspace.stored(0, self.step.down, 0, self.step.down.count).view(experts, rank, -1)
            b = self.workspace.stored(1, self.step.up, 0, self.step.up.count).view(-1, rank, experts).permute(2, 0, 1)
            left, right = (a.mT, b.mT) if self.step.transposed else (b, a)
            self._factors = left.to(self.dtype, copy=True).contiguous(), right.to(self.dtype, copy=True).contiguous()
        return self._factors
