"""A float8 tensor with its scales: only a description; `nbmerge.engine.compute.read_float8` computes its elements.

W = scale · q, with one scale for the tensor, for each row, or for each block of rows and columns. What checkpoints call
``weight_scale_inv`` is multiplied as well: it is the inverse of the scale that quantising multiplied by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.tensor_base import Computed


@dataclass(frozen=True, slots=True)
class Scaled(Computed):
    """A tensor of float8 numbers and scales as the weights that they represent, in float32.

    Parameters
    ----------
    stored : StoredTensor
        The float8 numbers, of shape (..., rows, columns).
    scale : StoredTensor, optional
        Of shape (..., scales of rows, scales of columns); None where the numbers are the weights.
    block : (int, int)
        Rows and columns that share a scale.
    output_dtype : str
        The dtype of the result where the recipe sets none.
    """

    stored: StoredTensor
    scale: StoredTensor | None
    block: tuple[int, int]
    output_dtype: str

    dtype = "float32"

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.stored.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.stored.shape

    @property
    def sources(self) -> tuple[StoredTensor, ...]:
        """The stored tensors that it is made from."""
        return (self.stored,) if self.scale is None else (self.stored, self.scale)

    @property
    def held_bytes(self) -> int:
        """Memory that reading it takes besides blocks: its scales."""
        return 0 if self.scale is None else 8 * self.scale.count

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["scaled", list(self.shape), list(self.block)]
