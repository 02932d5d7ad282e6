"""How long a merge will take on this machine, measured with a sample of the same work on random numbers.

There is one sample of a few million elements for each method and kind of input in the plan, and a measurement of the disk. The
models are not read.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.engine.output.direct_io import WORTHWHILE
from nbmerge.engine.output.leftovers import scratch_folder
from nbmerge.engine.planning.plans import Plan, TensorPlan

SAMPLE = 1 << 22
"""Elements of a sample, for each worker."""
DISK_SAMPLE = 48_000_000
"""Bytes written to time the disk."""


def estimate_seconds(plan: Plan, threads: int, near: Path | None = None) -> float:
    """Estimate how long `merge` will take, in about a second.

    Parameters
    ----------
    plan : Plan
    threads : int
        Number of workers.
    near : Path, optional
        Existing folder on the output disk; default the folder for temporary files.
    """
    direct = plan.bytes_written >= WORTHWHILE  # its bytes reach the disk as they are computed
    with scratch_folder(near) as folder:
        rates = {key: _measure_rate(tensor, folder, threads, direct) for key, tensor in _largest(plan.tensors).items()}
        disk = 0.0 if direct else plan.bytes_written / _measure_disk(folder)
    work = sum(t.count / rates[_kind(t)] for t in plan.tensors)
    return work + disk + len(plan.tensors) * 1e-4


Kind = tuple[str, str, tuple[str, ...]]
"""Method, dtype of the result, and dtypes of the inputs."""


def _kind(tensor: TensorPlan) -> Kind:
    """The properties that determine the speed of a tensor."""
    return tensor.method, tensor.dtype, tuple(i.dtype for i in tensor.inputs)


def _largest(tensors: Iterable[TensorPlan]) -> dict[Kind, TensorPlan]:
    """The largest tensor of each kind."""
    largest: dict[Kind, TensorPlan] = {}
    for tensor in tensors:
        known = largest.get(_kind(tensor))
        if known is None or tensor.count > known.count:
            largest[_kind(tensor)] = tensor
    return largest


def _measure_rate(tensor: TensorPlan, folder: Path, threads: int, direct: bool) -> float:
    """Elements of one kind of tensor that all workers together compute and write per second."""
    from nbmerge.engine.compute.pool import run
    from nbmerge.engine.output.shards import ShardWriter

    shape = _cut(tensor.shape)
    inputs = tuple(
        _write_random(folder / f"input-{i}", source.dtype, shape, seed=i) for i, source in enumerate(tensor.inputs)
    )
    sample = [replace(tensor, name=f"sample.{k}", shape=shape, inputs=inputs) for k in range(threads)]
    out = Path(tempfile.mkdtemp(dir=folder))
    with closing(ShardWriter(out, sample, {}, direct_from=0 if direct else None)) as writer:
        began = time.perf_counter()
        run(sample, lambda tensor, blocks: writer.emit(tensor), threads=threads)
        return sum(t.count for t in sample) / (time.perf_counter() - began)


def _cut(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with fewer rows, so that it has at most `SAMPLE` elements."""
    if not shape:
        return shape
    row = 1
    for size in shape[1:]:
        row *= size
    return (max(1, min(shape[0], SAMPLE // max(row, 1))), *shape[1:])


def _write_random(path: Path, dtype: str, shape: tuple[int, ...], seed: int) -> StoredTensor:
    """Write a file of random weights; those of different seeds differ slightly, as fine-tunes do."""
    import torch

    kind = getattr(torch, dtype)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(shape, generator=generator)
    values += 0.05 * torch.randn(shape, generator=generator.manual_seed(seed + 1))
    path.write_bytes(
        values.to(kind).contiguous().view(torch.uint8).numpy().tobytes() if shape else bytes(item_bytes(dtype))
    )
    return StoredTensor("sample", dtype, shape, path, 0)


def _measure_disk(folder: Path) -> float:
    """Bytes per second that reach the disk."""
    block = os.urandom(1 << 20) * 8
    with open(folder / "disk", "wb", buffering=0) as file:
        for _ in range(DISK_SAMPLE // len(block)):
            file.write(block)
        began = time.perf_counter()
        os.fsync(file.fileno())
        return DISK_SAMPLE / max(time.perf_counter() - began, 1e-6)
