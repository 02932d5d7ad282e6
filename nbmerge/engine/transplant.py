"""Give a model the tokenizer of another model without training: shared tokens keep their rows, others are approximated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbmerge.checkpoints import hub
from nbmerge.engine.merge import MergeResult, merge
from nbmerge.engine.output.shards import MAX_SHARD
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.tokens import RowCounts, count_rows
from nbmerge.errors import ArgumentError
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.typing import ModelLike, ProgressLike, StopSignal

WAYS = ("pieces", "pursuit")
"""The mean of the old tokens that spell the new one; or orthogonal matching pursuit over the tokens that both models have."""


@dataclass(frozen=True)
class Transplant:
    """Result of a transplant.

    Parameters
    ----------
    result : MergeResult
    rows : tuple of RowCounts
        For embedding and head: the number of rows that are exact, approximated, the mean of all rows, or zero.
    """

    result: MergeResult
    rows: tuple[RowCounts, ...]

    @property
    def path(self) -> Path:
        """The model folder."""
        return self.result.path

    def __str__(self) -> str:
        lines = [
            f"{f.tensor}: {f.own:,} exact, {f.others + f.mixed:,} approximated, {f.mean:,} the mean of all, {f.zero:,} zero"
            for f in self.rows
        ]
        return "\n".join(
            [f"{self.path}: {len(self.result.plan.tensors)} tensors in {self.result.seconds:.1f} s", *lines]
        )

    __repr__ = __str__


def transplant_recipe(model: ModelLike, donor: ModelLike, way: str = "pieces", **fields: Any) -> Recipe:
    """The recipe of a transplant: one unchanged model, with the tokenizer of another."""
    if way not in WAYS:
        raise ArgumentError(f"way must be one of {', '.join(WAYS)}, not {way!r}.")
    tokenizer = {"source": str(donor), "approximate": way}
    return Recipe.of(
        {"merge_method": "passthrough", "models": [{"model": str(model)}], "tokenizer": tokenizer, **fields}
    )


@hub.stopping
def transplant(
    model: ModelLike,
    donor: ModelLike,
    out: str | Path,
    *,
    way: str = "pieces",
    max_shard_size: int | str = MAX_SHARD,
    overwrite: bool = False,
    threads: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    allow_nonfinite: bool = False,
    executor: Any = None,
    device: str | None = None,
) -> Transplant:
    """Write a model with the tokenizer of another one.

    Parameters
    ----------
    model : path, Hub id or ModelRef
    donor : path, Hub id or ModelRef
        The model whose tokenizer the result has; its weights are read only by "pursuit".
    out : path
        Folder to create.
    way : "pieces" or "pursuit"
        How rows of tokens that the model does not have are approximated; see `WAYS`.
    max_shard_size, overwrite, threads, progress, cancel, allow_nonfinite, executor, device
        As in `nbmerge.merge`.

    Raises
    ------
    ArgumentError, RecipeError, OutputError
        Before anything is written.
    MergeStopped, MergeError
        As in `nbmerge.merge`.
    """
    plan = make_plan(transplant_recipe(model, donor, way))
    rows = tuple(count_rows(plan)) or tuple(
        RowCounts(t.name, t.models[0], int(np.prod(t.shape[:1])))
        for t in plan.tensors
        if t.kind in ("embedding", "head")
    )
    result = merge(
        plan,
        out,
        max_shard_size=max_shard_size,
        overwrite=overwrite,
        threads=threads,
        progress=progress,
        cancel=cancel,
        allow_nonfinite=allow_nonfinite,
        executor=executor,
        device=device,
    )
    return Transplant(result, rows)
