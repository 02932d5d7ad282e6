"""A text that may contain a recipe, parsed as YAML once for all readers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from nbmerge.errors import CheckpointError, RecipeError
from nbmerge.guarded_files import read_model_text
from nbmerge.problems import Problem, Severity, Where, nearest
from nbmerge.recipe.yaml_text import MAX_CHARACTERS, parse_yaml

MAX_BYTES = 4 * MAX_CHARACTERS
"""Most bytes of a file that is read as a recipe."""
Document = tuple[Any, dict[Where, int]]
"""Data of a YAML document, and the line of every place in it."""


class RecipeText:
    """A text and, if it is YAML, its data.

    Parameters
    ----------
    raw : str
    above : int
        Number of lines above it in the text that it was taken from, so that problems name the line that people see.
    """

    def __init__(self, raw: str, above: int = 0):
        if len(raw) > MAX_CHARACTERS:
            raise reading_error(f"the text has {len(raw):,} characters; a recipe has at most {MAX_CHARACTERS:,}.")
        self.raw = raw
        self.above = above

    @cached_property
    def _parsed(self) -> list[Document] | RecipeError:
        try:
            parsed = parse_yaml(self.raw)
        except RecipeError as error:
            return RecipeError([_shift(p, self.above) for p in error.problems])
        return [(data, {w: n + self.above for w, n in lines.items()}) for data, lines in parsed if data is not None]

    @property
    def documents(self) -> list[Document]:
        """Every YAML document that is not empty.

        Raises
        ------
        RecipeError
            With the line, for what is not YAML.
        """
        if isinstance(self._parsed, RecipeError):
            raise self._parsed
        return self._parsed

    @property
    def mapping(self) -> Mapping[str, Any]:
        """The data of its only document, empty unless it is a single mapping."""
        parsed = self._parsed
        if isinstance(parsed, RecipeError) or len(parsed) != 1 or not isinstance(parsed[0][0], Mapping):
            return {}
        return parsed[0][0]

    @property
    def lines(self) -> dict[Where, int]:
        """Lines of that mapping."""
        return self.documents[0][1] if self.mapping else {}


def read_file(file: Path) -> str:
    """The text of a file that may contain a recipe: a regular file of limited size, in UTF-8.

    Raises
    ------
    RecipeError
        When it is anything else, such as a pipe, which may never end.
    """
    try:
        return read_model_text(file, MAX_BYTES)
    except CheckpointError as error:
        raise reading_error(f"{error}") from error


def _shift(problem: Problem, by: int) -> Problem:
    return Problem(problem.severity, problem.where, problem.what, problem.how, problem.line and problem.line + by)


def reading_error(what: str, how: str = "", where: Where = (), line: int | None = None) -> RecipeError:
    """The error for a text that cannot be read as a recipe."""
    return RecipeError([Problem("error", where, what, how, line)])


def note(what: str, where: Where = (), line: int | None = None, severity: Severity = "info") -> Problem:
    """A note on something in the text that has no effect here, or on a decision made while reading it."""
    return Problem(severity, where, what, line=line)


def check_keys(data: Mapping[Any, Any], known: tuple[str, ...], where: Where = (), line: int | None = None) -> None:
    """Refuse keys that the format does not have."""
    for key in data:
        if key not in known:
            raise reading_error(f"unknown key '{key!s:.80}'.", nearest(str(key)[:80], known), (*where, key), line)
