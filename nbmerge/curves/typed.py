"""Values for layers as people type or paste them: parsed into assignments, with the position of every mistake.

A line or a part between semicolons is one assignment:

====================  ==========================================================================
``0.5``               every layer
``0.2, 0.4``          a gradient from the first layer to the last; as many numbers as layers: one each
``[0, 0.5, 1]``       the same, as recipes write it; ``{0: 0, 12: 0.8, 31: 0}`` names layers
``8-15: 0.3``         these layers; several numbers run over them from the first to the last
``0, 3-5: +0.1``      adds; ``x0.5`` multiplies; ``-0.1`` sets, and ``-=0.1`` subtracts
``8-15 mlp: 0.3``     one part: attention, mlp, rest, or text that names of tensors contain
``all: x0.5``         every layer, with a part too: ``all q_proj: 0.2``
``head: 1``           outside the layers: embeddings, final norm, head
====================  ==========================================================================

Lines of one number each, as a column of a spreadsheet has them, are one list; two columns are layers and values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem

How = Literal["set", "add", "scale"]
MOST_CHARACTERS = 200_000
GROUPS = {"attention": "attention", "attn": "attention", "mlp": "mlp", "rest": "rest"}
"""Words for groups of tensors."""
ENDS = {
    "embedding": "embedding", "embeddings": "embedding", "embed": "embedding",
    "final norm": "final norm", "head": "head", "lm_head": "head",
}  # fmt: skip
"""Words for what is outside the layers."""
BLOCK_WEIGHTS = {26: "25 blocks", 20: "19 blocks"}
"""Lengths of lists that older tools for picture models exchange: one number for what is outside, then the blocks."""
EXAMPLES = "Write 0.2, 0.8 or 8-15: 0.3 or 0, 3-5 mlp: +0.1."
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_OPERATION = re.compile(r"(\+=|-=|\+|[x×*]=?)\s*(.*)", re.DOTALL)
_RANGE = re.compile(r"(\d{1,6})(?:\s*[-–]\s*(\d{1,6}))?")
_COMMA = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True)
class Assignment:
    """What one part of a typed text does.

    Parameters
    ----------
    layers : tuple of int or None
        None for every layer.
    values : tuple of float
        One for all these layers, or several that run over them.
    how : "set", "add" or "scale"
    part : str
        A group, or text that names of tensors contain; empty for every tensor.
    end : str
        A role outside the layers, which is then all that is meant.
    knots : tuple of (float, float)
        Layers and values of a mapping in braces; then `values` is empty.
    line, column : int
        Where it begins in the text, from 1; the line is 0 in a text of one line.
    """

    layers: tuple[int, ...] | None
    values: tuple[float, ...]
    how: How = "set"
    part: str = ""
    end: str = ""
    knots: tuple[tuple[float, float], ...] = ()
    line: int = 0
    column: int = 1


def parse_typed(text: str, depth: int) -> list[Assignment]:
    """Read typed or pasted values.

    Parameters
    ----------
    text : str
    depth : int
        Number of layers.

    Raises
    ------
    RecipeError
        With line and column of what was not understood, and what was expected there.

    Examples
    --------
    >>> from nbmerge.curves.typed import parse_typed
    >>> parse_typed("8-10 mlp: +0.1", depth=32)
    [Assignment(layers=(8, 9, 10), values=(0.1,), how='add', part='mlp', end='', knots=(), line=0, column=1)]
    """
    if len(text) > MOST_CHARACTERS:
        raise _error(f"the text has {len(text):,} characters; at most {MOST_CHARACTERS:,} are read.", 0, 1)
    pieces = list(_split(text))
    if not pieces:
        raise _error("there are no numbers.", 0, 1)
    pieces = _join_column(pieces)
    return [assignment for piece in pieces for assignment in _Parser(piece, depth).parse()]


@dataclass(frozen=True)
class _Piece:
    """A part of the text between line ends and semicolons, with its place."""

    text: str
    line: int
    column: int

    def error(self, what: str, at: int = 0, how: str = EXAMPLES) -> RecipeError:
        return _error(what, self.line, self.column + at, how)


def _error(what: str, line: int, column: int, how: str = EXAMPLES) -> RecipeError:
    return RecipeError([Problem("error", (), f"at column {column}, {what}", how, line or None)])


def _split(text: str) -> Iterator[_Piece]:
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1 if len(lines) > 1 else 0):
        column = 0
        for part in line.split(";"):
            stripped = part.strip()
            if stripped:
                yield _Piece(stripped, number, column + len(part) - len(part.lstrip()) + 1)
            column += len(part) + 1


def _join_column(pieces: list[_Piece]) -> list[_Piece]:
    """A column of numbers as one list, and columns of layers and values as assignments, below their names or not."""
    if len(pieces) < 2:
        return pieces
    if all(_COMMA.fullmatch(p.text) for p in pieces):
        raise pieces[0].error("a comma separates numbers.", how="Write 0.5 for one half.")
    rows = [re.split(r"\t+|\s{2,}", p.text) for p in pieces]
    if len(pieces) > 2 and not any(_NUMBER.fullmatch(v) for v in rows[0]) and _is_table(rows[1:]):
        pieces, rows = pieces[1:], rows[1:]
    if all(len(row) == 1 and _NUMBER.fullmatch(row[0]) for row in rows):
        return [_Piece(", ".join(row[0] for row in rows), pieces[0].line, pieces[0].column)]
    if _is_table(rows) and len(rows[0]) == 2:
        return [_Piece(f"{a}: {b}", p.line, p.column) for p, (a, b) in zip(pieces, rows, strict=True)]
    return pieces


def _is_table(rows: list[list[str]]) -> bool:
    return all(all(_NUMBER.fullmatch(v) for v in row) for row in rows) and len({len(row) for row in rows}) == 1


class _Parser:
    """Reads one piece."""

    def __init__(self, piece: _Piece, depth: int):
        self.piece = piece
        self.depth = depth

    def parse(self) -> list[Assignment]:
        text = self.piece.text
        start = Assignment(None, (), line=self.piece.line, column=self.piece.column)
        if text.startswith("{"):
            return [replace(start, knots=self._read_knots(text))]
        selector, colon, rest = text.partition(":")
        if not colon:
            values, how = self._read_values(text, 0)
            if len(values) in BLOCK_WEIGHTS and len(values) == self.depth + 1 and how == "set":
                outside = [replace(start, values=values[:1], end=end) for end in dict.fromkeys(ENDS.values())]
                return [replace(start, values=values[1:]), *outside]
            return [replace(start, values=self._check_count(values, self.depth), how=how)]
        layers, part, end = self._read_selector(selector)
        if rest.strip().startswith("{") and layers is None and not end:
            return [replace(start, knots=self._read_knots(rest.strip(), text.index("{")), part=part)]
        values, how = self._read_values(rest, len(selector) + 1)
        count = 1 if end else self.depth if layers is None else len(layers)
        return [replace(start, layers=layers, values=self._check_count(values, count), how=how, part=part, end=end)]

    # --- numbers ---

    def _read_values(self, text: str, at: int) -> tuple[tuple[float, ...], How]:
        stripped = text.strip()
        at += len(text) - len(text.lstrip())
        if not stripped:
            raise self.piece.error("a number is expected after the colon.", at)
        how: How = "set"
        sign = 1.0
        if match := _OPERATION.match(stripped):
            how = "add" if match[1][0] in "+-" else "scale"
            sign = -1.0 if match[1] == "-=" else 1.0
            at += match.start(2)
            stripped = match[2]
        if stripped.startswith("[") and stripped.endswith("]"):
            stripped, at = stripped[1:-1], at + 1
        return tuple(sign * v for v in self._read_numbers(stripped, at)), how

    def _read_numbers(self, text: str, at: int) -> Iterator[float]:
        found = list(re.finditer(r"[^\s,]+", text))
        if not found:
            raise self.piece.error("a number is expected.", at)
        for match in found:
            word = match[0]
            if word.upper() in ("R", "U", "X"):
                raise self.piece.error(f"'{word}' stands for a random number.", at + match.start(), "Write a number.")
            if not _NUMBER.fullmatch(word) or not math.isfinite(float(word)):
                raise self.piece.error(f"a number is expected, not '{word:.40}'.", at + match.start())
            yield float(word)

    def _check_count(self, values: tuple[float, ...], count: int) -> tuple[float, ...]:
        if len(values) <= count:
            return values
        if len(values) in BLOCK_WEIGHTS:
            blocks = BLOCK_WEIGHTS[len(values)]
            what = (
                f"these are {len(values)} numbers, as block weights for picture models have them ({blocks} and one for "
            )
            raise self.piece.error(
                f"{what}the rest), but there are {count} layers.", 0, f"Write at most {count} numbers."
            )
        layers = "1 layer" if count == 1 else f"{count} layers"
        what = f"these are {len(values)} numbers for {layers}."
        raise self.piece.error(what, 0, f"Write {count}, or fewer to join by straight lines.")

    def _read_knots(self, text: str, start: int = 0) -> tuple[tuple[float, float], ...]:
        if not text.endswith("}"):
            raise self.piece.error("a closing brace is expected.", start + len(text))
        knots: dict[float, float] = {}
        at = start + 1
        for entry in text[1:-1].split(","):
            key, colon, value = entry.partition(":")
            lead = at + len(entry) - len(entry.lstrip())
            if not colon:
                raise self.piece.error("a layer and a value with a colon between them are expected.", lead)
            (number,) = self._read_numbers(value.strip().replace(" ", "_"), at + len(key) + 1)
            for layer in self._read_layers(key, at, ends_only=True):
                if layer in knots:
                    raise self.piece.error(f"layer {layer} has two values.", lead)
                knots[layer] = number
            at += len(entry) + 1
        return tuple(sorted(knots.items()))

    # --- layers and parts ---

    def _read_selector(self, text: str) -> tuple[tuple[int, ...] | None, str, str]:
        """Layers (None for all), part and end before the colon."""
        words = " ".join(text.lower().split())
        if words in ENDS:
            return None, "", ENDS[words]
        match = re.match(r"[\d\s,–-]*", text)
        numbers = match[0] if match else ""
        rest = text[len(numbers) :].strip()
        layers = tuple(dict.fromkeys(self._read_layers(numbers, 0))) if numbers.strip(" ,") else None
        if rest.lower() == "all" or rest.lower().startswith("all "):
            if layers is not None:
                raise self.piece.error("either layers or 'all' is expected.", len(numbers))
            rest = rest[3:].strip()
        elif layers is None and not rest:
            raise self.piece.error("layers are expected before the colon.")
        if len(rest.split()) > 1:
            raise self.piece.error(f"one part is expected after the layers, not '{rest:.40}'.", len(numbers))
        return layers, GROUPS.get(rest.lower(), rest), ""

    def _read_layers(self, text: str, at: int, ends_only: bool = False) -> Iterator[int]:
        start = at
        for item in text.split(","):
            lead = start + len(item) - len(item.lstrip())
            start += len(item) + 1
            match = _RANGE.fullmatch(item.strip())
            if match is None:
                raise self.piece.error(f"a layer or a range such as 3-5 is expected, not '{item.strip():.40}'.", lead)
            first = int(match[1])
            last = int(match[2]) if match[2] else first
            if last < first:
                raise self.piece.error(f"the range {first}-{last} goes backwards.", lead, f"Write {last}-{first}.")
            if last >= self.depth:
                how = f"The layers are 0 to {self.depth - 1}."
                raise self.piece.error(f"there is no layer {last}.", lead, how)
            yield from dict.fromkeys((first, last)) if ends_only else range(first, last + 1)
