"""Types that signatures share: what a recipe, a model or a stop signal may be.

Nothing is imported for them while a program runs, neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from nbmerge.checkpoints import StoredTensor
    from nbmerge.engine.live import LiveMerge, Pin, VirtualMerge
    from nbmerge.engine.planning import Plan
    from nbmerge.model_ref import ModelRef
    from nbmerge.progress import Listener
    from nbmerge.recipe import Recipe
    from nbmerge.sampling.loading import Loaded

RecipeLike: TypeAlias = "Recipe | Plan | str | PathLike[str] | Mapping[str, Any]"
"""A recipe in any form: a `Recipe`, a `Plan`, a mapping, the text of a recipe, or the path of a file or merged folder."""

ModelLike: TypeAlias = "str | PathLike[str] | ModelRef"
"""A model on disk or on the Hub: a folder, ``path[@revision][+lora...]``, or a `ModelRef`."""

Askable: TypeAlias = "str | PathLike[str] | PreTrainedModel | LiveMerge | VirtualMerge | Pin | Loaded"
"""A model that can be sampled and scored: a folder or Hub id, which is loaded, or a model in memory."""


ProgressLike: TypeAlias = "Listener | bool | None"
"""A function that takes each `nbmerge.progress.Event`; True or False to draw a progress bar or none; None to draw one in a
notebook or a terminal."""


class StopSignal(Protocol):
    """Stops running work once it is set; `threading.Event` is the usual one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class TensorInput(Protocol):
    """One input of a merged tensor: stored in a file, or computed from stored tensors while it is read."""

    @property
    def name(self) -> str:
        """Name in its model."""
        ...

    @property
    def dtype(self) -> str:
        """The dtype that its elements are read in, by torch's name."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    @property
    def count(self) -> int:
        """Number of elements."""
        ...

    @property
    def nbytes(self) -> int:
        """Size in bytes in `output_dtype`."""
        ...

    @property
    def is_float(self) -> bool:
        """Whether it can be merged by arithmetic."""
        ...

    @property
    def output_dtype(self) -> str:
        """The dtype of the result where the recipe sets none."""
        ...

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors that it is made from."""
        ...
