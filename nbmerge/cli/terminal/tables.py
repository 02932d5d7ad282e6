"""Tables that fit the terminal: what varies is a column, what is the same in all rows stands once above them.

In a pipe or a file nothing is shortened, no line is broken, and nothing is coloured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nbmerge.cli.terminal.number_columns import format_numbers

if TYPE_CHECKING:
    import pandas as pd

UNLIMITED = 100_000
"""Columns of a terminal that is none."""
SHORTEST = 14
"""Cells that a name is shortened to at most."""
SHORTEST_HEAD = 10
"""Cells that a model's name over its numbers is shortened to at most."""
GAP = 2
"""Cells between two columns."""
NAME = "tensor"
"""The column that names a row: never above the table, and repeated where a table is wider than the terminal."""
REASON = "decided by"
"""Ends the name of a column that says where a value comes from."""


def open_console() -> Console:
    """Standard output: as wide as the terminal, or without an end in a pipe or a file."""
    width = None if sys.stdout.isatty() else UNLIMITED
    return Console(highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


def print_table(table: pd.DataFrame, console: Console | None = None) -> None:
    """Print a table with one row per tensor.

    Parameters
    ----------
    table : DataFrame
        With a column "tensor". A column ``name[model]`` belongs to one model.
    console : Console, optional
        Where to; default: `open_console`.
    """
    console = console or open_console()
    constants, columns = _split(table)
    if constants:
        console.print(_constants(constants))
        console.print()
    for i, block in enumerate(_blocks(columns, console.width)):
        if i:
            console.print()
        console.print(_block(block))


@dataclass(frozen=True)
class _Column:
    """One column as texts."""

    head: str
    cells: tuple[str, ...]
    is_number: bool
    width: int = 0

    @property
    def heads(self) -> list[str]:
        """The head over two lines: a parameter, and below it the model that it belongs to or what is said of it."""
        parameter, model = _parts(self.head)
        if model:
            return [parameter, model]
        return [self.head.removesuffix(f" {REASON}"), REASON] if self.head.endswith(f" {REASON}") else [self.head]

    @property
    def wanted(self) -> int:
        """Cells that it takes with all of every text, its head over two lines."""
        return max(map(cell_len, (*self.heads, *self.cells)))

    @property
    def least(self) -> int:
        """Cells that it takes at least: numbers are never shortened, names are."""
        if not self.is_number:
            return min(self.wanted, SHORTEST)
        return max(*map(cell_len, self.cells), min(self.wanted, SHORTEST_HEAD))

    def sized(self, width: int) -> _Column:
        """The same, in so many cells."""
        return _Column(self.head, self.cells, self.is_number, width)


def _parts(name: str) -> tuple[str, str]:
    """Parameter and model of a column ``name[model]``; no model in others."""
    parameter, bracket, model = name.partition("[")
    return (parameter, model[:-1]) if bracket and name.endswith("]") else (name, "")


def _split(table: pd.DataFrame) -> tuple[dict[str, str], list[_Column]]:
    """What is the same in all rows, and the columns of what is not; nothing of what is nowhere."""
    constants, columns = {}, []
    for name in table.columns:
        cells, is_number = format_numbers(table[name])
        if name != NAME and len(set(cells)) == 1:
            constants |= {name: cells[0]} if cells[0] else {}
        else:
            columns.append(_Column(name, tuple(cells), is_number))
    return constants, columns


def _constants(constants: dict[str, str]) -> Table:
    """Name and value of each, those of one parameter in a single line."""
    lines: dict[str, list[str]] = {}
    for name, value in constants.items():
        parameter, model = _parts(name)
        lines.setdefault(parameter, []).append(f"{model} {value}" if model else value)
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for parameter, values in lines.items():
        grid.add_row(Text(parameter), Text(", ".join(values)))
    return grid


def _total(widths: Iterable[int]) -> int:
    widths = list(widths)
    return sum(widths) + GAP * (len(widths) - 1)


def _blocks(columns: Sequence[_Column], width: int) -> list[list[_Column]]:
    """Columns with their widths, in as many tables below each other as it takes; each begins with the names of the rows."""
    name = next(c for c in columns if c.head == NAME)
    block, blocks = [name], []
    for column in (c for c in columns if c is not name):
        if len(block) > 1 and _total(c.least for c in [*block, column]) > width:
            blocks.append(block)
            block = [name]
        block.append(column)
    return [_fitted(b, width) for b in [*blocks, block]]


def _fitted(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Widths that fit: heads in one line if there is room, else over two; then the widest names are shortened."""
    in_one = [max(c.wanted, cell_len(c.head)) for c in columns]
    widths = in_one if _total(in_one) <= width else [c.wanted for c in columns]
    while _total(widths) > width:
        spare = [w - c.least for w, c in zip(widths, columns, strict=True)]
        candidates = [i for i, room in enumerate(spare) if room > 0]
        if not candidates:
            break
        widths[max(candidates, key=lambda i: widths[i])] -= 1
    return [c.sized(w) for c, w in zip(columns, widths, strict=True)]


def _block(columns: Sequence[_Column]) -> Table:
    """Columns of known width as a table without lines, for people and for awk."""
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold", collapse_padding=True)
    in_one = all(cell_len(c.head) <= c.width for c in columns)
    for i, column in enumerate(columns):
        lines = [column.head] if in_one else column.heads
        head = Text("\n".join(shorten(line, column.width) for line in lines))
        last = i == len(columns) - 1
        width = column.width if column.is_number or not last else None
        justify = "right" if column.is_number else "left"
        table.add_column(head, justify=justify, width=width, no_wrap=True, overflow="crop", vertical="bottom")
    for row in zip(*(c.cells for c in columns), strict=True):
        table.add_row(*(Text(shorten(cell, c.width)) for cell, c in zip(row, columns, strict=True)))
    return table


def shorten(text: str, width: int) -> str:
    """Take out the middle of a text that is wider than so many cells: names differ at their ends, mostly the last."""
    if cell_len(text) <= width:
        return text
    front = (width - 1) // 4
    back = width - 1 - front
    return set_cell_size(text, front) + "…" + set_cell_size(text[::-1], back)[::-1]


def as_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as JSON has it: one object per row, null where there is nothing."""
    import json

    return json.loads(table.to_json(orient="records"))
