"""Inputs of random numbers that are read in the same way as those of a plan: stored tensors, adapters, float8."""

from __future__ import annotations

from collections.abc import Hashable
from math import prod
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, LowRank
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.checkpoints.scaled_tensor import Scaled

Shape = tuple[int, ...]


def describe_input(source: Any) -> Hashable:
    """What determines how long reading an input takes for each of its elements."""
    if isinstance(source, Adapted):
        steps = tuple((s.rank, s.transposed, s.magnitude is None, s.columns) for s in _low_rank(source))
        return "adapted", describe_input(source.base), steps
    if isinstance(source, Scaled):
        return "scaled", source.block, source.scale is None
    return source.dtype


def imitate(source: Any, shape: Shape, folder: Path, seed: int) -> Any:
    """Write random numbers of a shape in place of an input; other computed inputs become stored tensors of the same dtype.

    Parameters
    ----------
    source : TensorInput
    shape : tuple of int
        The input's, or with fewer rows.
    folder : Path
    seed : int
        Inputs of different seeds differ slightly, as fine-tunes do.
    """
    path = folder / f"input-{seed}"
    if isinstance(source, Adapted) and len(shape) == 2:
        steps = tuple(_imitate_product(s, shape, path) for s in _low_rank(source))
        return Adapted("sample", imitate(source.base, shape, folder, seed), steps)
    if isinstance(source, Scaled) and len(shape) == 2:
        blocks = tuple(-(-size // block) for size, block in zip(shape, source.block, strict=True))
        scale = None if source.scale is None else _write(path.with_suffix(".scale"), source.scale.dtype, blocks, 0)
        stored = _write(path, source.stored.dtype, shape, seed)
        return Scaled(stored, scale, source.block if blocks != (1, 1) else shape, source.output_dtype)
    return _write(path, source.dtype, shape, seed)


def _low_rank(source: Adapted) -> list[LowRank]:
    """The steps that take time."""
    return [step for step in source.steps if isinstance(step, LowRank)]


def _imitate_product(step: LowRank, shape: Shape, path: Path) -> LowRank:
    outputs, inputs = shape[::-1] if step.transposed else shape
    rank = step.rank
    down = _write(path.with_suffix(".down"), step.down.dtype, (rank, inputs), 0)
    up = _write(path.with_suffix(".up"), step.up.dtype, (outputs, rank), 1)
    magnitude = step.magnitude and _write(path.with_suffix(".magnitude"), step.magnitude.dtype, (outputs,), 2)
    return LowRank(down, up, step.scale, step.transposed, magnitude)


def _write(path: Path, dtype: str, shape: Shape, seed: int) -> StoredTensor:
    import torch

    generator = torch.Generator().manual_seed(0)
    values = torch.randn(prod(shape), generator=generator)
    values += 0.05 * torch.randn(len(values), generator=generator.manual_seed(seed + 1))
    data = values.to(getattr(torch, dtype)).view(torch.uint8).numpy().tobytes()
    path.write_bytes(data if shape else bytes(item_bytes(dtype)))
    return StoredTensor("sample", dtype, shape, path, 0)
