"""The cost of a merge, before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nbmerge.engine.compute.download import Download, list_downloads
from nbmerge.engine.compute.loop_loading import estimate_loop_bytes
from nbmerge.engine.compute.threads import parse_threads
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.sizes import human

PROCESS = 230_000_000
"""Resident memory of Python with torch imported, in bytes (measured, torch 2.13, Linux)."""
BLOCK = 1 << 18
"""Elements of a block, as in `nbmerge.engine.compute.blocks` (which needs torch to be imported)."""


@dataclass(frozen=True)
class Forecast:
    """Cost of a merge.

    Parameters
    ----------
    bytes_read, bytes_written : int
        Weights; inputs count twice where a method reads them twice.
    memory_bytes : int
        Peak memory of the process, including the interpreter and torch.
    downloads : tuple of Download
        What must be downloaded, by model.
    """

    bytes_read: int
    bytes_written: int
    memory_bytes: int
    _plan: Plan = field(repr=False, compare=False)
    _threads: int = field(repr=False, compare=False)
    _near: Path | None = field(repr=False, compare=False)
    downloads: tuple[Download, ...] = ()

    @property
    def bytes_downloaded(self) -> int:
        """Bytes to download from the Hub before the merge starts; `seconds` does not include them."""
        return sum(d.bytes for d in self.downloads)

    @cached_property
    def seconds(self) -> float:
        """Time of the merge, estimated by a measurement of this machine on first access (which takes a second or two)."""
        from nbmerge.engine.cost.timing import estimate_seconds

        return estimate_seconds(self._plan, self._threads, self._near)

    def __str__(self) -> str:
        read, written, memory = map(human, (self.bytes_read, self.bytes_written, self.memory_bytes))
        known = f", takes about {self.seconds:.1f} s" if "seconds" in self.__dict__ else ""
        first = f"downloads {', '.join(map(str, self.downloads))}, " if self.downloads else ""
        return f"{first}reads {read}, writes {written}, needs about {memory} of memory{known}"


def forecast(plan: Plan, threads: int | None = None, out: Path | None = None) -> Forecast:
    """Forecast the cost of a plan.

    Parameters
    ----------
    plan : Plan
    threads : int, optional
        Number of workers; default the number that a merge would use.
    out : Path, optional
        The output folder, to measure its disk.
    """
    threads = parse_threads(threads)
    near = next((p for p in out.parents if p.is_dir()), None) if out is not None else None
    memory = PROCESS + estimate_loop_bytes(plan.tensors) + threads * max(map(worker_bytes, plan.tensors), default=0)
    return Forecast(plan.bytes_read, plan.bytes_written, memory, plan, threads, near, list_downloads(plan.tensors))


def worker_bytes(tensor: TensorPlan) -> int:
    """Memory of one worker: the stored and working elements of each input, and the buffers of the method."""
    whole = getattr(tensor.how, "whole", "element")
    columns = tensor.shape[-1] if tensor.shape else 1
    block = {"element": BLOCK, "row": max(BLOCK, columns), "matrix": max(BLOCK, tensor.count)}[whole]
    computed = [i.held_bytes + 32 * block for i in tensor.inputs if hasattr(i, "held_bytes")]  # adapters, float8
    held = getattr(tensor.how, "held_bytes", None)
    looking = held(tensor.values, tensor.shape, len(tensor.inputs)) if held is not None else 0
    return block * (12 * len(tensor.inputs) + 24) + sum(computed) + looking
