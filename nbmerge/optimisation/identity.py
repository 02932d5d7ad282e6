"""What a study belongs to, as plain data that can be compared with that of another search."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from nbmerge.optimisation.samplers import Sampler
from nbmerge.optimisation.space import Space
from nbmerge.recipe import Recipe


def identify(
    recipe: Recipe,
    space: Space,
    scores: Mapping[str, Any],
    held_out: Mapping[str, Any],
    sampler: Sampler,
    prune: bool,
) -> dict[str, Any]:
    """Everything that the trials of a search follow from, by the words in which an error names it.

    Scores of texts are compared by their texts. Of a function only the name is known.
    """
    return {
        "recipe": recipe.fingerprint,
        "space": _digest(space.plain()),
        "scores": {name: _describe(score) for name, score in scores.items()},
        "held_out": {name: _describe(score) for name, score in held_out.items()},
        "goal": _digest(sampler.goal.plain()),
        "sampler": [sampler.name, sampler.levels] if sampler.name == "grid" else sampler.name,
        "seed": sampler.seed,
        "parallel": sampler.parallel,
        "prune": prune,
    }


def _describe(score: Any) -> str:
    kind = score if hasattr(score, "__qualname__") else type(score)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if dataclasses.is_dataclass(score) and not isinstance(score, type):
        return f"{name} {_digest({f.name: getattr(score, f.name) for f in dataclasses.fields(score)})}"
    return name


def _digest(data: Any) -> str:
    return hashlib.sha256(repr(data).encode()).hexdigest()[:32]
