"""A tensor with normal noise: only a description; `nbmerge.engine.compute.routers` computes its elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints.tensor_base import Computed

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput


@dataclass(frozen=True, slots=True)
class Noisy(Computed):
    """W + σ·ε with standard normal numbers ε.

    Parameters
    ----------
    source : TensorInput
    scale : float
        σ.
    stream : str
        Key of its random numbers, see `nbmerge.methods.numerics.random_streams`.
    """

    source: TensorInput
    scale: float
    stream: str

    portable = False

    @property
    def name(self) -> str:
        """Name of the tensor."""
        return self.source.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.source.shape

    @property
    def dtype(self) -> str:
        """The dtype of its arithmetic."""
        return "float64" if self.source.dtype == "float64" else "float32"

    @property
    def output_dtype(self) -> str:
        """The dtype of the result where the recipe sets none."""
        return self.source.output_dtype

    @property
    def sources(self) -> tuple[TensorInput, ...]:
        """The tensor without noise."""
        return (self.source,)

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["noise", self.scale, self.stream]
