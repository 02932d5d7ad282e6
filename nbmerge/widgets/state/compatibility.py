"""Whether two models can be merged, judged by their headers alone."""

from __future__ import annotations

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.layout import is_derived


def find_incompatibility(base: Checkpoint, other: Checkpoint) -> str | None:
    """The first reason why two models cannot be merged as a whole, None when they fit.

    Parameters
    ----------
    base, other : Checkpoint
        The reference, and the model that is judged; the reason is about `other`.
    """
    if base.layout.stack != other.layout.stack:
        return f"it is {other.architecture}, {base.name} is {base.architecture}; their tensors have different names"
    if base.depth != other.depth:
        return f"it has {other.depth} layers, {base.name} has {base.depth}; only slices of equal length can be merged"
    if base.vocabulary != other.vocabulary:
        sizes = f"it has {other.vocabulary} tokens, {base.name} has {base.vocabulary}"
        return f"{sizes}; choose a vocabulary in the Tokens panel"
    return _tensors(base, other)


def _tensors(base: Checkpoint, other: Checkpoint) -> str | None:
    ours, theirs = (_merged(c) for c in (base, other))
    if missing := [n for n in ours if n not in theirs]:
        return f"it does not have {_some(missing)} of {base.name}"
    if extra := [n for n in theirs if n not in ours]:
        return f"it has {_some(extra)}, which {base.name} does not have"
    for name, shape in ours.items():
        if shape != theirs[name]:
            sizes = ("×".join(map(str, s)) for s in (theirs[name], shape))
            return f"{name} has shape {next(sizes)}, in {base.name} {next(sizes)}"
    return None


def _merged(checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that merging concerns. A tied model's missing head is its embedding."""
    heads = set(checkpoint.layout.outside("head"))
    return {n: t.shape for n, t in checkpoint.tensors.items() if not is_derived(n) and n not in heads}


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"
