"""How long a merge will take on this machine, measured by merging a small part of it.

The tensors of a plan are divided into pieces. Of each method and kind of input some pieces, spread over all models, are merged as
the merge itself will, by as many workers, from the models' own files (see `samples`), to a file on the same disk.
"""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.engine.cost.samples import Samples, describe_input
from nbmerge.engine.output.direct_io import WORTHWHILE
from nbmerge.engine.output.leftovers import scratch_folder
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import NbmergeError

if TYPE_CHECKING:
    import torch

    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.workspace import Emit

PIECE = 1 << 24
"""Elements of a piece at most. Most tensors of models have fewer and are not divided: a system reads files some megabytes ahead, which
a merge uses for its next tensor, so that inputs of many small pieces would be read twice."""
FEW = 1 << 18
"""Elements that each worker computes first: as many as a method needs to treat a tensor as a large one."""
ENOUGH, LEAST = 0.6, 0.1
"""Seconds that the measurements of all kinds together and of one take at least, if there are enough pieces of them."""
SLACK, GROWTH = 0.2, 32
"""Share of these seconds that may be missing, and how many times more elements a measurement has than the one before at most."""
MOST_WRITTEN = 1 << 29
"""Bytes that a measurement writes at most."""
START_AND_END = 0.05
"""Seconds that a merge takes before and after its tensors (measured; the least that it takes)."""
DISK_SAMPLE = 48_000_000
"""Bytes written to time the disk."""
GOLDEN = (5**0.5 - 1) / 2
"""Golden ratio: its multiples modulo 1 are spread evenly, however many there are."""


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
    with scratch_folder(near) as folder:
        try:
            return _Measurement(plan, threads, folder, Samples(folder)).estimate()
        except (OSError, NbmergeError):  # such as NaN, or a file that cannot be read: the merge will report it
            return _Measurement(plan, threads, folder, Samples(folder, own=False)).estimate()


@dataclass
class _Kind:
    """Tensors of the same method, dtype of the result, and inputs that are read in the same way."""

    tensors: list[TensorPlan] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Elements of all."""
        return sum(t.count for t in self.tensors)

    def pieces(self) -> Iterator[tuple[TensorPlan, slice]]:
        """Pieces of the tensors in an order in which the first few, however many, are spread over all."""
        pieces = [(tensor, rows) for tensor in self.tensors for rows in _divide(tensor, PIECE)]
        phase = random.random()  # another measurement finds others, since these are in the system's cache by then
        order = sorted(range(len(pieces)), key=lambda k: (phase + k * GOLDEN) % 1)
        return (pieces[k] for k in order)


def _group(tensors: Iterable[TensorPlan]) -> list[_Kind]:
    """The kinds of tensors that have elements."""
    kinds = dict[Hashable, _Kind]()
    for tensor in tensors:
        if tensor.count:
            key = tensor.method, tensor.dtype, tuple(map(describe_input, tensor.inputs))
            kinds.setdefault(key, _Kind()).tensors.append(tensor)
    return list(kinds.values())


def _divide(tensor: TensorPlan, most: int) -> Iterator[slice]:
    """Rows of about equally large pieces."""
    rows = tensor.shape[0] if tensor.shape else 1
    parts = min(rows, -(-tensor.count // most))
    edges = [rows * k // parts for k in range(parts + 1)]
    return map(slice, edges, edges[1:])


class _Measurement:
    """Measures the pieces of a plan.

    Parameters
    ----------
    plan : Plan
    threads : int
    folder : Path
        Where to write.
    samples : Samples
    """

    def __init__(self, plan: Plan, threads: int, folder: Path, samples: Samples) -> None:
        self._plan, self._threads, self._folder, self._samples = plan, threads, folder, samples
        self._direct = plan.bytes_written >= WORTHWHILE  # its bytes reach the disk as they are computed

    def estimate(self) -> float:
        """Seconds of the merge."""
        from nbmerge.engine.compute.loop_loading import load_loops

        plan, kinds = self._plan, _group(self._plan.tensors)
        began = time.perf_counter()
        load_loops(plan.tensors)  # as the merge will, if it is worth it
        loading = time.perf_counter() - began
        loading += sum(map(self._time_first_block, kinds))
        whole = sum(kind.count for kind in kinds)
        work = sum(kind.count * self._element(kind, max(LEAST, ENOUGH * kind.count / whole)) for kind in kinds)
        disk = 0.0 if self._direct else plan.bytes_written / _measure_disk(self._folder)
        return START_AND_END + loading + work + disk + len(plan.tensors) * 1e-4

    def _time_first_block(self, kind: _Kind) -> float:
        """Seconds of what only the first block of a process takes, such as compiling loops, and of that block."""
        largest = max(kind.tensors, key=lambda t: t.count)
        return self._time([self._samples.take(largest, next(iter(_divide(largest, FEW))))], 1)

    def _element(self, kind: _Kind, enough: float) -> float:
        """Seconds for each element, by all workers together."""
        pieces, batches = kind.pieces(), list[tuple[int, float]]()
        most = MOST_WRITTEN // item_bytes(kind.tensors[0].dtype)
        wanted = self._threads * FEW
        while batch := self._take(pieces, wanted):
            count = sum(piece.count for piece in batch)
            batches.append((count, self._time(batch, self._threads)))
            most -= count
            missing = enough - sum(seconds for _, seconds in batches)
            if missing <= SLACK * enough or most <= 0:
                break
            wanted = min(int(count * missing / batches[-1][1]), GROWTH * count, most)
        (first, _), *others = batches
        if sum(count for count, _ in others) > first:  # which is disturbed by what is done once
            batches = others
        return sum(seconds for _, seconds in batches) / sum(count for count, _ in batches)

    def _take(self, pieces: Iterator[tuple[TensorPlan, slice]], wanted: int) -> list[TensorPlan]:
        """Samples of about so many elements, at least one for each worker if there are as many."""
        batch, count = list[TensorPlan](), 0
        while (count < wanted or len(batch) < self._threads) and (piece := next(pieces, None)) is not None:
            batch.append(self._samples.take(*piece))
            count += batch[-1].count
        return batch

    def _time(self, samples: Sequence[TensorPlan], threads: int) -> float:
        """How long workers take to compute and write samples, on average: none waits for another in a long merge."""
        from nbmerge.engine.compute.pool import run
        from nbmerge.engine.output.shards import ShardWriter

        tensors = [replace(sample, name=f"sample.{k}") for k, sample in enumerate(samples)]
        out, ended = Path(tempfile.mkdtemp(dir=self._folder)), dict[int, float]()

        def sink(tensor: TensorPlan, blocks: Blocks) -> Emit:
            emit = writer.emit(tensor)

            def write(start: int, block: torch.Tensor) -> None:
                emit(start, block)
                ended[threading.get_ident()] = time.perf_counter()

            return write

        with closing(ShardWriter(out, tensors, {}, direct_from=0 if self._direct else None)) as writer:
            began = time.perf_counter()
            run(tensors, sink, threads=threads)
        return sum(end - began for end in ended.values()) / threads


def _measure_disk(folder: Path) -> float:
    """Bytes per second that reach the disk."""
    block = os.urandom(1 << 20) * 8
    with open(folder / "disk", "wb", buffering=0) as file:
        for _ in range(DISK_SAMPLE // len(block)):
            file.write(block)
        began = time.perf_counter()
        os.fsync(file.fileno())
        return DISK_SAMPLE / max(time.perf_counter() - began, 1e-6)
