"""Whether models can be merged with each other, judged by their headers alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints.layout import is_derived

Key = TypeVar("Key", bound=Hashable)


def find_misfits(checkpoints: Mapping[Key, Checkpoint], *, vocabulary: bool = True) -> dict[Key, str]:
    """The models that do not fit the others, with the reason.

    The others are the largest group of models that fit each other; of groups of equal size, that of the first model.

    Parameters
    ----------
    checkpoints : mapping of key to Checkpoint
        The base model first, where there is one.
    vocabulary : bool
        Whether models whose vocabularies differ in size are misfits; a recipe may say how to treat them.
    """
    reasons = {
        key: {k: _find(own, c, vocabulary) for k, c in checkpoints.items() if k != key}
        for key, own in checkpoints.items()
    }
    if not reasons:
        return {}
    reference = min(reasons, key=lambda key: sum(reason is not None for reason in reasons[key].values()))
    return {key: reason for key, reason in reasons[reference].items() if reason is not None}


def find_incompatibility(base: Checkpoint, other: Checkpoint) -> str | None:
    """The first reason why two models cannot be merged as a whole, None when they fit.

    Parameters
    ----------
    base, other : Checkpoint
        The reference, and the model that is judged; the reason is about `other`.
    """
    return _find(base, other, vocabulary=True)


def _find(base: Checkpoint, other: Checkpoint, vocabulary: bool) -> str | None:
    if base.layout.stack != other.layout.stack:
        return f"it is {other.architecture}, {base.name} is {base.architecture}; their tensors have different names"
    if base.depth != other.depth:
        return f"it has {other.depth} layers, {base.name} has {base.depth}; only slices of equal length can be merged"
    if _width(base) != _width(other):
        return f"it is {_width(other)} wide, {base.name} is {_width(base)}; only tensors of equal shape can be merged"
    if vocabulary and base.vocabulary != other.vocabulary:
        sizes = f"it has {other.vocabulary} tokens, {base.name} has {base.vocabulary}"
        return f"{sizes}; choose a vocabulary for the result"
    return _compare_tensors(base, other, vocabulary)


def _width(checkpoint: Checkpoint) -> int | None:
    """Columns of the token embedding: the size of a model's hidden states."""
    name = checkpoint.token_embedding
    return None if name is None else checkpoint.tensors[name].shape[1]


def _compare_tensors(base: Checkpoint, other: Checkpoint, vocabulary: bool) -> str | None:
    ours, theirs = (_list_shapes(c, vocabulary) for c in (base, other))
    if missing := [n for n in ours if n not in theirs]:
        return f"it does not have {_name_some(missing)} of {base.name}"
    if extra := [n for n in theirs if n not in ours]:
        return f"it has {_name_some(extra)}, which {base.name} does not have"
    for name, shape in ours.items():
        if shape != theirs[name]:
            sizes = ("×".join(map(str, s)) for s in (theirs[name], shape))
            return f"{name} has shape {next(sizes)}, in {base.name} {next(sizes)}"
    return None


def _list_shapes(checkpoint: Checkpoint, vocabulary: bool) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that merging concerns. A tied model's missing head is its embedding."""
    heads = set(checkpoint.layout.outside("head"))
    aside = heads if vocabulary else heads | {checkpoint.token_embedding}
    return {n: t.shape for n, t in checkpoint.tensors.items() if not is_derived(n) and n not in aside}


def _name_some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more tensors"
