"""JSON output of the commands: documented in docs/recipes.md; fields are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem


def print_json(data: Any) -> None:
    """Print data as JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def to_json_value(value: Any) -> Any:
    """Convert a path or a tuple to a type that JSON has."""
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def list_problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as JSON data."""
    return [
        {"severity": p.severity, "where": list(p.where), "place": p.place, "what": p.what, "how": p.how, "line": p.line}
        for p in problems
    ]


@contextmanager
def report_errors(as_json: bool) -> Iterator[None]:
    """Print the errors of a recipe as JSON if requested; exit status 1 either way."""
    try:
        yield
    except RecipeError as error:
        if not as_json:
            raise
        print_json({"ok": False, "problems": list_problems(error.problems)})
        raise typer.Exit(1) from None
