"""What becomes of each model's rows in a merge of vocabularies: kept, taken from another, computed, or zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.tokenizers.table import MEAN, Table


@dataclass(frozen=True)
class Fates:
    """The rows that one model brings into one tensor, counted.

    Parameters
    ----------
    tensor, model : str
    own : int
        Rows of its own, as they are.
    others : int
        Rows taken as they are from another model, for tokens that it lacks.
    mixed : int
        Rows that are sums: means of several owners, or of the pieces that a token is cut into, or steps between edges.
    mean : int
        Rows that are the mean of all: padding, and tokens that cannot even be cut into pieces.
    zero : int
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


def fates(plan: Plan) -> list[Fates]:
    """What becomes of the rows in every embedding and head that is aligned; empty where none is."""
    return [
        _counted(tensor, model, source)
        for tensor in plan.tensors
        if any(isinstance(i, Rows) for i in tensor.inputs)
        for model, source in zip(tensor.models, tensor.inputs, strict=True)
    ]


def _counted(tensor: TensorPlan, model: str, source) -> Fates:
    if not isinstance(source, Rows):
        return Fates(tensor.name, model, source.shape[0])
    table, rows = source.table, len(source.table)
    copied, first = int(table.copied.sum()), table.source[table.starts[:-1][table.copied]]
    mine = [i for i, s in enumerate(source.sources) if s == source.own]
    own = int(np.isin(first, mine).sum())
    zero, mean = int((table.counts == 0).sum()), _means(table)
    return Fates(tensor.name, model, own, copied - own, rows - copied - zero - mean, mean, zero)


def _means(table: Table) -> int:
    return int((table.row == MEAN).sum())
