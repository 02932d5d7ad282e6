"""An input of zeros: the base of changes that are merged without the model that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from nbmerge.checkpoints.tensor_base import Computed
from nbmerge.engine.compute import KINDS, Open, Read, Workspace


@dataclass(frozen=True, slots=True)
class Zeros(Computed):
    """A tensor of zeros, which takes no memory and no file.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
    name : str
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str = "zeros"

    @property
    def output_dtype(self) -> str:
        """Its dtype."""
        return self.dtype

    @property
    def sources(self) -> tuple[Any, ...]:
        """Nothing: it is not made from others."""
        return ()

    def described(self) -> list[Any]:
        """What determines its bytes, as plain data."""
        return ["zeros"]


def _open_zeros(source: Zeros, workspace: Workspace, slot: int) -> Read:
    dtype = getattr(torch, source.dtype)
    return lambda start, count: torch.zeros(count, dtype=dtype)


KINDS_WITH_ZEROS: Mapping[type, Open] = {**KINDS, Zeros: _open_zeros}
"""All kinds of inputs, as `nbmerge.engine.compute.run` takes them."""
