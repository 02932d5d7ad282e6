"""Which stored rows each row of a new vocabulary is made of: the result of alignment, filling and extension."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Entries = Sequence[tuple[int, int, float]]
"""(source, row, weight) of the stored rows that a row is the sum of."""
MEAN = -1
"""Instead of a row's index: the mean of all rows of this table that are not means themselves."""


@dataclass(frozen=True, eq=False)
class Table:
    """For each row of the result, the stored rows that it is a weighted sum of.

    A row of a single entry of weight 1 is that stored row, bit for bit; a row without entries is zero.

    Parameters
    ----------
    starts : array of int64, shape (rows + 1,)
        The entries of row i are ``starts[i] … starts[i + 1]``.
    source : array of int32, shape (entries,)
        Number of the matrix that an entry is taken from.
    row : array of int64, shape (entries,)
        Its row there, or `MEAN`.
    weight : array of float64, shape (entries,)
    """

    starts: np.ndarray
    source: np.ndarray
    row: np.ndarray
    weight: np.ndarray

    @classmethod
    def weighted(cls, place: np.ndarray, weights: np.ndarray, others: Mapping[int, Entries] | None = None) -> Table:
        """A table from what each matrix contributes to each row.

        Parameters
        ----------
        place : array of int, shape (matrices, rows)
            The row that each matrix has for a row of the result, below 0 where it has none.
        weights : array of float, shape (matrices, rows)
            0 where it contributes nothing.
        others : mapping of int to sequence of (source, row, weight), optional
            Entries of single rows, in place of these.
        """
        others = others or {}
        mask = (weights != 0) & (place >= 0)
        mask[:, list(others)] = False
        counts = mask.sum(axis=0)
        counts[list(others)] = [len(e) for e in others.values()]
        starts = np.concatenate([[0], np.cumsum(counts)])
        made = cls(starts, *(np.empty(starts[-1], kind) for kind in (np.int32, np.int64, np.float64)))
        regular = np.ones(starts[-1], bool)
        for i, entries in others.items():
            span = slice(starts[i], starts[i + 1])
            regular[span] = False
            if entries:
                made.source[span], made.row[span], made.weight[span] = zip(*entries, strict=True)
        row, source = np.nonzero(mask.T)
        made.source[regular], made.row[regular] = source, place[source, row]
        made.weight[regular] = weights[source, row]
        return made

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def digest(self) -> str:
        """A fingerprint of the whole table."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.starts, self.source, self.row, self.weight):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of entries of each row."""
        return np.diff(self.starts)

    @cached_property
    def copied(self) -> np.ndarray:
        """Which rows are a stored row as it is."""
        first = np.minimum(self.starts[:-1], max(0, len(self.row) - 1))
        if not len(self.row):
            return np.zeros(len(self), bool)
        return (self.counts == 1) & (self.weight[first] == 1.0) & (self.row[first] >= 0)

    @cached_property
    def mixed(self) -> bool:
        """Whether any row is computed, so that it needs more digits than the stored ones."""
        return bool((~self.copied & (self.counts > 0)).any())

    @cached_property
    def identity(self) -> bool:
        """Whether it is the first rows of the first matrix, unchanged."""
        return bool(self.copied.all() and not self.source.any() and (self.row == np.arange(len(self))).all())

    def sources(self) -> list[int]:
        """Numbers of the matrices that are read."""
        return np.unique(self.source).tolist()

    def on(self, order: Sequence[int]) -> Table:
        """The same table with its matrices renumbered: `order` lists the old numbers."""
        new = np.full(max(order, default=0) + 1, -1, np.int32)
        new[list(order)] = np.arange(len(order))
        return Table(self.starts, new[self.source], self.row, self.weight)

    def replaced(self, others: Mapping[int, Entries]) -> Table:
        """The same table with other entries in some rows."""
        counts = self.counts.copy()
        counts[list(others)] = [len(e) for e in others.values()]
        starts = np.concatenate([[0], np.cumsum(counts)])
        made = Table(starts, *(np.empty(starts[-1], kind) for kind in (np.int32, np.int64, np.float64)))
        stays = np.ones(len(self), bool)
        stays[list(others)] = False
        old, new = np.repeat(stays, self.counts), np.repeat(stays, counts)
        for part, whole in ((made.source, self.source), (made.row, self.row), (made.weight, self.weight)):
            part[new] = whole[old]
        for i, entries in others.items():
            span = slice(starts[i], starts[i + 1])
            if entries:
                made.source[span], made.row[span], made.weight[span] = zip(*entries, strict=True)
        return made

    def entries(self, i: int) -> Entries:
        """What row i is made of."""
        span = slice(self.starts[i], self.starts[i + 1])
        return list(zip(self.source[span].tolist(), self.row[span].tolist(), self.weight[span].tolist(), strict=True))
