"""Texts and names that nobody has vetted, read with bounds: how much memory their JSON takes, which names are files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half of a character, escaped; JSON that is in UTF-8 can hold one in no other way."""
LONGEST_NAME = 255
"""Bytes of a file's name."""
MEMORY = 150_000_000
"""Most bytes that reading and parsing a JSON text may take, as estimated before it is done."""
TOKENIZER_MEMORY = 500_000_000
"""The same for a tokenizer: the largest real ones have 260,000 tokens and half a million merges."""
PER_VALUE = 110
"""Bytes that a parsed value takes at most, for each comma, colon and bracket (a mapping of one entry, CPython 3.10)."""


def is_name(name: str) -> bool:
    """Whether a text can be the name of a file in a folder, and not a way out of it."""
    ordinary = name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"} and Path(name).name == name
    return ordinary and not _broken(name) and len(name.encode()) <= LONGEST_NAME


def parsed(raw: bytes | bytearray, memory: int = MEMORY) -> dict[str, Any]:
    """A JSON object from a text in UTF-8.

    Raises
    ------
    ValueError
        When it is none, names something twice, is nested too deeply, or would take more than `memory`.
    """
    characters = len(raw) * (1 if raw.isascii() else 4)
    values = sum(map(raw.count, (b",", b":", b"[", b"{")))
    if len(raw) + characters + values * PER_VALUE > memory:
        raise ValueError(f"{len(raw):,} bytes with {values:,} values are more than any real model has")
    try:
        text = raw.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is no text in UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    if _SURROGATE.search(raw) and _any_broken(data):
        raise ValueError("a text in it contains an unpaired surrogate (half of a character)")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    if any(map(_broken, found)):
        raise ValueError("a name holds half a character")
    return found


def _any_broken(data: Any) -> bool:
    """Whether any text in parsed JSON holds a lone surrogate."""
    below = [data]
    while below:
        value = below.pop()
        if isinstance(value, str) and _broken(value):
            return True
        below.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return False


def _broken(name: str) -> bool:
    """Whether a name holds a lone surrogate, which no file could be written with."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
