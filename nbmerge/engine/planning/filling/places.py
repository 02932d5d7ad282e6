"""Where the tensors of a part belong in a larger model, by name and shape.

A language model inside a model with vision has the same tensors under other names: ``model.layers`` is
``language_model.model.layers`` in one release and ``model.language_model.layers`` in another. So the beginning of a name is replaced:
nothing or its first component is taken away, and a prefix is put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

Shapes = Mapping[str, tuple[int, ...]]
Renaming = tuple[str, str]
"""What is taken away from the beginning of a name, and what is put there; both are empty or end with a dot."""
SAMPLES = 8
"""Names of the part by which prefixes are looked for."""


def find_places(part: Shapes, whole: Shapes, prefix: str | None = None) -> dict[str, str]:
    """The name in the whole for every tensor of the part that has one.

    Parameters
    ----------
    part, whole : mapping of str to tuple of int
        Shapes by name.
    prefix : str, optional
        What the names of the part begin with in the whole; default the prefix with which the most tensors have a place of their
        shape, the shortest of several.
    """
    candidates = dict.fromkeys([*([("", "")] if prefix is None else ()), *_candidates(list(part), list(whole), prefix)])
    best = max(candidates, key=lambda r: (_fitting(part, whole, r), -len(r[1]), -len(r[0])), default=("", ""))
    places: dict[str, str] = {}
    taken: set[str] = set()
    for name in part:
        # What lies outside the renamed part often has the same name in both: a head, for instance.
        for place in (_rename(name, best), name, best[1] + name):
            if place is not None and place in whole and place not in taken:
                places[name] = place
                taken.add(place)
                break
    return places


def _candidates(part: Sequence[str], whole: Sequence[str], prefix: str | None) -> Iterator[Renaming]:
    """Renamings that give at least one of a few names of the part a place."""
    step = max(1, len(part) // SAMPLES)
    for name in part[::step]:
        first, dot, _ = name.partition(".")
        for cut in ("", f"{first}." if dot else ""):
            rest = name[len(cut) :]
            if prefix is not None:
                yield cut, f"{prefix.strip('.')}." if prefix.strip(".") else ""
                continue
            yield from ((cut, other[: -len(rest)]) for other in whole if other.endswith(f".{rest}"))


def _fitting(part: Shapes, whole: Shapes, renaming: Renaming) -> int:
    """Number of tensors that a renaming gives a place of their shape."""
    return sum(whole.get(_rename(name, renaming) or "") == shape for name, shape in part.items())


def _rename(name: str, renaming: Renaming) -> str | None:
    cut, put = renaming
    return put + name[len(cut) :] if name.startswith(cut) else None
