"""Whether a model can be merged with another, from headers alone, in words."""

from __future__ import annotations

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.layout import is_derived


def find_incompatibility(base: Checkpoint, other: Checkpoint) -> str | None:
    """The first reason why two models cannot be merged as a whole, None when they fit.

    Parameters
    ----------
    base, other : Checkpoint
        What is compared with, and what is judged: the sentence speaks of `other`.
    """
    if base.layout.stack != other.layout.stack:
        return f"is {other.architecture} and {base.name} is {base.architecture}; their tensors have other names"
    if base.depth != other.depth:
        return f"has {other.depth} layers and {base.name} has {base.depth}; only slices of equal length fit"
    if base.vocabulary != other.vocabulary:
        sizes = f"has {other.vocabulary} tokens and {base.name} has {base.vocabulary}"
        return f"{sizes}; take embeddings and head from one model"
    return _tensors(base, other)


def _tensors(base: Checkpoint, other: Checkpoint) -> str | None:
    ours, theirs = (_merged(c) for c in (base, other))
    if lacking := [n for n in ours if n not in theirs]:
        return f"lacks {_some(lacking)} of {base.name}"
    if extra := [n for n in theirs if n not in ours]:
        return f"has {_some(extra)}, which {base.name} lacks"
    for name, shape in ours.items():
        if shape != theirs[name]:
            sizes = ("×".join(map(str, s)) for s in (theirs[name], shape))
            return f"has {next(sizes)} for {name} where {base.name} has {next(sizes)}"
    return None


def _merged(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that merging concerns. A tied model's missing head is its embedding."""
    heads = set(checkpoint.layout.outside("head"))
    return {n: t.shape for n, t in checkpoint.tensors.items() if not is_derived(n) and n not in heads}


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"
