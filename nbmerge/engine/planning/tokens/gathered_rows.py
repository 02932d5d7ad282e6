"""An input whose rows are gathered: another order of tokens, rows of another model, means, or steps between two rows.

A description only, made while planning; `nbmerge.engine.compute.read_rows` reads and makes the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.tokenizers.table import Table


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
    sources: tuple[Any, ...]
    table: Table
    own: Any = field(compare=False, repr=False)

    @classmethod
    def of(cls, own: Any, sources: Sequence[Any], table: Table, dtype: str | None = None) -> Rows:
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
    def output_dtype(self) -> str:
        """What dtype a result takes over from it where the recipe says none."""
        return self.dtype

    @property
    def width(self) -> int:
        """Elements of a row."""
        return math.prod(self.shape[1:])

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors it is made from."""
        for source in self.sources:
            yield from source.leaves()

    def described(self) -> list[Any]:
        """What decides its bytes beside those of its sources, as plain data."""
        return ["rows", self.dtype, list(self.shape), self.table.digest]


def _dtype(dtypes: Sequence[str], table: Table) -> str:
    if "float64" in dtypes:
        return "float64"
    return dtypes[0] if len(set(dtypes)) == 1 and not table.mixed else "float32"
