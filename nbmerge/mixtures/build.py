"""Build a mixture of experts from dense models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import hub
from nbmerge.engine.merge import MergeResult, merge
from nbmerge.engine.output import MAX_SHARD
from nbmerge.engine.planning import Plan
from nbmerge.engine.planning import plan as make_plan
from nbmerge.mixtures.form import require_experts
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal


@hub.stopping
def moe(
    recipe: RecipeLike,
    out: str | Path,
    *,
    max_shard_size: int | str = MAX_SHARD,
    overwrite: bool = False,
    threads: int | None = None,
    progress: ProgressLike = None,
    cancel: StopSignal | None = None,
    allow_nonfinite: bool = False,
    executor: Any = None,
    device: str | None = None,
) -> MergeResult:
    """Build a mixture of experts: the MLPs of several models side by side in each layer, and a router that chooses among them.

    Attention, norms, embeddings, head and tokenizer are from the base model. Routers are made from prompts for each expert, or of
    random numbers. Tensors are copied as they are read, and the base model is evaluated one layer at a time. The folder has the
    names of tensors that transformers' own mixtures have on the Hub.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
        With `experts`, such as a file for mergekit-moe.
    out : path
        Folder to create.
    max_shard_size, overwrite, threads, progress, cancel, allow_nonfinite, executor, device
        As in `nbmerge.merge`.

    Raises
    ------
    RecipeError
        With all problems, before anything is written; also for a recipe without experts.
    OutputError, MergeStopped, MergeError
        As in `nbmerge.merge`. A mixture that was stopped resumes.

    Examples
    --------
    >>> import tempfile
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> recipe = {
    ...     "base_model": family.base,
    ...     "experts": [
    ...         {"source_model": family.experts["shouter"], "positive_prompts": ["upper: "]},
    ...         {"source_model": family.experts["reverser"], "positive_prompts": ["reverse: "]},
    ...     ],
    ... }
    >>> result = nbm.moe(recipe, f"{tempfile.mkdtemp()}/mixture", progress=False)
    >>> result.plan.config["model_type"]
    'mixtral'
    """
    plan = recipe if isinstance(recipe, Plan) else make_plan(require_experts(Recipe.load(recipe)))
    require_experts(plan.recipe)
    return merge(
        plan, out, max_shard_size=max_shard_size, overwrite=overwrite, threads=threads, progress=progress, cancel=cancel,
        allow_nonfinite=allow_nonfinite, executor=executor, device=device,
    )  # fmt: skip
