"""Untrusted texts and names: JSON is parsed within a bound on memory, and names of files are checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from nbmerge.sizes import human

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escaped surrogate; UTF-8 JSON cannot contain one in any other way."""
LONGEST_NAME = 255
"""Maximum length of a file name, in bytes."""
MEMORY = 150_000_000
"""Maximum memory in bytes for reading and parsing a JSON text, estimated beforehand."""
TOKENIZER_MEMORY = 500_000_000
"""The same for a tokenizer: the largest real ones have 260,000 tokens and half a million merges."""
PER_VALUE = 110
"""Maximum size of a parsed value in bytes, for each comma, colon and bracket (a mapping of one entry, CPython 3.10)."""


def is_name(name: str) -> bool:
    """Whether a string is the name of a file directly in a folder, not a path out of it."""
    ordinary = name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"} and Path(name).name == name
    return ordinary and not _has_surrogate(name) and len(name.encode()) <= LONGEST_NAME


def parsed(raw: bytes | bytearray, memory: int = MEMORY) -> dict[str, Any]:
    """A JSON object from a text in UTF-8.

    Raises
    ------
    ValueError
        When it is not one, has duplicate keys, is nested too deeply, or would need more than `memory`.
    """
    characters = len(raw) * (1 if raw.isascii() else 4)
    values = sum(map(raw.count, (b",", b":", b"[", b"{")))
    if len(raw) + characters + values * PER_VALUE > memory:
        raise ValueError(f"{human(len(raw))} with {values:,} values are larger than in any real model")
    try:
        text = raw.decode("utf-8")
        data = json.loads(text, object_pairs_hook=_unique_names)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start:,} is not valid UTF-8") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")
    if _SURROGATE.search(raw) and _has_surrogates(data):
        raise ValueError("a string in it contains an unpaired surrogate")
    return data


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name occurs twice")
    if any(map(_has_surrogate, unique)):
        raise ValueError("a name contains an unpaired surrogate")
    return unique


def _has_surrogates(data: Any) -> bool:
    """Whether any string in parsed JSON contains an unpaired surrogate."""
    below = [data]
    while below:
        value = below.pop()
        if isinstance(value, str) and _has_surrogate(value):
            return True
        below.extend(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    return False


def _has_surrogate(name: str) -> bool:
    """Whether a string contains an unpaired surrogate, which cannot be written to a file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False
