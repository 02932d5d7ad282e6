"""A tensor with low-rank adapters applied: only a description; `nbmerge.engine.compute.read_lora` computes its elements.

W′ = W + s·BA for LoRA [1]_ (s = α/r, or α/√r with rsLoRA [2]_), and DoRA [3]_ then scales each output's weights to a
learned length m: W″ = m·W′/‖W′‖. Several adapters follow one another, each on the result of the one before.

.. [1] Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021.
.. [2] Kalajdzievski, A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA, 2023.
.. [3] Liu et al., DoRA: Weight-Decomposed Low-Rank Adaptation, 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.tensor_base import Computed


@dataclass(frozen=True, slots=True)
class LowRank:
    """One adapter's change of one matrix.

    Parameters
    ----------
    down : StoredTensor
        A, of shape (rank, inputs).
    up : StoredTensor
        B, of shape (outputs, rank).
    scale : float
    transposed : bool
        Whether the matrix is stored as (inputs, outputs), as embeddings and GPT-2's layers are, so that (BA)ᵀ is added.
    magnitude : StoredTensor, optional
        DoRA's m, a number for each output.
    """

    down: StoredTensor
    up: StoredTensor
    scale: float
    transposed: bool = False
    magnitude: StoredTensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the matrix that it fits."""
        outputs, inputs = self.up.shape[0], self.down.shape[1]
        return (inputs, outputs) if self.transposed else (outputs, inputs)

    @property
    def tensors(self) -> tuple[StoredTensor, ...]:
        """The tensors that are read."""
        return (self.down, self.up, *((self.magnitude,) if self.magnitude else ()))

    def described(self) -> list[Any]:
        """What determines its bytes besides its tensors."""
        return ["low rank", self.scale, self.transposed, self.magnitude is not None]


@dataclass(frozen=True, slots=True)
class Shift:
    """One adapter's change of a bias: b′ = b + s·d.

    Parameters
    ----------
    values : StoredTensor
    scale : float
    """

    values: StoredTensor
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the vector that it fits."""
        return self.values.shape

    @property
    def tensors(self) -> tuple[StoredTensor, ...]:
        """The tensors that are read."""
        return (self.values,)

    def described(self) -> list[Any]:
        """What determines its bytes besides its tensors."""
        return ["shift", self.scale]


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows of an embedding that an adapter trained: they replace the rows of the base.

    Parameters
    ----------
    values : StoredTensor
    rows : tuple of int
        Their indices, in the order of `values`.
    """

    values: StoredTensor
    rows: tuple[int, ...]

    @property
    def tensors(self) -> tuple[StoredTensor, ...]:
        """The tensors that are read."""
        return (self.values,)

    def described(self) -> list[Any]:
        """What determines its bytes besides its tensors."""
        return ["rows", list(self.rows)]


@dataclass(frozen=True, slots=True)
class Adapted(Computed):
    """A tensor with adapters applied, in order.

    Its elements stay in the float32 (or float64) of the computation, so that a merge rounds once, at its end. Where the recipe
    sets no dtype, the result has that of the base.

    Parameters
    ----------
    name : str
    base : StoredTensor, or another kind of input
    steps : tuple of LowRank, Shift or NewRows
    """

    name: str
    base: Any
    steps: tuple[LowRank | Shift | NewRows, ...]

    @property
    def dtype(self) -> str:
        """The dtype that its elements are computed in."""
        return "float64" if self.base.dtype == "float64" else "float32"

    @property
    def output_dtype(self) -> str:
        """The dtype of the result where the recipe sets none."""
        return self.base.output_dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self.base.shape

    @property
    def is_float(self) -> bool:
        """Whether it can be merged by arithmetic."""
        return self.base.is_float

    @property
    def sources(self) -> tuple[Any, ...]:
        """All inputs that it is made from."""
        return (self.base, *(t for step in self.steps for t in step.tensors))

    @property
    def held_bytes(self) -> int:
        """Memory that reading it takes besides blocks: the factor of each step that all rows need."""
        widths = ((s.shape[1], min(s.up.shape[-1], s.down.shape[0])) for s in self.steps if isinstance(s, LowRank))
        return sum(4 * width * (rank + 2) for width, rank in widths)

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["adapted", self.dtype, [step.described() for step in self.steps]]
