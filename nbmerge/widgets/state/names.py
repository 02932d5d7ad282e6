"""Names of models in little room, so that those side by side can be told apart. The browser's `tellApart` does the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

_WORDS = re.compile(r"\+?[^-_. /+]*[-_. /]?")  # an adapter is a word of its own


def tell_apart(names: Sequence[str], letters: int) -> list[str]:
    """Names in at most so many letters each.

    Where one is longer, each leaves out the words that another one starts with too, as long as all differ then, and the
    words at its end for which there is no room.

    Examples
    --------
    >>> from nbmerge.widgets.state.names import tell_apart
    >>> tell_apart(["Mistral-7B-v0.3-base", "Mistral-7B-v0.3-math"], 16)
    ['…base', '…math']
    """
    if all(len(name) <= letters for name in names):
        return list(names)
    words = [_WORDS.findall(name)[:-1] for name in names]
    short = []
    for i, own in enumerate(words):
        shared = max((_count_shared(own, other) for j, other in enumerate(words) if j != i), default=0)
        short.append(_cut_end(own, min(shared, len(own) - 1), letters))
    return short if len(set(short)) == len(set(names)) else [shorten(name, letters) for name in names]


def shorten(name: str, letters: int) -> str:
    """A long name with its middle left out: both the family and the version stay readable."""
    if len(name) <= letters:
        return name
    end = int((letters - 1) * 0.45)
    return f"{name[: letters - 1 - end]}…{name[len(name) - end :]}"


def shorten_in(text: str, names: Sequence[str], letters: int) -> str:
    """A text in which the long ones of some names are short, and can still be told apart.

    Examples
    --------
    >>> from nbmerge.widgets.state.names import shorten_in
    >>> shorten_in("removed model Mistral-7B-v0.3-math", ["Mistral-7B-v0.3-base", "Mistral-7B-v0.3-math"], 16)
    'removed model …math'
    """
    known = list(dict.fromkeys(names))
    pairs = zip(known, tell_apart(known, letters), strict=True)
    for name, short in sorted(pairs, key=lambda pair: -len(pair[0])):  # one may be the start of another
        if len(name) > letters:
            text = text.replace(name, short)
    return text


def _cut_end(words: Sequence[str], left_out: int, letters: int) -> str:
    """A name from some word on, without the last ones where they are too many."""
    start, rest = "…" if left_out else "", words[left_out:]
    whole = start + "".join(rest)
    if len(whole) <= letters:
        return whole
    if left_out:
        for kept in range(len(rest) - 1, 0, -1):
            text = f"{start}{''.join(rest[:kept]).rstrip('-_. /')}…"
            if len(text) <= letters:
                return text
    return shorten(whole, letters)


def _count_shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two names have in common at their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
