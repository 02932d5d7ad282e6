"""What a method's `look` can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    from nbmerge.methods.numerics.selection import Request


T = TypeVar("T")


class InputBlocks(Protocol):
    """The inputs of one tensor, block by block, as often as a `look` needs them; the base, if any, is first."""

    @property
    def inputs(self) -> Sequence[Any]:
        """One entry per input."""

    @property
    def count(self) -> int:
        """Number of elements of the tensor."""

    @property
    def columns(self) -> int:
        """Length of a row."""

    def __iter__(self) -> Iterator[tuple[int, list[torch.Tensor]]]:
        """(first element, blocks of all inputs in the working dtype)."""

    def apply(self, function: Callable[..., T], *arguments: Any) -> Iterator[tuple[int, T]]:
        """(first element, ``function(inputs, start, *arguments)``), for blocks of all inputs as above.

        The function must return its own memory; a compiled loop may do its work.
        """

    def deltas(self, i: int) -> Iterator[tuple[int, torch.Tensor]]:
        """(first element, Wᵢ − W₀)."""

    def magnitudes(self, i: int) -> Iterator[tuple[int, np.ndarray]]:
        """(first element, |Wᵢ − W₀|)."""

    def survey(self, requests: Sequence[tuple[int, Request]]) -> None:
        """Fill requests about |Wᵢ − W₀| of inputs i in one pass over all blocks."""

    def sample_magnitudes(self, i: int, wanted: int = ...) -> np.ndarray:
        """A sample of about `wanted` values |Wᵢ − W₀|."""

    def gram(self) -> np.ndarray:
        """Float64 Gram matrix over [W₀, W₁−W₀, …], shape (inputs, inputs)."""
