"""An input whose rows are gathered: reordered, taken from another model, averaged, or interpolated between two rows.

This is only a description, made while planning; `nbmerge.engine.compute.read_rows` reads and computes the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints.tensor_base import Computed
from nbmerge.tokenizers.table import Table

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput


@dataclass(frozen=True)
class Rows(Computed):
    """A matrix (or vector) made of rows of stored ones.

    Parameters
    ----------
    name : str
        Name of the tensor that it replaces.
    dtype : str
        The dtype that its elements are read in.
    shape : tuple of int
    sources : tuple of TensorInput
        Matrices of equal width.
    table : Table
        What each row is made of; it refers to `sources` by their positions.
    own : TensorInput
        The matrix that it replaces.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    sources: tuple[TensorInput, ...]
    table: Table
    own: TensorInput = field(compare=False, repr=False)

    @staticmethod
    def of(own: TensorInput, sources: Sequence[TensorInput], table: Table, dtype: str | None = None) -> Rows:
        """Rows that replace those of a matrix, made of the matrices that the table needs.

        The default dtype is that of the matrices; where rows are computed, float32, or float64 if a matrix has it.
        """
        used = table.sources() or [0]
        kept = tuple(sources[i] for i in used)
        table = table if used == list(range(len(sources))) else table.on(used)
        dtype = dtype or _dtype([s.dtype for s in kept], table)
        return Rows(own.name, dtype, (len(table), *own.shape[1:]), kept, table, own)

    @property
    def is_float(self) -> bool:
        """Whether it can be merged by arithmetic."""
        return all(s.is_float for s in self.sources)

    @property
    def output_dtype(self) -> str:
        """The dtype of the result where the recipe sets none."""
        return self.dtype

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.shape[1:])

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["rows", self.dtype, list(self.shape), self.table.digest]


def _dtype(dtypes: Sequence[str], table: Table) -> str:
    if "float64" in dtypes:
        return "float64"
    return dtypes[0] if len(set(dtypes)) == 1 and not table.mixed else "float32"
