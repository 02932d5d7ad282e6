"""A table of an analysis as the browser gets it, and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.state.names import shorten_in

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 200
"""Most rows on screen; a file has all of them."""
DIGITS = 4
LETTERS = 24
"""Longest names of models in a column's name."""


def describe_table(table: pd.DataFrame, models: Sequence[str] = ()) -> dict[str, Any]:
    """Columns, with long names of some models short, rows of numbers and texts, and how many rows are left out."""
    names = [str(name) for name in table.columns]
    rows = table.head(SHOWN).itertuples(index=False, name=None)
    return {
        "columns": [shorten_in(name, models, LETTERS) for name in names], "whole": names,
        "rows": [[_describe_cell(value) for value in row] for row in rows],
        "hidden": max(len(table) - SHOWN, 0),
    }  # fmt: skip


def send_table(view: View, table: pd.DataFrame, name: str, window: str) -> None:
    """Send a table as CSV to the browser window that asks for it."""
    data = table.to_csv(index=False).encode()
    view.send({"file": f"{name}.csv", "type": "text/csv", "window": window}, [data])


def _describe_cell(value: Any) -> float | str | None:
    import pandas as pd

    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return None
    return str(value) if isinstance(value, bool) else plain_number(float(value), DIGITS)
