"""A recipe whose Hub models are at a commit: what is planned, merged and written down is then one thing for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nbmerge.checkpoints import hub
from nbmerge.errors import CheckpointError
from nbmerge.recipe import ModelRef, Recipe

WORDS = ("union", "base")
"""Sources of a tokenizer that are no model."""


def pinned(recipe: Recipe) -> Recipe:
    """The recipe with a commit in the place of every branch or tag of a Hub model, adapters included.

    Local folders, and what cannot be found, are left as they are.
    """
    merges = set(_merges(recipe))
    changed: dict[ModelRef, ModelRef] = {}

    def pin(ref: ModelRef) -> ModelRef:
        if ref.path in merges:
            return ref
        if ref not in changed:
            lora = tuple(str(pin(ModelRef.of(x))) for x in ref.lora)
            changed[ref] = ModelRef(ref.path, _commit(ref) or ref.revision, lora)
        return changed[ref]

    made = recipe.with_references(pin)
    return made if any(old != new for old, new in changed.items()) else recipe


def _merges(recipe: Recipe) -> Iterator[str]:
    for merge in recipe.merges:
        yield merge.name
        yield from _merges(merge)


def _commit(ref: ModelRef) -> str | None:
    """Commit of a Hub model; None for a folder, and for what cannot be found."""
    try:
        if Path(ref.path).expanduser().exists():
            return None
        return hub.find(ref).name
    except (CheckpointError, OSError, RuntimeError, ValueError):  # said in full when it is opened
        return None
