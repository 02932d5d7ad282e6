"""Convert float8 numbers to the weights that they represent, in whole rows, when blocks are read."""

from __future__ import annotations

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.scaled_tensor import Scaled
from nbmerge.engine.compute.workspace import Read, Workspace


def open_scaled(source: Scaled, workspace: Workspace, slot: int) -> Read:
    """Read float8 numbers with their scales."""
    return _Rows(source, workspace.nested()).read


class _Rows:
    """Reads rows and multiplies them by their scales."""

    def __init__(self, source: Scaled, workspace: Workspace):
        self.source, self.workspace = source, workspace
        self.width = max(1, source.shape[-1]) if source.shape else 1
        self.inner = max(1, source.shape[-2]) if len(source.shape) > 1 else 1
        """Rows of one matrix; tensors of experts contain several matrices."""
        self._scales: torch.Tensor | None = None
        self._buffer = torch.empty(0)

    def read(self, start: int, count: int) -> torch.Tensor:
        """Elements ``start … start + count``; valid until the next call."""
        if not count:
            return self._buffer[:0]
        first, end = start // self.width, -(-(start + count) // self.width)
        size = (end - first) * self.width
        if self._buffer.numel() < size:
            self._buffer = torch.empty(size)
        flat = self._buffer[:size]
        flat.copy_(self.workspace.stored(0, self.source.stored, first * self.width, size))
        if self.source.scale is not None:
            self._scale(flat.view(-1, self.width), first, self._read_scales(self.source.scale))
        return flat[start - first * self.width :][:count]

    def _scale(self, rows: torch.Tensor, first: int, scales: torch.Tensor) -> None:
        (height, width), at = self.source.block, first
        if scales.numel() == 1:
            rows.mul_(scales)
        elif height == 1:
            rows.mul_(scales[first : first + len(rows)].repeat_interleave(width, dim=1)[:, : self.width])
        else:
            bands = -(-self.inner // height)
            while at < first + len(rows):  # each range of rows with the same scales
                matrix, row = divmod(at, self.inner)
                end = matrix * self.inner + min((row // height + 1) * height, self.inner)
                own = scales[matrix * bands + row // height].repeat_interleave(width)[: self.width]
                rows[at - first : end - first].mul_(own)
                at = end

    def _read_scales(self, scale: StoredTensor) -> torch.Tensor:
        """All scales, shape (bands of rows, bands of columns), in float32; read once."""
        if self._scales is None:
            flat = self.workspace.stored(1, scale, 0, scale.count).to(torch.float32, copy=True)
            self._scales = flat.view(-1, -(-self.width // self.source.block[1]) if scale.count > 1 else 1)
        return self._scales
