"""The columns of the Tracks panel: embeddings, the layers, final norm, head, in their order on screen.

Every track is read by column, so that tracks of models which supply different layers stay aligned.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nbmerge.curves.rounding import round_value
from nbmerge.curves.tracks import Track
from nbmerge.engine.planning import ENDS, Plan, TensorPlan, read_numbers

SHORT = {"embedding": "embed", "final norm": "norm", "head": "head"}
LONG = {"embedding": "embeddings", "final norm": "final norm", "head": "head"}


@dataclass(frozen=True)
class Column:
    """One layer, or what has one role outside the layers.

    Parameters
    ----------
    layer : int or None
    role : str
        Of `nbmerge.engine.planning.ENDS`; empty for a layer.
    """

    layer: int | None
    role: str = ""

    @property
    def name(self) -> str:
        """Short name, for below a picture."""
        return SHORT[self.role] if self.layer is None else str(self.layer)

    @property
    def label(self) -> str:
        """Name in words."""
        return LONG[self.role] if self.layer is None else f"layer {self.layer}"


def list_columns(plan: Plan) -> tuple[Column, ...]:
    """The columns of a plan's result."""
    return plan.once("columns", lambda: _list_columns(plan))


def _list_columns(plan: Plan) -> tuple[Column, ...]:
    roles = {t.kind for t in plan.tensors if t.layer is None}
    front = [Column(None, "embedding")] if "embedding" in roles else []
    after = [Column(None, role) for role in ENDS if role in roles and role != "embedding"]
    return (*front, *(Column(i) for i in range(plan.depth)), *after)


def find_column(plan: Plan, tensor: TensorPlan) -> Column | None:
    """The column that a tensor is in; None for one that is in none."""
    if tensor.layer is None:
        return Column(None, tensor.kind) if tensor.kind in ENDS else None
    return Column(tensor.layer) if tensor.stack == plan.stack else None


def name_group(plan: Plan, group: str) -> str:
    """What a group of the tensors in layers is called on screen."""
    if group != "rest":
        return {"mlp": "MLP"}.get(group, group)
    return plan.once("name of the rest", lambda: _name_rest(plan))


def _name_rest(plan: Plan) -> str:
    names = (t.name for t in plan.tensors if t.layer is not None and t.kind == "rest")
    return "norms" if all("norm" in name or ".ln" in name for name in names) else "other"


def read_columns(plan: Plan, track: Track, group: str | None, columns: Iterable[Column]) -> list[tuple[float, ...]]:
    """The values of the tensors in each column, ascending; nothing where a model has no part.

    Parameters
    ----------
    plan : Plan
    track : Track
    group : str or None
        A group of the tensors in layers; None for all.
    columns : iterable of Column
    """
    found: dict[int | str, list[float]] = {}
    stack = plan.stack
    for tensor, value in read_numbers(plan, track.parameter, track.model):
        if tensor.layer is None:
            found.setdefault(tensor.kind, []).append(value)
        elif tensor.stack == stack and group in (None, tensor.kind):
            found.setdefault(tensor.layer, []).append(value)
    rounded = {value: round_value(value) for value in {v for values in found.values() for v in values}}  # mostly equal
    places = (column.role if column.layer is None else column.layer for column in columns)
    return [tuple(sorted(rounded[value] for value in found.get(place, ()))) for place in places]


def mean_of(values: tuple[float, ...]) -> float | None:
    """The value that stands for a column: its only one, or the mean; None where there is none."""
    return round_value(sum(values) / len(values)) if values else None
