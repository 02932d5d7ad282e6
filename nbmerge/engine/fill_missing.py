"""A part of a model put into the whole: what it lacks is taken from another model, streamed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.engine.merge import MergeResult, merge
from nbmerge.engine.output.shards import MAX_SHARD
from nbmerge.recipe import ModelRef, Recipe

if TYPE_CHECKING:
    from nbmerge.typing import ModelLike, ProgressLike, StopSignal


def fill_recipe(model: ModelLike, source: ModelLike, prefix: str | None = None, **fields: Any) -> Recipe:
    """The recipe of a model that is filled in from another: one unchanged model, and `fill_from`."""
    data = {"merge_method": "passthrough", "models": [{"model": ModelRef.of(model)}]}
    return Recipe.of({**data, "fill_from": ModelRef.of(source), "fill_prefix": prefix, **fields})


def fill_missing(
    model: ModelLike,
    source: ModelLike,
    out: str | Path,
    *,
    prefix: str | None = None,
    dtype: str | None = None,
    max_shard_size: int | str = MAX_SHARD,
    overwrite: bool = False,
    threads: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    allow_nonfinite: bool = False,
    executor: Any = None,
    device: str | None = None,
) -> MergeResult:
    """Complete a part of a model: tensors that it does not have, such as a vision tower, are copied from `source`.

    Everything else, config and tokenizer included, is from `source`. To do this with the result of a merge at once, set
    `fill_from` in its recipe.

    Parameters
    ----------
    model : path, Hub id or ModelRef
        A part of the larger model, such as its language model, or weights files of both.
    source : path, Hub id or ModelRef
        A complete model.
    out : path
        Folder to create; for weights files, also a file.
    prefix : str, optional
        Prefix of the names of `model` in `source`, such as ``"language_model"``; by default it is found by names and
        shapes.
    dtype : str, optional
        dtype of the result; by default each tensor keeps its own.
    max_shard_size, overwrite, threads, progress, cancel, allow_nonfinite, executor, device
        As in `nbmerge.merge`.

    Raises
    ------
    RecipeError
        When a tensor of `model` has no place in `source`, or another shape, before anything is written.
    OutputError, MergeStopped, MergeError
        As in `nbmerge.merge`.

    Examples
    --------
    >>> import tempfile
    >>> import nbmerge as nbm
    >>> part, whole = nbm.demo.family().experts["shouter"], nbm.demo.family().base
    >>> filled = nbm.fill_missing(part, whole, f"{tempfile.mkdtemp()}/filled", progress=False)
    >>> nbm.verify(filled.path, progress=False).ok
    True
    """
    return merge(
        fill_recipe(model, source, prefix, dtype=dtype), out, max_shard_size=max_shard_size, overwrite=overwrite,
        threads=threads, progress=progress, cancel=cancel, allow_nonfinite=allow_nonfinite, executor=executor, device=device,
    )  # fmt: skip
