"""Options that all of mergekit's programs share. They control how a merge is run, not what it is."""

from __future__ import annotations

from collections.abc import Iterable

from nbmerge.problems import Problem
from nbmerge.recipe.readers.command import FLAG, VALUE, Command, Options
from nbmerge.recipe.readers.recipe_text import note

SHARED = {
    "allow-crimes": FLAG, "unsafe-truncate-embeddings": FLAG, "trust-remote-code": FLAG, "transformers-cache": VALUE,
    "lora-merge-cache": VALUE, "lora-merge-dtype": VALUE, "random-seed": VALUE, "verbose": FLAG, "v": FLAG,
    "quiet": FLAG, "cuda": FLAG, "device": VALUE, "gpu": FLAG, "low-cpu-memory": FLAG, "lazy-unpickle": FLAG,
    "read-to-gpu": FLAG, "multi-gpu": FLAG, "num-threads": VALUE, "j": VALUE, "gpu-rich": FLAG, "async-write": FLAG,
    "write-threads": VALUE, "out-shard-size": VALUE, "copy-tokenizer": FLAG, "clone-tensors": FLAG,
    "write-model-card": FLAG, "safe-serialization": FLAG,
}  # fmt: skip
"""Only `random-seed` becomes part of the recipe."""


def note_unused_options(given: Options, names: Iterable[str], command: Command) -> list[Problem]:
    """A note for each option that was given and has no effect on a recipe."""
    there = [n for n in (*names, *SHARED) if n != "random-seed" and (n in given.flags or n in given.values)]
    what = "'{}' is ignored: it controls how mergekit runs and is not part of a recipe."
    return [note(what.format(f"-{n}" if len(n) == 1 else f"--{n}"), line=command.line) for n in there]
