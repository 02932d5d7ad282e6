"""An input whose lacking rows are found by matching pursuit: the plan knows which, their weights are found when it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.planning.tokens.gathered_rows import Rows


@dataclass(frozen=True)
class Pursued(Rows):
    """Rows of which some are approximated in the space of another model.

    Parameters
    ----------
    all_sources : tuple
        The models' matrices, as the full table counts them.
    model : int
        Number of the matrix whose rows approximate.
    donor : StoredTensor or TensorPlan
        The matrix of the model whose tokens are wanted.
    shared : tuple of bytes
        int64 arrays: rows of the shared tokens in the donor, and in the model.
    wanted : tuple of bytes
        int64 arrays: rows to be made in the result, and their rows in the donor.
    """

    all_sources: tuple[Any, ...] = ()
    full: Any = field(default=None, repr=False)
    model: int = 0
    donor: Any = None
    shared: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)
    wanted: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors it is made from."""
        yield from super().leaves()
        yield from self.donor.leaves()

    def described(self) -> list[Any]:
        """What decides its bytes beside those of its sources, as plain data."""
        digest = hashlib.blake2b(b"".join((*self.shared, *self.wanted)), digest_size=16).hexdigest()
        return [*super().described(), "pursuit", self.model, str(self.donor.name), digest]


def pursued(
    plain: Rows, sources: tuple[Any, ...], table: Any, model: int, donor: Any, shared: np.ndarray, wanted: np.ndarray
) -> Pursued:
    """Rows with some of them approximated; `shared` is (donor rows, own rows), `wanted` (rows, donor rows)."""
    parts = {f: getattr(plain, f) for f in ("name", "dtype", "shape", "sources", "table", "own")}
    parts["dtype"] = "float64" if plain.dtype == "float64" else "float32"
    pairs = {
        k: tuple(np.ascontiguousarray(x, np.int64).tobytes() for x in v)
        for k, v in (("shared", shared), ("wanted", wanted))
    }
    return Pursued(**parts, all_sources=tuple(sources), full=table, model=model, donor=donor, **pairs)
