"""How long a merge will take on this machine, measured with a sample of the same work on random numbers.

There is one sample of some million elements for each method and kind of input in the plan, and measurements of the disk. Of the
models, only a few pieces are read that are not in the system's cache.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Hashable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from nbmerge.engine.cost.reading import estimate_reading, estimate_slower_copying
from nbmerge.engine.cost.samples import describe_input, imitate
from nbmerge.engine.output.direct_io import WORTHWHILE
from nbmerge.engine.output.leftovers import scratch_folder
from nbmerge.engine.planning.plans import Plan, TensorPlan

SAMPLE = 1 << 24
"""Elements of a sample at most: tensors of models have about as many."""
FEW = 1 << 18
"""Elements of what is computed first and not timed: as many as a method needs to treat a tensor as a large one."""
ENOUGH = 0.3
"""Seconds that a measurement takes at least, unless it would write more than `MOST_WRITTEN`."""
MOST_WRITTEN = 1 << 29
"""Bytes."""
MOST_READ = 1 << 27
"""Bytes of different inputs: those of a model are not in the processor's cache, as those of a sample would be."""
START_AND_END = 0.05
"""Seconds that a merge takes before and after its tensors (measured; the least that it takes)."""
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
    loading = time.perf_counter() - began
    with scratch_folder(near) as folder:
        kinds = _group(plan.tensors)
        for kind in kinds.values():  # without what only the first block of a process takes, such as compiling loops
            loading += _measure_seconds(_write_samples(kind, FEW, folder)[:1], 1, folder, 1, direct)
        costs = {key: _Cost(kind, folder, threads, direct) for key, kind in kinds.items()}
        disk = 0.0 if direct else plan.bytes_written / _measure_disk(folder)
        reading = estimate_reading(plan.tensors)  # goes on while others compute
        samples = [sample for cost in costs.values() for sample in cost.samples]
        copying = 0.0 if reading else estimate_slower_copying(plan.tensors, samples) * plan.bytes_read / threads
    work = sum(costs[_describe(t)].seconds(t.count) for t in plan.tensors) + copying
    return START_AND_END + loading + max(work, reading) + disk + len(plan.tensors) * 1e-4


@dataclass
class _Kind:
    """Tensors of the same method, dtype of the result, and inputs that are read in the same way."""

    largest: TensorPlan
    count: int = 0
    """Elements of all."""


def _describe(tensor: TensorPlan) -> Hashable:
    """The properties that determine the speed of a tensor."""
    return tensor.method, tensor.dtype, tuple(map(describe_input, tensor.inputs))


def _group(tensors: Iterable[TensorPlan]) -> dict[Hashable, _Kind]:
    """The kinds of tensors."""
    kinds = dict[Hashable, _Kind]()
    for tensor in tensors:
        kind = kinds.setdefault(_describe(tensor), _Kind(tensor))
        kind.count += tensor.count
        if tensor.count > kind.largest.count:
            kind.largest = tensor
    return kinds


class _Cost:
    """What tensors of one kind cost: for each element, and for each tensor, in which some methods take a sample first."""

    def __init__(self, kind: _Kind, folder: Path, threads: int, direct: bool) -> None:
        self.samples = _write_samples(kind, SAMPLE, folder)
        self._element, self._tensor = 1 / _measure_rate(self.samples, folder, threads, direct), 0.0
        if kind.largest.count > FEW:
            small = 1 / _measure_rate(_write_samples(kind, FEW, folder), folder, threads, direct)
            self._tensor = max(0.0, (small - self._element) * FEW)

    def seconds(self, count: int) -> float:
        """For a tensor with so many elements, among others."""
        return count * self._element + min(1.0, count / FEW) * self._tensor


def _measure_rate(samples: Sequence[TensorPlan], folder: Path, threads: int, direct: bool) -> float:
    """Elements of tensors like these that all workers together compute and write per second."""
    seconds = _measure_seconds(samples, threads, folder, threads, direct)
    times = min(math.ceil(ENOUGH / seconds), MOST_WRITTEN // (threads * samples[0].nbytes))
    if times > 1:  # the first time was too short, and cold
        seconds = _measure_seconds(samples, times * threads, folder, threads, direct)
    return times * threads * samples[0].count / seconds


def _write_samples(kind: _Kind, most: int, folder: Path) -> list[TensorPlan]:
    """The largest tensor with random numbers, and at most so many of them, often enough that no cache holds all inputs."""
    shape, folder = _cut(kind.largest.shape, most), Path(tempfile.mkdtemp(dir=folder))
    sample = replace(kind.largest, shape=shape)
    read = sum(source.nbytes for source in kind.largest.inputs) * sample.count // max(1, kind.largest.count)
    copies = max(1, min(MOST_READ // max(1, read), kind.count // max(1, sample.count)))
    columns = [imitate(source, shape, folder, i, copies) for i, source in enumerate(kind.largest.inputs)]
    return [replace(sample, inputs=inputs) for inputs in zip(*columns, strict=True)]


def _measure_seconds(samples: Sequence[TensorPlan], count: int, folder: Path, threads: int, direct: bool) -> float:
    """How long it takes to compute so many tensors, samples in turns, and to write them."""
    from nbmerge.engine.compute.pool import run
    from nbmerge.engine.output.shards import ShardWriter

    tensors = [replace(samples[k % len(samples)], name=f"sample.{k}") for k in range(count)]
    out = Path(tempfile.mkdtemp(dir=folder))
    with closing(ShardWriter(out, tensors, {}, direct_from=0 if direct else None)) as writer:
        began = time.perf_counter()
        run(tensors, lambda tensor, blocks: writer.emit(tensor), threads=threads)
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
