"""A problem: its severity, place, description and fix; the common form for readers, planner and engine."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from nbmerge.quoting import quote, readable

MOST_COMPARED = 100
"""Characters of a misspelt name that are compared with known names, as comparing takes time."""
Severity = Literal["error", "warning", "info"]
Where = tuple[str | int, ...]
"""A place in a recipe: keys and list positions from the top, as in ``("models", 0, "parameters", "weight")``."""

KINDS = {
    "architecture": "the models' layers have different names",
    "base": "the method needs a base model, and none is named",
    "config": "config and tokenizer do not fit the result",
    "depth": "the models have different numbers of layers",
    "effect": "a parameter has no effect on this method",
    "method": "there is no such method",
    "model": "a model cannot be opened",
    "number": "the method merges another number of models",
    "parameter": "the method has no such parameter",
    "range": "a value is out of range",
    "shape": "tensors have different shapes",
    "statistics": "the method needs statistics of texts that are not there",
    "tensors": "a model lacks tensors",
    "tokens": "tokens of a model are numbered differently, or are lost",
    "value": "a required parameter has no value",
    "vocabulary": "the vocabularies have different sizes",
}
"""What a problem may be about; the remedies for a problem depend on it."""

_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a recipe.

    Parameters
    ----------
    severity : "error", "warning" or "info"
        An error prevents a merge; a warning should be looked at; an info reports a decision.
    where : tuple of str and int
        Place in the recipe, empty for the recipe as a whole.
    what : str
        Description, with the names and numbers concerned.
    how : str
        Fix: what to do about it.
    line : int, optional
        1-based line of the text that the recipe was read from, if any.
    kind : str
        One of `KINDS`, for programs that react to it; empty for all others.
    """

    severity: Severity
    where: Where
    what: str
    how: str = ""
    line: int | None = None
    kind: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", readable(self.what))
        object.__setattr__(self, "how", readable(self.how))

    @property
    def place(self) -> str:
        """`where` as text: ``models[0].parameters.weight``."""
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
    """Errors, then warnings, then infos, each in the given order, without duplicates."""
    return sorted(dict.fromkeys(problems), key=lambda p: _RANK[p.severity])


def nearest(name: str, known: Iterable[str]) -> str:
    """'Did you mean ...?' for a misspelt name, else the list of known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name[:MOST_COMPARED].lower(), known, n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else f"Known here: {', '.join(known)}."
