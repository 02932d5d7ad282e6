"""Texts that a user gives: typed, one in a line, or in a file of his or hers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbmerge.errors import ArgumentError
from nbmerge.sizes import human

MOST_BYTES = 50_000_000
"""Largest file: a few hundred texts suffice, and all of them are evaluated."""


def split_lines(typed: str) -> tuple[str, ...]:
    """The lines of a field that are not empty."""
    return tuple(line.strip() for line in typed.splitlines() if line.strip())


def read_texts(file: str | Path) -> tuple[str, ...]:
    """The texts of a file.

    Parameters
    ----------
    file : path
        ``.jsonl``: one string, or one object with a "text", in each line. ``.json``: a list of them. Anything else is text, of
        which each line that is not empty is a text.

    Raises
    ------
    ArgumentError
        When there is no such file, or no text in it.
    """
    path = Path(file).expanduser()
    try:
        if not path.is_file():
            raise ArgumentError(
                f"There is no file {path}. Give the path of a file with texts, from this notebook's folder."
            )
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ArgumentError(f"{path} has {human(size)}. Choose a few hundred texts, at most {human(MOST_BYTES)}.")
        content = path.read_text(encoding="utf-8")
        texts = tuple(_read(content, path.suffix.lower()))
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} cannot be read as text: {error}.") from error
    except json.JSONDecodeError as error:
        raise ArgumentError(f"{path} is not valid JSON: {error}.") from error
    if not texts:
        raise ArgumentError(f"{path} has no text.")
    return texts


def _read(content: str, suffix: str) -> Iterator[str]:
    if suffix == ".jsonl":
        items: Any = [json.loads(line) for line in content.splitlines() if line.strip()]
    elif suffix == ".json":
        items = json.loads(content)
    else:
        items = list(split_lines(content))
    for item in items if isinstance(items, list) else [items]:
        text = item.get("text") if isinstance(item, dict) else item
        if not isinstance(text, str):
            raise ArgumentError(f'A text is a string, or an object with a string "text", not {str(item)[:60]!r}.')
        if text.strip():
            yield text
