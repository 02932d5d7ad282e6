"""The tensors of a merge in memory, all of them or some, without a model around them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nbmerge.checkpoints import hub
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.errors import ArgumentError
from nbmerge.problems import nearest
from nbmerge.progress_bars import show_progress

if TYPE_CHECKING:
    import torch

    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.workspace import Emit
    from nbmerge.engine.planning.plans import TensorPlan
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@hub.stopping
def compute_tensors(
    recipe: RecipeLike,
    names: Iterable[str] | None = None,
    *,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
) -> dict[str, torch.Tensor]:
    """Merge tensors in memory: the same bytes that `merge` writes, as a dict.

    This also works for bare weights, from which no model can be built, and for a few tensors of a large model.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    names : iterable of str, optional
        Names of the tensors, as in `Plan.values`; default all of them.
    progress, cancel, threads, allow_nonfinite
        As in `nbmerge.merge`.

    Returns
    -------
    dict of str to torch.Tensor
        In the order of the names, or of the plan.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    ArgumentError
        When the merge has no tensor of a name.
    TooLargeError
        When the tensors do not fit into memory.
    MergeStopped, MergeError
        As in `nbmerge.merge`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> tensors = nbm.compute_tensors(nbm.demo.recipe(), ["model.norm.weight"], progress=False)
    >>> {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    {'model.norm.weight': (96,)}
    """
    import torch

    from nbmerge.engine.compute.pool import run
    from nbmerge.engine.cost.requirements import require_memory

    plan = make_plan(recipe)
    known = {t.name: t for t in plan.tensors}
    wanted = list(known) if names is None else list(dict.fromkeys(names))
    if unknown := next((name for name in wanted if name not in known), None):
        raise ArgumentError(f"the merge has no tensor '{unknown:.120}'. {nearest(unknown, known)}")
    chosen = [known[name] for name in wanted]
    require_memory(
        sum(t.nbytes for t in chosen), "Merging these tensors in memory", "Merge to disk instead (nbmerge.merge)."
    )
    made = {t.name: torch.empty(t.count, dtype=getattr(torch, t.dtype)) for t in chosen}

    def sink(tensor: TensorPlan, blocks: Blocks) -> Emit:
        def store(start: int, block: torch.Tensor) -> None:
            made[tensor.name][start : start + block.numel()] = block.reshape(-1)

        return store

    with show_progress(progress, "Merging in memory") as listener:
        run(chosen, sink, progress=listener, cancel=cancel, threads=threads, allow_nonfinite=allow_nonfinite)
    return {t.name: made[t.name].view(t.shape) for t in chosen}
