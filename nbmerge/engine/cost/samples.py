"""Samples: a few rows of a tensor of a plan, from the models' own files where they are on this machine, else random numbers.

Rows of the models cost what a merge of them will cost: whether they are in the system's cache, wholly, in patches or not at all; in how
small pieces the cache holds them; how fast their disk is; and how often their values are equal. Random numbers are like those of
a model that was just downloaded.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, LowRank
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.checkpoints.scaled_tensor import Scaled
from nbmerge.engine.planning.plans import TensorPlan

Shape = tuple[int, ...]
PERIOD = (1 << 20) + 1
"""Numbers after which random ones repeat; no multiple of a row, so that rows differ."""
MOST_DRAWN = 1 << 26
"""Bytes of random numbers for each input, unless one sample needs more: models are not in the processor's cache, and neither
should samples be."""


def describe_input(source: Any) -> Hashable:
    """What determines how long reading an input takes for each of its elements."""
    if isinstance(source, TensorPlan):
        return source.method, tuple(map(describe_input, source.inputs))
    if isinstance(source, Adapted):
        steps = tuple((s.rank, s.transposed, s.magnitude is None, s.columns) for s in _low_rank(source))
        return "adapted", describe_input(source.base), steps
    if isinstance(source, Scaled):
        return "scaled", source.block, source.scale is None
    return source.dtype


class Samples:
    """Makes samples of tensors.

    Parameters
    ----------
    folder : Path
        Folder for random numbers.
    own : bool
        Whether to read the models' files.
    """

    def __init__(self, folder: Path, own: bool = True) -> None:
        self._folder, self._own = folder, own
        self._random: dict[tuple[str, int], _RandomNumbers] = {}

    def take(self, tensor: TensorPlan, rows: slice) -> TensorPlan:
        """The tensor with only some of its rows; one without rows is taken whole."""
        shape = (rows.stop - rows.start, *tensor.shape[1:]) if tensor.shape else ()
        inputs = tuple(self.take_input(source, shape, rows.start, k) for k, source in enumerate(tensor.inputs))
        return replace(tensor, shape=shape, inputs=inputs)

    def take_input(self, source: Any, shape: Shape, first: int = 0, number: int = 0) -> Any:
        """Rows of an input; computed inputs other than merges, adapters and float8 become stored tensors of their dtype.

        Parameters
        ----------
        source : TensorInput
        shape : tuple of int
            The input's, or with fewer rows.
        first : int
            The first row.
        number : int
            Random inputs of different numbers differ slightly from number 0, as fine-tunes do from their base.
        """
        if isinstance(source, TensorPlan):
            return self.take(source, slice(first, first + shape[0] if shape else 0))
        if isinstance(source, Adapted) and len(shape) == 2:
            steps = tuple(self._imitate_product(s, shape) for s in _low_rank(source))
            return Adapted("sample", self.take_input(source.base, shape, first, number), steps)
        if isinstance(source, Scaled) and len(shape) == 2:
            return self._scale(source, self.take_input(source.stored, shape, first, number))
        if self._own and isinstance(source, StoredTensor) and source.file.exists():
            row = source.nbytes // max(1, source.shape[0]) if shape else 0
            return replace(source, shape=shape, start=source.start + first * row)
        return self._draw(source.dtype, shape, number)

    def _scale(self, source: Scaled, stored: StoredTensor) -> Scaled:
        """Float8 numbers with random scales."""
        blocks = tuple(-(-size // block) for size, block in zip(stored.shape, source.block, strict=True))
        scale = None if source.scale is None else self._draw(source.scale.dtype, blocks)
        block = source.block if blocks != (1, 1) else (stored.shape[0], stored.shape[1])
        return Scaled(stored, scale, block, source.output_dtype)

    def _imitate_product(self, step: LowRank, shape: Shape) -> LowRank:
        outputs, inputs = shape[::-1] if step.transposed else shape
        down, up = self._draw(step.down.dtype, (step.rank, inputs)), self._draw(step.up.dtype, (outputs, step.rank))
        magnitude = step.magnitude and self._draw(step.magnitude.dtype, (outputs,))
        return LowRank(down, up, step.scale, step.transposed, magnitude)

    def _draw(self, dtype: str, shape: Shape, number: int = 0) -> StoredTensor:
        if (dtype, number) not in self._random:
            self._random[dtype, number] = _RandomNumbers(self._folder / f"{dtype}-{number}", dtype, number)
        return self._random[dtype, number].take(shape)


def _low_rank(source: Adapted) -> list[LowRank]:
    """The steps that take time."""
    return [step for step in source.steps if isinstance(step, LowRank)]


class _RandomNumbers:
    """A file of random numbers, which repeat: to draw them takes longer than to write them. Tensors lie one behind the other."""

    def __init__(self, path: Path, dtype: str, number: int) -> None:
        import torch

        self._path, self._dtype = path, dtype
        self._next = self._written = 0
        generator = torch.Generator().manual_seed(0)
        values = torch.randn(PERIOD, generator=generator)
        if number:
            values += 0.05 * torch.randn(PERIOD, generator=generator.manual_seed(number))
        self._numbers = memoryview(values.to(getattr(torch, dtype)).view(torch.uint8).numpy().tobytes())

    def take(self, shape: Shape) -> StoredTensor:
        """A tensor at a place of its own, so that it is not in the processor's cache because another was read."""
        nbytes = prod(shape) * item_bytes(self._dtype)
        start = self._next if self._next + nbytes <= MOST_DRAWN else 0
        self._next = start + nbytes
        with open(self._path, "ab") as file:
            while self._written < self._next:
                self._written += file.write(self._numbers)
        return StoredTensor("sample", self._dtype, shape, self._path, start)
