"""An input whose lacking rows are found by matching pursuit: the plan knows which, the weights are looked at when it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.blocks import BLOCK, Read, Workspace, reader
from nbmerge.engine.rows import Rows
from nbmerge.tokenizers.pursuit import pursue


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

    all_sources: tuple = ()
    full: Any = field(default=None, repr=False)
    model: int = 0
    donor: Any = None
    shared: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)
    wanted: tuple[bytes, bytes] = field(default=(b"", b""), repr=False)

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors it is made from."""
        yield from super().leaves()
        yield from self.donor.leaves() if hasattr(self.donor, "leaves") else (self.donor,)

    def described(self) -> list:
        """What decides its bytes beside those of its sources, as plain data."""
        digest = hashlib.blake2b(b"".join((*self.shared, *self.wanted)), digest_size=16).hexdigest()
        return [*super().described(), "pursuit", self.model, str(self.donor.name), digest]


def pursued(plain: Rows, sources: tuple, table: Any, model: int, donor: Any, shared: np.ndarray, wanted: np.ndarray) -> Pursued:
    """Rows with some of them approximated; `shared` is (donor rows, own rows), `wanted` (rows, donor rows)."""
    parts = {f: getattr(plain, f) for f in ("name", "dtype", "shape", "sources", "table", "own")}
    parts["dtype"] = "float64" if plain.dtype == "float64" else "float32"
    pairs = {k: tuple(np.ascontiguousarray(x, np.int64).tobytes() for x in v) for k, v in (("shared", shared), ("wanted", wanted))}
    return Pursued(**parts, all_sources=tuple(sources), full=table, model=model, donor=donor, **pairs)


@reader.register
def _(source: Pursued, workspace: Workspace, slot: int) -> Read:
    theirs, own = (np.frombuffer(b, np.int64) for b in source.shared)
    rows, wanted = (np.frombuffer(b, np.int64) for b in source.wanted)
    matrix = _matrix(source.donor, workspace)
    found = pursue(matrix[theirs], matrix[wanted])
    others = {int(i): [(source.model, int(own[a]), c) for a, c in f] for i, f in zip(rows, found, strict=True) if f}
    made = Rows.of(source.own, source.all_sources, source.full.replaced(others), source.dtype)
    return reader(made, workspace, slot)


def _matrix(stored: Any, workspace: Workspace) -> np.ndarray:
    """A whole matrix in float32; vectors as one column."""
    read, count = reader(stored, workspace.another(), 0), stored.count
    flat = torch.empty(count)
    for start in range(0, count, BLOCK):
        n = min(BLOCK, count - start)
        flat[start : start + n].copy_(read(start, n))
    return flat.view(stored.shape[0], -1).numpy()
