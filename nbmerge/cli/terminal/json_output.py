"""What the commands say to programs, with ``--json``: documented in docs/recipes.md, and changed by addition only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem


def say(data: Any) -> None:
    """Print data as JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def plain(value: Any) -> Any:
    """A path or a tuple as JSON has it."""
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def problems(found: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as plain data."""
    return [
        {"severity": p.severity, "where": list(p.where), "place": p.place, "what": p.what, "how": p.how, "line": p.line}
        for p in found
    ]


@contextmanager
def refusals(as_json: bool) -> Iterator[None]:
    """Say what forbids a recipe as JSON where that was asked for; status 1 either way."""
    try:
        yield
    except RecipeError as error:
        if not as_json:
            raise
        say({"ok": False, "problems": problems(error.problems)})
        raise typer.Exit(1) from None
