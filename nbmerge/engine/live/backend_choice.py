"""Which backend to sample after a change: the live merge once it is updated, or the virtual merge at once.

An update computes every tensor that changed, once. A virtual merge computes one more matrix product per additional parent for
each token. Both are estimated for this machine: updates from earlier ones, products from one that is timed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from nbmerge.engine.cost.live_forecast import forecast_live
from nbmerge.engine.live.live_merge import LiveMerge
from nbmerge.engine.live.workers import estimate_update_seconds
from nbmerge.engine.planning.bare import require_model
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import TooLargeError

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike

BUILD = 0.3
"""Seconds that transformers needs to build a model around weights and to load a tokenizer."""
TIMED = (4096, 4096)
"""Shape of the matrix of the timed product."""


@dataclass(frozen=True)
class BackendChoice:
    """The backend to sample, and why.

    Parameters
    ----------
    kind : "live" or "virtual"
    reason : str
        One sentence for the user.
    update_seconds : float
        Time to build or update the live model.
    extra_seconds : float
        How much longer the virtual merge takes than a live merge for this text.
    """

    kind: Literal["live", "virtual"]
    reason: str
    update_seconds: float
    extra_seconds: float


def choose_backend(
    recipe: RecipeLike,
    live: LiveMerge | None = None,
    *,
    prompt_tokens: int = 16,
    new_tokens: int = 1,
) -> BackendChoice:
    """Choose between a live model and a virtual merge for one text.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
        The merge to sample.
    live : LiveMerge, optional
        A live model that would be updated; without one, a new one would be built.
    prompt_tokens, new_tokens : int
        Tokens of the prompt, and generated tokens that count as the wait (1 for the first token).

    Raises
    ------
    TooLargeError
        When a live model does not fit into memory and the merge cannot be virtual either.
    """
    # Also for a live model between two recipes: this decides what to do next.
    plan = live.plan_for(recipe) if live is not None else make_plan(recipe)
    require_model(plan, "A live merge")
    changed = live.pending(plan) if live is not None else list(plan.tensors)
    update = sum(map(estimate_update_seconds, changed)) * (live.workers.pace if live is not None else 1.0) + (
        BUILD if live is None else 0.0
    )
    obstacle, extra = plan.virtual_obstacle, _extra(plan, prompt_tokens, new_tokens)
    if live is None and not (room := forecast_live(plan)).fits:
        if obstacle is not None:
            raise TooLargeError(f"A live merge {room}, and it cannot be virtual: {obstacle}")
        return BackendChoice("virtual", f"The virtual merge is used: a live merge {room}.", update, extra)
    if obstacle is not None:
        return BackendChoice("live", f"The live merge is used: {obstacle}", update, extra)
    many = f"{len(changed)} of {len(plan.tensors)} tensors changed"
    longer, times = _duration(extra), f"an update takes {_duration(update)}"
    if update > extra:
        reason = f"The virtual merge is used: {many}; {times}, the virtual merge {longer} longer."
        return BackendChoice("virtual", reason, update, extra)
    reason = f"The live merge is used: {many}; {times}, the virtual merge would take {longer} longer."
    return BackendChoice("live", reason, update, extra)


def _extra(plan: Plan, prompt_tokens: int, new_tokens: int) -> float:
    """Seconds that additional parents cost: their products, for the whole prompt and then for each token."""
    matrices = [t for t in plan.tensors if len(t.shape) > 1 and t.kind != "embedding"]
    more = sum(t.count * (len(t.inputs) - 1) for t in matrices)
    dtype = next((t.dtype for t in matrices), "float32")
    return more * (_product(dtype, prompt_tokens) + max(0, new_tokens - 1) * _product(dtype, 1))


@lru_cache(maxsize=64)
def _product(dtype: str, tokens: int) -> float:
    """Seconds per element of a matrix that is multiplied with some tokens."""
    kind = getattr(torch, dtype)
    x, w = torch.ones(tokens, TIMED[1], dtype=kind), torch.ones(TIMED, dtype=kind)
    times = []
    for _ in range(4):
        began = time.perf_counter()
        functional.linear(x, w)
        times.append(time.perf_counter() - began)
    return min(times) / w.numel()


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(1000 * seconds))} ms"
