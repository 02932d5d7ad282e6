"""An input whose missing rows are approximated by matching pursuit.

The plan contains which rows are approximated; their weights are computed when the tensor is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.tokenizers.table import Table

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

ArrayPair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class PursuitRows(Rows):
    """Rows of which some are approximated in the space of another model.

    Parameters
    ----------
    all_sources : tuple of TensorInput
        The models' matrices, which `full` refers to by their positions.
    full : Table
        The table before matrices that it does not need were left out.
    model : int
        Position in `all_sources` of the matrix whose rows are combined.
    donor : TensorInput
        The matrix of the model that has the missing tokens.
    shared : tuple of bytes
        int64 arrays: rows of the shared tokens in the donor, and in the model.
    wanted : tuple of bytes
        int64 arrays: rows to be approximated in the result, and their rows in the donor.
    """

    all_sources: tuple[TensorInput, ...]
    full: Table = field(repr=False)
    model: int
    donor: TensorInput
    shared: tuple[bytes, bytes] = field(repr=False)
    wanted: tuple[bytes, bytes] = field(repr=False)

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors that it is made from."""
        yield from super().leaves()
        yield from self.donor.leaves()

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        digest = hashlib.blake2b(b"".join((*self.shared, *self.wanted)), digest_size=16).hexdigest()
        return [*super().described(), "pursuit", self.model, str(self.donor.name), digest]


def approximate_rows(
    rows: Rows,
    sources: Sequence[TensorInput],
    table: Table,
    *,
    model: int,
    donor: TensorInput,
    shared: ArrayPair,
    wanted: ArrayPair,
) -> PursuitRows:
    """Rows with some of them approximated; see `PursuitRows` for the arguments."""
    return PursuitRows(
        rows.name,
        "float64" if rows.dtype == "float64" else "float32",
        rows.shape,
        rows.sources,
        rows.table,
        rows.own,
        all_sources=tuple(sources),
        full=table,
        model=model,
        donor=donor,
        shared=_to_bytes(shared),
        wanted=_to_bytes(wanted),
    )


def _to_bytes(arrays: ArrayPair) -> tuple[bytes, bytes]:
    """Two arrays as bytes of int64, which can be compared and hashed."""
    first, second = (np.ascontiguousarray(x, np.int64).tobytes() for x in arrays)
    return first, second
