"""The values of a plan's parameters as heat maps: what each layer and kind of tensor gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Row, Sheet
from nbmerge.plots.structure.part_maps import part_maps

if TYPE_CHECKING:
    import pandas as pd


def plot_value_maps(
    plan: Plan,
    parameters: str | Iterable[str] | None = None,
    *,
    theme: Theme = "auto",
    width: float = WIDTH,
    font_size: float = FONT,
) -> NotebookFigure:
    """See `Plan.plot`."""
    numeric = [p.name for p in plan.method.parameters if p.kind == "number"]
    chosen = numeric if parameters is None else [parameters] if isinstance(parameters, str) else list(parameters)
    table = plan.values()
    varied, constant = list[Row](), list[Row]()
    for name in chosen:
        columns = _columns(table, name)
        if not columns:
            if parameters is None:
                continue
            raise ArgumentError(f"This merge has no numeric parameter {name!r}. It has {', '.join(numeric)}.")
        numbers = table[["layer", "kind", *columns]].apply(_as_numbers)
        means = numbers.groupby(["layer", "kind"], dropna=False, sort=False).mean().reset_index()
        signed = bool((means[columns] < 0).any().any())
        rows = part_maps(means, {c: _title(c, name) for c in columns}, plan.depth, signed=signed)
        (varied if parameters is not None or means[columns].stack().nunique() > 1 else constant).extend(rows)
    return Sheet(Look(theme, font_size), width).draw(varied or constant)


def _columns(table: pd.DataFrame, name: str) -> list[str]:
    """The columns of a parameter that have numbers: one, or one for each model."""
    columns = [c for c in table.columns if c == name or c.startswith(f"{name}[")]
    return [c for c in columns if _as_numbers(table[c]).notna().any()]


def _as_numbers(column: pd.Series) -> pd.Series:
    import pandas as pd

    return column if column.name in ("layer", "kind") else pd.to_numeric(column, errors="coerce")


def _title(column: str, name: str) -> str:
    return name if column == name else f"{name} of {column[len(name) + 1 : -1]}"
