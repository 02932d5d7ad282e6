"""Numbers that callers pass to functions: sizes and counts, refused by name where they are neither."""

from __future__ import annotations

from numbers import Integral

from nbmerge.errors import ArgumentError
from nbmerge.sizes import parse_size


def parse_size_argument(name: str, size: int | str) -> int:
    """A number of bytes from a number or a text such as ``"2GB"``.

    Parameters
    ----------
    name : str
        What the caller's argument is called.
    size : int or str

    Raises
    ------
    ArgumentError
        With the name, for anything else and for less than one byte.
    """
    if isinstance(size, str):
        try:
            return parse_size(size)
        except ArgumentError as error:
            raise ArgumentError(f"{name}: {error}") from error
    if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
        raise ArgumentError(f"{name} is a number of bytes or a size such as '2GB', not {size!r}.")
    return int(size)


def parse_count_argument(name: str, count: int | None, default: int) -> int:
    """A whole number of at least 1; None and 0 mean the default.

    Raises
    ------
    ArgumentError
        With the name, for anything else.
    """
    if count is None:
        return default
    if isinstance(count, bool) or not isinstance(count, Integral) or count < 0:
        raise ArgumentError(f"{name} is a whole number of at least 1, not {count!r}.")
    return int(count) or default


def parse_whole_number(name: str, number: int, least: int) -> int:
    """A whole number that is not below a limit.

    Raises
    ------
    ArgumentError
        With the name, for anything else.
    """
    if isinstance(number, bool) or not isinstance(number, Integral) or number < least:
        raise ArgumentError(f"{name} is a whole number of at least {least}, not {number!r:.80}.")
    return int(number)
