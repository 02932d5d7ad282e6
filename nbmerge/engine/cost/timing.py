"""How long a merge will take on this machine, measured with a sample of the same work on random numbers.

There is one sample of a few million elements for each method and kind of input in the plan, and measurements of the disk. Of the
models, only a few pieces are read that are not in the system's cache.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Hashable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from nbmerge.engine.cost.reading import estimate_reading
from nbmerge.engine.cost.samples import describe_input, imitate
from nbmerge.engine.output.direct_io import WORTHWHILE
from nbmerge.engine.output.leftovers import scratch_folder
from nbmerge.engine.planning.plans import Plan, TensorPlan

SAMPLE = 1 << 22
"""Elements of a sample, for each worker."""
FEW = 1 << 18
"""Elements of what is computed first and not timed: as many as a method needs to treat a tensor as a large one."""
ENOUGH = 0.3
"""Seconds that a measurement takes at least, unless it would write more than `MOST_WRITTEN`."""
MOST_WRITTEN = 1 << 29
"""Bytes."""
DISK_SAMPLE = 48_000_000
"""Bytes written to time the disk."""


def estimate_seconds(plan: Plan, threads: int, near: Path | None = None) -> float:
    """Estimate how long `merge` will take, in a second or two.

    Parameters
    ----------
    plan : Plan
    threads : int
        Number of workers.
    near : Path, optional
        Existing folder on the output disk; default the folder for temporary files.
    """
    from nbmerge.engine.compute.loop_loading import load_loops

    direct = plan.bytes_written >= WORTHWHILE  # its bytes reach the disk as they are computed
    began = time.perf_counter()
    load_loops(plan.tensors)  # as the merge will, if it is worth it
    with scratch_folder(near) as folder:
        kinds = _largest(plan.tensors)
        for tensor in kinds.values():  # without what only the first block of a process takes, such as compiling loops
            _measure_seconds(_sample(tensor, FEW, folder), 1, folder, 1, direct)
        loading = time.perf_counter() - began
        costs = {key: _Cost(tensor, folder, threads, direct) for key, tensor in kinds.items()}
        disk = 0.0 if direct else plan.bytes_written / _measure_disk(folder)
    work = sum(costs[_kind(t)].seconds(t.count) for t in plan.tensors)
    reading = estimate_reading(plan.tensors)  # goes on while others compute
    return loading + max(work, reading) + disk + len(plan.tensors) * 1e-4


Kind = tuple[str, str, tuple[Hashable, ...]]
"""Method, dtype of the result, and how the inputs are read."""


def _kind(tensor: TensorPlan) -> Kind:
    """The properties that determine the speed of a tensor."""
    return tensor.method, tensor.dtype, tuple(map(describe_input, tensor.inputs))


def _largest(tensors: Iterable[TensorPlan]) -> dict[Kind, TensorPlan]:
    """The largest tensor of each kind."""
    largest: dict[Kind, TensorPlan] = {}
    for tensor in tensors:
        known = largest.get(_kind(tensor))
        if known is None or tensor.count > known.count:
            largest[_kind(tensor)] = tensor
    return largest


class _Cost:
    """What tensors of one kind cost: for each element, and for each tensor, in which some methods take a sample first."""

    def __init__(self, tensor: TensorPlan, folder: Path, threads: int, direct: bool) -> None:
        self._element, self._tensor = 1 / _measure_rate(tensor, folder, threads, direct), 0.0
        if tensor.count > FEW:
            small = 1 / _measure_rate(tensor, folder, threads, direct, FEW)
            self._tensor = max(0.0, (small - self._element) * FEW)

    def seconds(self, count: int) -> float:
        """For a tensor with so many elements, among others."""
        return count * self._element + min(1.0, count / FEW) * self._tensor


def _measure_rate(tensor: TensorPlan, folder: Path, threads: int, direct: bool, most: int = SAMPLE) -> float:
    """Elements of tensors like this one, but with at most so many, that all workers together compute and write per second."""
    sample = _sample(tensor, most, folder)
    seconds = _measure_seconds(sample, threads, folder, threads, direct)
    times = min(math.ceil(ENOUGH / seconds), MOST_WRITTEN // (threads * sample.nbytes))
    if times > 1:  # the first time was too short, and cold
        seconds = _measure_seconds(sample, times * threads, folder, threads, direct)
    return times * threads * sample.count / seconds


def _sample(tensor: TensorPlan, most: int, folder: Path) -> TensorPlan:
    """The same tensor of random numbers, and with at most so many of them."""
    shape = _cut(tensor.shape, most)
    return replace(
        tensor, shape=shape, inputs=tuple(imitate(source, shape, folder, i) for i, source in enumerate(tensor.inputs))
    )


def _measure_seconds(sample: TensorPlan, count: int, folder: Path, threads: int, direct: bool) -> float:
    """How long it takes to compute a tensor a number of times, and to write it."""
    from nbmerge.engine.compute.pool import run
    from nbmerge.engine.output.shards import ShardWriter

    samples = [replace(sample, name=f"sample.{k}") for k in range(count)]
    out = Path(tempfile.mkdtemp(dir=folder))
    with closing(ShardWriter(out, samples, {}, direct_from=0 if direct else None)) as writer:
        began = time.perf_counter()
        run(samples, lambda tensor, blocks: writer.emit(tensor), threads=threads)
        return time.perf_counter() - began


def _cut(shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """The shape with fewer rows, so that it has at most so many elements."""
    if not shape:
        return shape
    row = 1
    for size in shape[1:]:
        row *= size
    return (max(1, min(shape[0], most // max(row, 1))), *shape[1:])


def _measure_disk(folder: Path) -> float:
    """Bytes per second that reach the disk."""
    block = os.urandom(1 << 20) * 8
    with open(folder / "disk", "wb", buffering=0) as file:
        for _ in range(DISK_SAMPLE // len(block)):
            file.write(block)
        began = time.perf_counter()
        os.fsync(file.fileno())
        return DISK_SAMPLE / max(time.perf_counter() - began, 1e-6)
