"""Refuse settings of tokenizers and of generation that are larger than any real ones, before transformers reads them.

transformers copies these files several times and creates a token for each entry of some lists, in time quadratic in their
length: fifty thousand entries take 15 seconds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json

FILES = (
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json",
)  # fmt: skip
MEMORY = 25_000_000
"""Maximum estimated memory for reading one of them, in bytes: about 200,000 values."""
MOST_IN_LIST, MOST_IN_MAPPING = 5_000, 50_000
"""Maximum entries of a list, and of a mapping."""


def check_settings_files(folder: Path) -> None:
    """Refuse a folder with settings that no real tokenizer or model has.

    Raises
    ------
    CheckpointError
        With the file, when it is not JSON or too large.
    """
    for name in FILES:
        if os.path.lexists(file := folder / name):
            _check_lengths(file, read_model_json(file, MEMORY))


def _check_lengths(file: Path, data: dict[str, Any]) -> None:
    below: list[tuple[str, Any]] = [("", data)]
    while below:
        key, value = below.pop()
        if not isinstance(value, dict | list):
            continue
        if len(value) > (MOST_IN_LIST if isinstance(value, list) else MOST_IN_MAPPING):
            raise CheckpointError(
                f"{file} has {len(value):,} entries{f' in {key:.80}' if key else ''}, which no real model has. Correct it, or "
                "download the model again."
            )
        below.extend(value.items() if isinstance(value, dict) else ((key, v) for v in value))
