"""A problem: how bad, where, what, and how to mend it. Readers, planner and engine all speak this one form."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from nbmerge.quoting import quote, readable

MOST_COMPARED = 100
"""Characters of a misspelt name that are compared with those known, as comparing takes time."""
Severity = Literal["error", "warning", "info"]
Where = tuple[str | int, ...]
"""A place in a recipe: keys and list positions from the top, as in ``("models", 0, "parameters", "weight")``."""

_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Parameters
    ----------
    severity : "error", "warning" or "info"
        An error stops a merge; a warning deserves a look; an info says what was decided.
    where : tuple of str and int
        The place in the recipe, empty for the recipe as a whole.
    what : str
        What is wrong, with the names and numbers concerned.
    how : str
        What to do about it.
    line : int, optional
        1-based line of the text it was read from, where there was a text.
    """

    severity: Severity
    where: Where
    what: str
    how: str = ""
    line: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", readable(self.what))
        object.__setattr__(self, "how", readable(self.how))

    @property
    def place(self) -> str:
        """`where` as people write it: ``models[0].parameters.weight``."""
        return place(self.where)

    def __str__(self) -> str:
        where = quote(self.place)
        head = f"line {self.line}, {where}" if self.line and where else where
        head = head or (f"line {self.line}" if self.line else "")
        text = f"{head}: {self.what}" if head else self.what
        return f"{text} {self.how}".rstrip()


def place(where: Where) -> str:
    """Write a place in a recipe as ``models[0].parameters.weight``."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def worst_first(problems: Iterable[Problem]) -> list[Problem]:
    """Errors, then warnings, then infos, each in the order found, nothing twice."""
    return sorted(dict.fromkeys(problems), key=lambda p: _RANK[p.severity])


def nearest(name: str, known: Iterable[str]) -> str:
    """'Did you mean ...?' for a misspelt name, else the list of what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name[:MOST_COMPARED].lower(), known, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else f"Known here: {', '.join(known)}."
