"""Rows for tokens: which row each model has for each token of a vocabulary, and what replaces missing rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from nbmerge.tokenizers.document import Document
from nbmerge.tokenizers.table import MEAN, Entries, Table


def listed(ids: Mapping[str, int], rows: int) -> list[str | None]:
    """The tokens by number, None for numbers without one."""
    tokens: list[str | None] = [None] * rows
    for token, i in ids.items():
        if i < rows:
            tokens[i] = token
    return tokens


@lru_cache(maxsize=32)
def places(vocabulary: Document, size: int, own: Document, rows: int) -> np.ndarray:
    """The row that a model has for each token of a vocabulary, -1 where it has none.

    Parameters
    ----------
    vocabulary : Document
    size : int
        Rows of the result.
    own : Document
        The model's own tokenizer.
    rows : int
        Rows of its embedding; tokens beyond them have none.

    Returns
    -------
    array of int64, shape (size,)
        Where the vocabulary's numbers are the model's own, ids without a token keep its rows as well.
    """
    if own is vocabulary or own.ids.items() <= vocabulary.ids.items():
        taken, mine = (np.fromiter(d.ids.values(), np.int64, len(d.ids)) for d in (vocabulary, own))
        found = np.full(size, -1, np.int64)
        found[: min(size, own.size)] = np.arange(min(size, own.size))
        found[taken] = -1
        found[mine] = mine
    else:
        lookup: Callable[[Any, int], int] = own.ids.get  # also of None, for ids without a token
        found = np.fromiter(map(lookup, listed(vocabulary.ids, size), repeat(-1)), np.int64, size)
    found[found >= rows] = -1
    found.flags.writeable = False
    return found


def default(place: np.ndarray, base: int | None) -> np.ndarray:
    """What replaces the row of a token that a model does not have, as weights of the models' rows: shape (models, rows).

    The row of the only model that has it; else the base model's, if it has one; else the mean of those that exist.
    """
    owns = place >= 0
    weights = owns / np.maximum(1, owns.sum(axis=0))
    if base is not None:
        mine = owns[base]
        weights[:, mine] = 0.0
        weights[base, mine] = 1.0
    return weights


def weighted_owners(place: np.ndarray, weights: Sequence[float | None]) -> np.ndarray:
    """Shares of the models that have a token, in proportion to their weights: shape (models, rows).

    Models whose weight is None count only if no other has the token; where weights sum to 0, all that have it count equally.
    """
    owns = place >= 0
    shares = owns * np.array([[0.0 if w is None else w] for w in weights])
    total = shares.sum(axis=0)
    nothing = np.abs(total) < 1e-8
    voting = owns & np.array([[w is not None] for w in weights])
    equal = np.where(voting.any(axis=0), voting, owns)
    shares[:, nothing] = equal[:, nothing]
    total = shares.sum(axis=0)
    return shares / np.where(total == 0, 1.0, total)


def filled(
    place: np.ndarray, model: int, weights: np.ndarray, others: Mapping[int, Entries], forced: Sequence[int] = ()
) -> Table:
    """One model's rows for a vocabulary: its own, and for missing tokens a sum of the models' rows.

    Parameters
    ----------
    place, weights : array, shape (models, rows)
        See `places`, `default` and `weighted_owners`.
    model : int
    others : mapping of int to entries
        For single rows, what replaces them instead.
    forced : sequence of int
        Rows whose replacement applies to every model.
    """
    own = place[model] >= 0
    own[list(forced)] = False
    mine = np.where(own, 0.0, weights)
    mine[model, own] = 1.0
    missing = {i: e for i, e in others.items() if not own[i]}
    nowhere = ~own & ~((mine != 0) & (place >= 0)).any(axis=0)
    missing |= {i: [(model, MEAN, 1.0)] for i in np.flatnonzero(nowhere).tolist() if i not in others}
    return Table.weighted(place, mine, missing)


def only(place: np.ndarray, model: int) -> Table:
    """One model's rows for a vocabulary, zero for tokens that it does not have."""
    own = np.zeros(place.shape)
    own[model] = 1.0
    return Table.weighted(place, own)


def extended(mode: str, short: int, long: int, total: int) -> Table:
    """A matrix of `short` rows extended to `total`, next to one of `long`.

    Parameters
    ----------
    mode : str
        "edge-gradient": evenly spaced steps between the short one's last row and the long one's last row, both excluded.
        "zeros"; "copy": the long one's rows; "mean": the mean of its own rows; "truncate": the first rows.

    Returns
    -------
    Table
        Its source 0 is the short matrix, 1 the long one.
    """
    kept = min(short, total)
    place = np.full((2, total), -1, np.int64)
    place[0, :kept] = np.arange(kept)
    k = total - kept
    others: dict[int, Entries] = {}
    for j in range(1, k + 1):
        i = short - 1 + j
        if mode == "edge-gradient":
            s = j / (k + 1)
            others[i] = [(0, short - 1, 1.0 - s), (1, long - 1, s)]
        elif mode == "copy":
            others[i] = [(1, i, 1.0)]
        elif mode == "mean":
            others[i] = [(0, MEAN, 1.0)]
    return Table.weighted(place, (place >= 0).astype(float), others)
