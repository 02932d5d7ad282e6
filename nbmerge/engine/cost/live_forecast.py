"""Whether a merge fits into memory, before any of it is taken; and what would fit, where it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbmerge.arguments import parse_size_argument
from nbmerge.engine.compute.threads import parse_threads
from nbmerge.engine.cost.available_memory import available_memory
from nbmerge.engine.cost.merge_forecast import worker_bytes
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import TooLargeError
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike

RESERVE = 0.05
"""Share of what is free that is left to everybody else."""


@dataclass(frozen=True)
class LiveForecast:
    """What a live merge takes.

    Parameters
    ----------
    model_bytes : int
        Weights of the model.
    pinned_bytes : int
        Weights that pins may come to hold beside it: all of theirs, when every tensor is changed.
    buffer_bytes : int
        Blocks that workers compute in.
    mapped_bytes : int
        Parents' files, mapped: they are read through the system's cache, which gives them up when memory is needed.
    available : int or None
        Bytes that are free; None where the system does not say.
    alternatives : tuple of str
        What takes less.
    """

    model_bytes: int
    pinned_bytes: int
    buffer_bytes: int
    mapped_bytes: int
    available: int | None
    alternatives: tuple[str, ...] = ()

    @property
    def needed(self) -> int:
        """Bytes that must be free; mapped files need not."""
        return self.model_bytes + self.pinned_bytes + self.buffer_bytes

    @property
    def fits(self) -> bool:
        """Whether it fits, as far as anybody knows."""
        return self.available is None or self.needed <= self.available * (1 - RESERVE)

    def __str__(self) -> str:
        parts = [f"{human(self.model_bytes)} for the model"]
        parts += [f"{human(self.pinned_bytes)} for pinned merges"] if self.pinned_bytes else []
        free = "" if self.available is None else f"; {human(self.available)} are free"
        return f"needs {human(self.needed)} of memory ({', '.join(parts)}){free}"


def forecast_live(
    recipe: RecipeLike, pinned: Iterable[Plan] = (), *, available: int | str | None = None, threads: int | None = None
) -> LiveForecast:
    """What `nbmerge.live` will take of memory.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    pinned : iterable of Plan or Pin
        Merges that will be kept beside it.
    available : int or str, optional
        Bytes that it may take, or a size such as ``"8GB"``; default what is free.
    threads : int, optional
        Number of workers.
    """
    plan = make_plan(recipe)
    pins = [getattr(p, "plan", p) for p in pinned]
    model, kept = plan.bytes_written, sum(p.bytes_written for p in pins)
    buffers = parse_threads(threads) * max(map(worker_bytes, plan.tensors), default=0)
    files = {leaf.file for t in plan.tensors for leaf in t.leaves()}
    mapped = sum(f.stat().st_size for f in files if f.exists())
    available = available_memory() if available is None else parse_size_argument("available", available)
    ways = tuple(_alternatives(plan, pins, available))
    return LiveForecast(model, kept, buffers, mapped, available, ways)


def check_fits(plan: Plan, *, available: int | str | None = None, threads: int | None = None) -> LiveForecast:
    """Refuse a merge that does not fit.

    Raises
    ------
    TooLargeError
        With what would fit; its `forecast` has the numbers.
    """
    forecast = forecast_live(plan, available=available, threads=threads)
    if not forecast.fits:
        error = TooLargeError(f"A live merge {forecast}. Instead: {'; '.join(forecast.alternatives)}.")
        error.forecast = forecast
        raise error
    return forecast


def _alternatives(plan: Plan, pins: list[Plan], available: int | None) -> Iterable[str]:
    if pins:
        yield f"keep {'no merge' if len(pins) == 1 else 'fewer merges'} pinned ({human(pins[0].bytes_written)} each at most)"
    wide = sum(t.count for t in plan.tensors if t.dtype in ("float32", "float64"))
    if wide:
        yield f"set dtype: bfloat16 in the recipe ({human(sum(2 * t.count for t in plan.tensors))})"
    if plan.virtual_obstacle is None:
        yield "evaluate it from its parents' files without making it (nbmerge.virtual)"
    yield "merge it to disk (nbmerge.merge), which takes little memory"
