"""What inputs that are computed while they are read have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from nbmerge.checkpoints.header import CODES, ITEM_BYTES, StoredTensor


class Computed:
    """An input made from others: a subclass has `shape`, `output_dtype` and `sources`."""

    __slots__ = ()

    shape: tuple[int, ...]
    output_dtype: str
    sources: tuple[Any, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes in the dtype that a result takes over."""
        return self.count * ITEM_BYTES[CODES[self.output_dtype]]

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors it is made from."""
        for source in self.sources:
            yield from source.leaves()
