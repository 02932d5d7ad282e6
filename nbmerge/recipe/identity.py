"""When plain data of recipes are the same, and which items of two lists belong together."""

from __future__ import annotations

from typing import Any


def is_same(one: Any, other: Any) -> bool:
    """Whether plain data are the same, and written in the same form; true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        theirs = {str(key): value for key, value in other.items()}
        return {str(k) for k in one} == theirs.keys() and all(is_same(v, theirs[str(k)]) for k, v in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return one is other or (one == other and isinstance(one, bool) == isinstance(other, bool))


def identify_item(item: Any) -> Any:
    """What an item of a list is recognised by after a change: its model, its filter, or the models of a slice."""
    if not isinstance(item, dict):
        return repr(item)
    if "model" in item:
        return "model", repr(item["model"]), repr(item.get("layer_range"))
    if "sources" in item:
        return "sources", tuple(identify_item(s) for s in item["sources"])
    return "rule", repr(item.get("filter"))
