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
PERIOD = (1 << 20) + 1
"""Numbers after which those of a sample repeat; no multiple of a row, so that rows differ."""


def describe_input(source: Any) -> Hashable:
    """What determines how long reading an input takes for each of its elements."""
    if isinstance(source, Adapted):
        steps = tuple((s.rank, s.transposed, s.magnitude is None, s.columns) for s in _low_rank(source))
        return "adapted", describe_input(source.base), steps
    if isinstance(source, Scaled):
        return "scaled", source.block, source.scale is None
    return source.dtype


def imitate(source: Any, shape: Shape, folder: Path, seed: int, copies: int = 1) -> list[Any]:
    """Write random numbers of a shape in place of an input; other computed inputs become stored tensors of the same dtype.

    Parameters
    ----------
    source : TensorInput
    shape : tuple of int
        The input's, or with fewer rows.
    folder : Path
    seed : int
        Inputs of different seeds differ slightly from that of seed 0, as fine-tunes do from their base.
    copies : int
        How many such inputs are needed, each at a place of its own, so that one is not in the processor's cache because
        another was read.
    """
    path = folder / f"input-{seed}"
    if isinstance(source, Adapted) and len(shape) == 2:
        steps = tuple(_imitate_product(s, shape, path) for s in _low_rank(source))
        return [Adapted("sample", base, steps) for base in imitate(source.base, shape, folder, seed, copies)]
    if isinstance(source, Scaled) and len(shape) == 2:
        blocks = tuple(-(-size // block) for size, block in zip(shape, source.block, strict=True))
        scale = None if source.scale is None else _write(path.with_suffix(".scale"), source.scale.dtype, blocks, 0)[0]
        block = source.block if blocks != (1, 1) else shape
        stored = _write(path, source.stored.dtype, shape, seed, copies)
        return [Scaled(own, scale, block, source.output_dtype) for own in stored]
    return _write(path, source.dtype, shape, seed, copies)


def _low_rank(source: Adapted) -> list[LowRank]:
    """The steps that take time."""
    return [step for step in source.steps if isinstance(step, LowRank)]


def _imitate_product(step: LowRank, shape: Shape, path: Path) -> LowRank:
    outputs, inputs = shape[::-1] if step.transposed else shape
    rank = step.rank
    (down,) = _write(path.with_suffix(".down"), step.down.dtype, (rank, inputs), 0)
    (up,) = _write(path.with_suffix(".up"), step.up.dtype, (outputs, rank), 1)
    magnitude = step.magnitude and _write(path.with_suffix(".magnitude"), step.magnitude.dtype, (outputs,), 2)[0]
    return LowRank(down, up, step.scale, step.transposed, magnitude)


def _write(path: Path, dtype: str, shape: Shape, seed: int, copies: int = 1) -> list[StoredTensor]:
    """Write tensors one behind the other, of numbers that repeat: to draw them takes longer than to write them."""
    nbytes, piece = prod(shape) * item_bytes(dtype), _draw(dtype, min(prod(shape), PERIOD), seed)
    with open(path, "wb") as file:
        for done in range(0, nbytes * copies, len(piece)):
            file.write(piece[: nbytes * copies - done])
    return [StoredTensor("sample", dtype, shape, path, k * nbytes) for k in range(copies)]


def _draw(dtype: str, count: int, seed: int) -> memoryview:
    """Random numbers of a dtype, as bytes."""
    import torch

    generator = torch.Generator().manual_seed(0)
    values = torch.randn(count, generator=generator)
    if seed:
        values += 0.05 * torch.randn(count, generator=generator.manual_seed(seed))
    return memoryview(values.to(getattr(torch, dtype)).view(torch.uint8).numpy().tobytes())
