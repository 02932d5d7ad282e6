"""Base classes of what a merged tensor is made from: sizes by dtype and shape, and how computed inputs are made from others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints.dtypes import FLOATS, item_bytes

if TYPE_CHECKING:
    from nbmerge.checkpoints.header import StoredTensor
    from nbmerge.typing import TensorInput


class TensorBase:
    """What `nbmerge.typing.TensorInput` derives from others of its fields.

    A subclass has `dtype`, `shape` and `output_dtype`, as fields or as properties.
    """

    __slots__ = ()

    if TYPE_CHECKING:  # at run time, a dataclass would take these for the defaults of its fields

        @property
        def dtype(self) -> str:
            """The dtype that its elements are read in, by torch's name."""
            ...

        @property
        def shape(self) -> tuple[int, ...]:
            """Its shape."""
            ...

        @property
        def output_dtype(self) -> str:
            """The dtype of the result where the recipe sets none."""
            ...

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes in `output_dtype`."""
        return self.count * item_bytes(self.output_dtype)

    @property
    def is_float(self) -> bool:
        """Whether it can be merged by arithmetic."""
        return self.dtype in FLOATS


class Computed(TensorBase):
    """An input that is computed from others while it is read: a subclass has `sources`, and the fields that `TensorBase` needs."""

    __slots__ = ()

    portable = True
    """Whether the bytes are the same on every processor, see `nbmerge.engine.compute.arithmetic`."""

    if TYPE_CHECKING:  # a dataclass may have it as a field or as a property

        @property
        def sources(self) -> tuple[TensorInput, ...]:
            """The inputs that it is made from."""
            ...

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors that it is made from."""
        for source in self.sources:
            yield from source.leaves()


def describe_input(source: TensorInput) -> list[Any]:
    """What determines the bytes of an input besides the contents of files: plain data, down to the stored tensors."""
    made: Any = source
    if hasattr(source, "described"):
        return [made.described(), *map(describe_input, made.sources)]
    return [made.name, str(made.file), made.start, made.dtype]
