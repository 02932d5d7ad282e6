"""Whether a live merge fits into memory, before any is allocated, and what to do if it does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbmerge.arguments import parse_size_argument
from nbmerge.engine.compute.threads import parse_threads
from nbmerge.engine.cost.available_memory import available_memory
from nbmerge.engine.cost.merge_forecast import worker_bytes
from nbmerge.engine.planning.bare import require_model
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import TooLargeError
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike

RESERVE = 0.05
"""Share of the free memory that is left for other processes."""
_EXPERT = re.compile(r"\.experts\.\d+\.")


@dataclass(frozen=True)
class LiveForecast:
    """The memory that a live merge needs.

    Parameters
    ----------
    model_bytes : int
        Weights of the model; those of experts twice, because transformers stacks them while the model is built.
    pinned_bytes : int
        Maximum size of the weights of its pins: all of them, once every tensor has changed.
    buffer_bytes : int
        Buffers of the workers.
    mapped_bytes : int
        Memory-mapped files of the models, which the system's cache releases when memory is needed.
    available : int or None
        Free memory; None where the system does not report it.
    alternatives : tuple of str
        Suggestions that need less.
    """

    model_bytes: int
    pinned_bytes: int
    buffer_bytes: int
    mapped_bytes: int
    available: int | None
    alternatives: tuple[str, ...] = ()

    @property
    def needed(self) -> int:
        """Bytes that must be free, which excludes mapped files."""
        return self.model_bytes + self.pinned_bytes + self.buffer_bytes

    @property
    def fits(self) -> bool:
        """Whether it fits, as far as known."""
        return self.available is None or self.needed <= self.available * (1 - RESERVE)

    def __str__(self) -> str:
        parts = [f"{human(self.model_bytes)} for the model"]
        parts += [f"{human(self.pinned_bytes)} for pinned merges"] if self.pinned_bytes else []
        free = "" if self.available is None else f"; {human(self.available)} are free"
        return f"needs {human(self.needed)} of memory ({', '.join(parts)}){free}"


def forecast_live(
    recipe: RecipeLike, pinned: Iterable[Plan] = (), *, available: int | str | None = None, threads: int | None = None
) -> LiveForecast:
    """Forecast the memory that `nbmerge.live` will need.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    pinned : iterable of Plan or Pin
        Earlier merges that will be kept.
    available : int or str, optional
        Bytes that it may take, or a size such as ``"8GB"``; default what is free.
    threads : int, optional
        Number of workers.
    """
    plan = make_plan(recipe)
    require_model(plan, "A live merge")
    pins = [getattr(p, "plan", p) for p in pinned]
    model, kept = plan.bytes_written + _stacked_bytes(plan), sum(p.bytes_written for p in pins)
    buffers = parse_threads(threads) * max(map(worker_bytes, plan.tensors), default=0)
    mapped = sum(f.stat().st_size for f in plan.files if f.exists())
    available = available_memory() if available is None else parse_size_argument("available", available)
    ways = tuple(_alternatives(plan, pins))
    return LiveForecast(model, kept, buffers, mapped, available, ways)


def _stacked_bytes(plan: Plan) -> int:
    """Size of the experts of mixtures: transformers makes a tensor of all experts of a layer, and both are there meanwhile."""
    return sum(t.nbytes for t in plan.tensors if _EXPERT.search(t.name))


def check_fits(plan: Plan, *, available: int | str | None = None, threads: int | None = None) -> LiveForecast:
    """Refuse a merge that does not fit.

    Raises
    ------
    TooLargeError
        With suggestions; its `forecast` has the numbers.
    """
    forecast = forecast_live(plan, available=available, threads=threads)
    if not forecast.fits:
        error = TooLargeError(f"A live merge {forecast}. Instead: {'; '.join(forecast.alternatives)}.")
        error.forecast = forecast
        raise error
    return forecast


def _alternatives(plan: Plan, pins: list[Plan]) -> Iterable[str]:
    if pins:
        yield f"keep {'no pin' if len(pins) == 1 else 'fewer pins'} ({human(pins[0].bytes_written)} each at most)"
    wide = sum(t.count for t in plan.tensors if t.dtype in ("float32", "float64"))
    if wide:
        yield f"set dtype: bfloat16 in the recipe ({human(sum(2 * t.count for t in plan.tensors))})"
    if plan.virtual_obstacle is None:
        yield "use a virtual merge, which does not compute the weights (nbmerge.virtual)"
    yield "merge to disk, which needs little memory (nbmerge.merge)"
