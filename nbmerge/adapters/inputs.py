"""Inputs that only merges of adapters have: zeros, which stand for the model that changes belong to, and changes of DoRA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, LowRank
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


@dataclass(frozen=True, slots=True)
class DoraChange(Computed):
    """What the last adapter of a tensor changes: the tensor with it, minus the tensor before.

    Needed for DoRA, whose change depends on the weights: (m/‖W + s·BA‖)·(W + s·BA) − W.

    Parameters
    ----------
    adapted : Adapted
    """

    adapted: Adapted

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.adapted.name

    @property
    def before(self) -> Any:
        """The tensor without the last adapter."""
        kept = self.adapted.steps[:-1]
        return replace(self.adapted, steps=kept) if kept else self.adapted.base

    @property
    def dtype(self) -> str:
        """The dtype that it is computed in."""
        return self.adapted.dtype

    @property
    def output_dtype(self) -> str:
        """The same."""
        return self.dtype

    @property
    def is_transposed(self) -> bool:
        """Whether it has the shape (inputs, outputs)."""
        last = self.adapted.steps[-1]
        return isinstance(last, LowRank) and last.transposed

    @property
    def shape(self) -> tuple[int, int]:
        """Shape as a matrix: the kernels of a convolution are rows."""
        first = self.adapted.shape[0]
        return first, self.adapted.count // max(1, first)

    @property
    def sources(self) -> tuple[Any, ...]:
        """The tensor with the adapter, and without."""
        return self.adapted, self.before

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["dora"]


def _open_zeros(source: Zeros, workspace: Workspace, slot: int) -> Read:
    dtype = getattr(torch, source.dtype)
    return lambda start, count: torch.zeros(count, dtype=dtype)


def _open_dora_change(source: DoraChange, workspace: Workspace, slot: int) -> Read:
    after, before = (workspace.nested().open(own, 0) for own in source.sources)
    return lambda start, count: after(start, count) - before(start, count)


KINDS_OF_ADAPTERS: Mapping[type, Open] = {**KINDS, Zeros: _open_zeros, DoraChange: _open_dora_change}
"""All kinds of inputs, as `nbmerge.engine.compute.run` takes them."""
