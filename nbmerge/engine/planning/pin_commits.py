"""Pin the Hub models of a recipe to commits, so that plan, merge and model card refer to the same files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nbmerge.checkpoints import hub
from nbmerge.checkpoints.bare import is_weights_name
from nbmerge.errors import CheckpointError
from nbmerge.recipe import ModelRef, Recipe

WORDS = ("union", "base")
"""Sources of a tokenizer that are not models."""


def pin_commits(recipe: Recipe) -> Recipe:
    """The recipe with every branch or tag of a Hub model replaced by its commit, including those of adapters.

    Local folders, and models that are not found, are left as they are.
    """
    merges = set(_names_of_merges(recipe))
    changed: dict[ModelRef, ModelRef] = {}

    def pin(ref: ModelRef) -> ModelRef:
        if ref.path in merges:
            return ref
        if ref not in changed:
            lora = tuple(str(pin(ModelRef.of(x))) for x in ref.lora)
            changed[ref] = ModelRef(ref.path, _find_commit(ref) or ref.revision, lora)
        return changed[ref]

    pinned = recipe.with_references(pin)
    return pinned if any(old != new for old, new in changed.items()) else recipe


def _names_of_merges(recipe: Recipe) -> Iterator[str | None]:
    """Names of the merges that feed a recipe, directly or not."""
    for merge in recipe.merges:
        yield merge.name
        yield from _names_of_merges(merge)


def _find_commit(ref: ModelRef) -> str | None:
    """Commit of a Hub model or of a file there; None for a folder or a file on disk, and for what is not found."""
    try:
        if Path(ref.path).expanduser().exists():
            return None
        if not is_weights_name(ref.path):
            return hub.find(ref).name
        snapshot = hub.snapshot_of(hub.find_file(ref).parent) if hub.is_file_on_hub(ref.path) else None
        return snapshot.commit if snapshot is not None else None
    except (CheckpointError, OSError, RuntimeError, ValueError):  # opening the model reports it in full
        return None
