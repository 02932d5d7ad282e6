"""An input that is already in memory: methods can be run on tensors without a model folder around them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.tensor_base import TensorBase
from nbmerge.engine.compute.workspace import Read, Workspace


@dataclass(frozen=True, eq=False, slots=True)
class TensorInMemory(TensorBase):
    """A contiguous tensor on the CPU.

    Parameters
    ----------
    name : str
    values : torch.Tensor
    """

    name: str
    values: torch.Tensor

    @property
    def dtype(self) -> str:
        """Its dtype, by torch's name."""
        return str(self.values.dtype).removeprefix("torch.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.values.shape)

    @property
    def output_dtype(self) -> str:
        """Its dtype: nothing is converted on the way."""
        return self.dtype

    def leaves(self) -> Iterator[StoredTensor]:
        """Nothing: it is not made from stored tensors."""
        return iter(())


def open_in_memory(source: TensorInMemory, workspace: Workspace, slot: int) -> Read:
    """Read a tensor that is in memory. Blocks are copies, because methods may overwrite what they are given."""
    flat = source.values.view(-1)
    return lambda start, count: flat[start : start + count].clone()
