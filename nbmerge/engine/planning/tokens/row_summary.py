"""Counts of each model's rows in a merge of vocabularies: its own, from other models, computed, or zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.tokenizers.table import MEAN

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput


@dataclass(frozen=True)
class RowCounts:
    """The rows of one model in one tensor, by their origin.

    Parameters
    ----------
    tensor, model : str
    own : int
        Its own rows, unchanged.
    others : int
        Rows copied from another model, for tokens that it does not have.
    mixed : int
        Rows that are weighted sums: over several owners, over the tokens that a token is split into, or between two rows.
    mean : int
        Rows that are the mean of all rows: padding, and tokens that cannot be split into known ones.
    zero : int
        Rows of zeros.
    """

    tensor: str
    model: str
    own: int
    others: int = 0
    mixed: int = 0
    mean: int = 0
    zero: int = 0

    def __str__(self) -> str:
        counts = (
            (self.own, "own"), (self.others, "from other models"), (self.mixed, "mixed of several"), (self.mean, "the mean of all"),
            (self.zero, "zero"),
        )  # fmt: skip
        return f"{self.model}: {', '.join(f'{n:,} {what}' for n, what in counts if n)}"


def count_rows(plan: Plan) -> list[RowCounts]:
    """The rows of every model in every embedding and head that is aligned; empty if none is."""
    return [
        _count_rows(tensor, model, source)
        for tensor in plan.tensors
        if any(isinstance(i, Rows) for i in tensor.inputs)
        for model, source in zip(tensor.models, tensor.inputs, strict=True)
    ]


def _count_rows(tensor: TensorPlan, model: str, source: TensorInput) -> RowCounts:
    if not isinstance(source, Rows):
        return RowCounts(tensor.name, model, source.shape[0])
    table, rows = source.table, len(source.table)
    copied, first = int(table.copied.sum()), table.source[table.starts[:-1][table.copied]]
    mine = [i for i, s in enumerate(source.sources) if s == source.own]
    own = int(np.isin(first, mine).sum())
    zero, mean = int((table.counts == 0).sum()), int((table.row == MEAN).sum())
    return RowCounts(tensor.name, model, own, copied - own, rows - copied - zero - mean, mean, zero)
