"""Implementations of attention and experts that a config asks for: some are kernels of strangers on the Hub.

Some versions of transformers download and run such a kernel because a config names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NEEDED_PACKAGES: dict[str, str | None] = {
    "eager": None, "sdpa": None, "flex_attention": None, "grouped_mm": None, "batched_mm": None,
    "flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface",
}  # fmt: skip
"""The implementations of transformers itself, each with the package that it needs: without that package, transformers takes
a kernel from the Hub in its place."""
_KEYS = ("attn_implementation", "experts_implementation")


def list_implementations(config: Any, below: str = "") -> Iterator[tuple[str, Any]]:
    """Every implementation that a config names, with its key; also in the parts of the config."""
    parts = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for key, value in parts:
        place = below or (str(key) if _names_implementation(key) else "")
        if isinstance(value, Mapping | list):
            yield from list_implementations(value, place)
        elif place:
            yield place, value


def is_foreign(value: Any) -> bool:
    """Whether a named implementation is not one of transformers itself; some versions write booleans beside the names."""
    return not (value is None or isinstance(value, bool) or (isinstance(value, str) and value in NEEDED_PACKAGES))


def drop_foreign_implementations(config: Any) -> tuple[Any, list[str]]:
    """A copy of a config without the entries that name a foreign implementation.

    Returns
    -------
    copy
        Of the same kind as `config`.
    list of str
        The entries that were left out, as ``"key: value"``.
    """
    dropped: list[str] = []

    def copied(part: Any) -> Any:
        if isinstance(part, list):
            return [copied(value) for value in part]
        if not isinstance(part, Mapping):
            return part
        kept = {}
        for key, value in part.items():
            foreign = (
                [v for _, v in list_implementations({key: value}) if is_foreign(v)]
                if _names_implementation(key)
                else []
            )
            dropped.extend(f"{key}: {v!r:.120}" for v in foreign)
            if not foreign:
                kept[key] = copied(value)
        return kept

    return copied(config), dropped


def _names_implementation(key: Any) -> bool:
    return any(name in str(key) for name in _KEYS)
