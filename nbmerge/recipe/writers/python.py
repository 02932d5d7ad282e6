"""A recipe as a Python cell that recreates it."""

from __future__ import annotations

from typing import Any

from nbmerge.errors import ArgumentError
from nbmerge.recipe.recipe import Recipe

WIDTH = 100
"""Longest line, in characters, that is not split."""


def to_python(recipe: Recipe, name: str = "recipe") -> str:
    """See `Recipe.to_python`."""
    if not name.isidentifier():
        raise ArgumentError(f"{name!r} is not a valid name for a variable.")
    return f"import nbmerge as nbm\n\n{name} = nbm.Recipe.of({literal(recipe.plain())})\n"


def literal(data: Any, indent: int = 0) -> str:
    """Plain data as a Python literal, short parts on one line and long ones spread out."""
    line = repr(data)
    if not isinstance(data, dict | list) or (len(line) + indent <= WIDTH and not _has_parts(data)):
        return line
    inner = indent + 4
    if isinstance(data, dict):
        entries, ends = [f"{k!r}: {literal(v, inner)}" for k, v in data.items()], "{}"
    else:
        entries, ends = [literal(v, inner) for v in data], "[]"
    pad = " " * inner
    return f"{ends[0]}\n" + "".join(f"{pad}{e},\n" for e in entries) + " " * indent + ends[1]


def _has_parts(data: dict[str, Any] | list[Any]) -> bool:
    """Whether it contains nested parts, which are easier to read on separate lines."""
    parts = [v for v in (data.values() if isinstance(data, dict) else data) if isinstance(v, dict | list)]
    return any(isinstance(v, dict | list) for p in parts for v in (p.values() if isinstance(p, dict) else p))
