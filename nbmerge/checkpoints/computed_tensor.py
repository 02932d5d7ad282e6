"""The base class of inputs that are computed while they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints.header import CODES, ITEM_BYTES, StoredTensor


class Computed:
    """An input made from others: a subclass has `shape`, `output_dtype` and `sources`."""

    __slots__ = ()

    if TYPE_CHECKING:  # a dataclass may have them as fields or as properties

        @property
        def shape(self) -> tuple[int, ...]:
            """Shape of the tensor."""
            ...

        @property
        def output_dtype(self) -> str:
            """The dtype of the result where the recipe sets none."""
            ...

        @property
        def sources(self) -> tuple[Any, ...]:
            """The inputs that it is made from."""
            ...

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes in `output_dtype`."""
        return self.count * ITEM_BYTES[CODES[self.output_dtype]]

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors that it is made from."""
        for source in self.sources:
            yield from source.leaves()
