"""Tables that fit the terminal: values that vary are columns, values that all rows share are printed once above them.

In a pipe or a file nothing is shortened, wrapped or coloured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from nbmerge.cli.terminal.number_columns import format_numbers

if TYPE_CHECKING:
    import pandas as pd

UNLIMITED = 100_000
"""Width where standard output is not a terminal."""
MIN_NAME_WIDTH = 14
"""Cells that a shortened name keeps at least."""
MIN_HEAD_WIDTH = 10
"""Cells that a shortened model name in the head of a column of numbers keeps at least."""
GAP = 2
"""Cells between two columns."""
NAME = "tensor"
"""The column that names a row: never above the table, and repeated where a table is wider than the terminal."""
REASON = "decided by"
"""Suffix of the names of columns with the place in the recipe that sets a value."""


def open_console() -> Console:
    """Standard output: as wide as the terminal, or of unlimited width in a pipe or a file."""
    width = None if sys.stdout.isatty() else UNLIMITED
    return Console(highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


def print_table(table: pd.DataFrame, console: Console | None = None) -> None:
    """Print a table with one row per tensor.

    Parameters
    ----------
    table : DataFrame
        With a column "tensor". A column ``name[model]`` belongs to one model.
    console : Console, optional
        Default: `open_console`.
    """
    console = console or open_console()
    constants, columns = _split_constants(table)
    if constants:
        console.print(_lay_out_constants(constants))
        console.print()
    for i, block in enumerate(_split_blocks(columns, console.width)):
        if i:
            console.print()
        console.print(_lay_out_block(block))


@dataclass(frozen=True)
class _Column:
    """A column of formatted cells."""

    head: str
    cells: tuple[str, ...]
    is_number: bool
    width: int = 0

    @property
    def heads(self) -> list[str]:
        """The head on two lines: a parameter, and below it the model that it belongs to or "decided by"."""
        parameter, model = _split_name(self.head)
        if model:
            return [parameter, model]
        return [self.head.removesuffix(f" {REASON}"), REASON] if self.head.endswith(f" {REASON}") else [self.head]

    @property
    def wanted(self) -> int:
        """Width without shortening, with the head on two lines."""
        return max(map(cell_len, (*self.heads, *self.cells)))

    @property
    def least(self) -> int:
        """Least width: numbers are never shortened, names are."""
        if not self.is_number:
            return min(self.wanted, MIN_NAME_WIDTH)
        return max(*map(cell_len, self.cells), min(self.wanted, MIN_HEAD_WIDTH))

    def with_width(self, width: int) -> _Column:
        """The same column with another width."""
        return _Column(self.head, self.cells, self.is_number, width)


def _split_name(name: str) -> tuple[str, str]:
    """Parameter and model of a column ``name[model]``; the model is empty in other columns."""
    parameter, bracket, model = name.partition("[")
    return (parameter, model[:-1]) if bracket and name.endswith("]") else (name, "")


def _split_constants(table: pd.DataFrame) -> tuple[dict[str, str], list[_Column]]:
    """Values that all rows share, and the other columns; columns without any value are left out."""
    constants: dict[str, str] = {}
    columns: list[_Column] = []
    for name in table.columns:
        cells, is_number = format_numbers(table[name])
        if name != NAME and len(set(cells)) == 1:
            constants |= {name: cells[0]} if cells[0] else {}
        else:
            columns.append(_Column(name, tuple(cells), is_number))
    return constants, columns


def _lay_out_constants(constants: dict[str, str]) -> Table:
    """Names and values, those of one parameter on a single line."""
    lines: dict[str, list[str]] = {}
    for name, value in constants.items():
        parameter, model = _split_name(name)
        lines.setdefault(parameter, []).append(f"{model} {value}" if model else value)
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for parameter, values in lines.items():
        grid.add_row(Text(parameter), Text(", ".join(values)))
    return grid


def _total_width(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + GAP * (len(widths) - 1)


def _split_blocks(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Columns with their widths, in as many tables as needed; each begins with the names of the rows."""
    name = next(c for c in columns if c.head == NAME)
    block, blocks = [name], []
    for column in (c for c in columns if c is not name):
        if len(block) > 1 and _total_width(c.least for c in [*block, column]) > width:
            blocks.append(block)
            block = [name]
        block.append(column)
    return [_fit_widths(b, width) for b in [*blocks, block]]


def _fit_widths(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Set widths that fit: heads on one line if there is room, else on two; then shorten the widest names."""
    in_one = [max(c.wanted, cell_len(c.head)) for c in columns]
    widths = in_one if _total_width(in_one) <= width else [c.wanted for c in columns]
    while _total_width(widths) > width:
        spare = [w - c.least for w, c in zip(widths, columns, strict=True)]
        candidates = [i for i, room in enumerate(spare) if room > 0]
        if not candidates:
            break
        widths[max(candidates, key=lambda i: widths[i])] -= 1
    return [c.with_width(w) for c, w in zip(columns, widths, strict=True)]


def _lay_out_block(columns: Sequence[_Column]) -> Table:
    """Columns of known width as a table without rules, which awk can read, too."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold", collapse_padding=True)
    in_one = all(cell_len(c.head) <= c.width for c in columns)
    for i, column in enumerate(columns):
        lines = [column.head] if in_one else column.heads
        head = Text("\n".join(shorten(line, column.width) for line in lines))
        last = i == len(columns) - 1
        width = column.width if column.is_number or not last else None
        justify: JustifyMethod = "right" if column.is_number else "left"
        table.add_column(head, justify=justify, width=width, no_wrap=True, overflow="crop", vertical="bottom")
    for row in zip(*(c.cells for c in columns), strict=True):
        table.add_row(*(Text(shorten(cell, c.width)) for cell, c in zip(row, columns, strict=True)))
    return table


def shorten(text: str, width: int) -> str:
    """Shorten a text to so many cells by leaving out its middle: names differ at their ends, mostly the last."""
    if cell_len(text) <= width:
        return text
    front = (width - 1) // 4
    back = width - 1 - front
    return set_cell_size(text, front) + "…" + set_cell_size(text[::-1], back)[::-1]


def to_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as JSON data: one object per row, null for missing values."""
    import json

    return json.loads(table.to_json(orient="records"))
