"""Blocks of tensors as loops take them: an address and how the numbers are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Fused = Callable[[list[torch.Tensor], int, torch.Tensor], bool]
"""``(inputs, start, result)``: computes the block that begins at `start` from contiguous blocks as they are stored; whether the
result is finite. If it is not, the function that the loop stands for must compute the block."""

STORED = {"bfloat16": 0, "float16": 1, "float32": 2}
"""dtypes that loops read and write, as `nbmerge.kernels.floats` numbers them."""


KINDS = {getattr(torch, name): kind for name, kind in STORED.items()}
"""The same for dtypes of torch."""


@dataclass(frozen=True)
class Layout:
    """How the blocks of one tensor are stored.

    Parameters
    ----------
    kinds, result_kind : tuple of int, int
        Of the inputs and of the result, see `STORED`.
    columns : int
        Length of a row.
    """

    kinds: tuple[int, ...]
    result_kind: int
    columns: int


def find_kinds(dtypes: Sequence[str]) -> tuple[int, ...] | None:
    """How inputs are stored, if loops can read them all."""
    return tuple(STORED[dtype] for dtype in dtypes) if STORED.keys() >= set(dtypes) else None


def find_common_kind(dtypes: Sequence[str]) -> int | None:
    """How inputs are stored, if loops can read them and all are stored alike."""
    kinds = {STORED.get(dtype) for dtype in dtypes}
    return kinds.pop() if len(kinds) == 1 else None


def locate(blocks: Sequence[torch.Tensor]) -> np.ndarray:
    """Addresses of contiguous blocks, int64; the blocks must be kept as long as they are used."""
    return np.fromiter((block.data_ptr() for block in blocks), np.int64, len(blocks))
