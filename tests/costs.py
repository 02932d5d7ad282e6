"""Grids of which a part stands for the whole: the rest runs with the slow tests."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

import pytest


def rest_is_slow(values: Iterable[Any], quick: Container[Any] | Callable[[Any], bool]) -> list[Any]:
    """Values for ``parametrize``; those that are not among the quick ones are marked slow."""
    is_quick = quick if callable(quick) else quick.__contains__
    return [value if is_quick(value) else _slow(value) for value in values]


def _slow(value: Any) -> Any:
    several = value if isinstance(value, tuple) else (value,)
    return pytest.param(*several, marks=pytest.mark.slow)
