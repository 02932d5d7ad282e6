"""A table of an analysis as the browser gets it, and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.controls.view import View

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 200
"""Most rows on screen; a file has all of them."""
DIGITS = 4


def describe_table(table: pd.DataFrame) -> dict[str, Any]:
    """Columns, rows of numbers and texts, and how many rows are left out."""
    rows = table.head(SHOWN).itertuples(index=False, name=None)
    return {
        "columns": [str(name) for name in table.columns], "rows": [[_describe_cell(value) for value in row] for row in rows],
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
