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
    """One adapter's change of one matrix, or of a convolution, whose kernels count as the rows of a matrix.

    Parameters
    ----------
    down : StoredTensor
        A, of shape (rank, inputs), or (rank, inputs, kernel...) of a convolution.
    up : StoredTensor
        B, of shape (outputs, rank), followed by ones of a convolution.
    scale : float
    transposed : bool
        Whether the matrix is stored as (inputs, outputs), as embeddings and GPT-2's layers are, so that (BA)ᵀ is added.
    magnitude : StoredTensor, optional
        DoRA's m, a number for each output.
    columns : (int, int), optional
        The first column of `up` that is B's, and the distance to the next, where B is a part of it: (3, 8) for the factors of
        the fourth of eight experts.
    """

    down: StoredTensor
    up: StoredTensor
    scale: float
    transposed: bool = False
    magnitude: StoredTensor | None = None
    columns: tuple[int, int] | None = None

    @property
    def rank(self) -> int:
        """Number of rows of A."""
        return self.down.shape[0]

    @property
    def inputs(self) -> int:
        """Length of a row of A."""
        return self.down.count // max(1, self.rank)

    @property
    def outputs(self) -> int:
        """Number of rows of B."""
        return self.up.shape[0]

    @property
    def is_convolution(self) -> bool:
        """Whether it changes a convolution."""
        return len(self.down.shape) > 2

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor that it fits."""
        if self.is_convolution:
            return self.outputs, *self.down.shape[1:]
        return (self.inputs, self.outputs) if self.transposed else (self.outputs, self.inputs)

    @property
    def tensors(self) -> tuple[StoredTensor, ...]:
        """The tensors that are read."""
        return (self.down, self.up, *((self.magnitude,) if self.magnitude else ()))

    def described(self) -> list[Any]:
        """What determines its bytes besides its tensors."""
        return ["low rank", self.scale, self.transposed, self.magnitude is not None, *(self.columns or ())]


@dataclass(frozen=True, slots=True)
class ExpertProducts:
    """One adapter's change of the matrices of all experts, which are one tensor: s·BA for each.

    Parameters
    ----------
    down : StoredTensor
        A of all experts, one below the other, of shape (experts × rank, inputs).
    up : StoredTensor
        B of all experts, of shape (outputs, rank × experts): column k·experts + e is the k-th of expert e.
    scale : float
    experts : int
    transposed : bool
        Whether the tensor has the shape (experts, inputs, outputs) instead of (experts, outputs, inputs).
    """

    down: StoredTensor
    up: StoredTensor
    scale: float
    experts: int
    transposed: bool = False

    @property
    def rank(self) -> int:
        """Number of rows of each A."""
        return self.down.shape[0] // self.experts

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the tensor that it fits."""
        outputs, inputs = self.up.shape[0], self.down.shape[1]
        return (self.experts, inputs, outputs) if self.transposed else (self.experts, outputs, inputs)

    @property
    def tensors(self) -> tuple[StoredTensor, ...]:
        """The tensors that are read."""
        return (self.down, self.up)

    def described(self) -> list[Any]:
        """What determines its bytes besides its tensors."""
        return ["experts", self.scale, self.experts, self.transposed]


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


Step = LowRank | ExpertProducts | Shift | NewRows
"""What an adapter does with a tensor."""


@dataclass(frozen=True, slots=True)
class Adapted(Computed):
    """A tensor with adapters applied, in order.

    Its elements stay in the float32 (or float64) of the computation, so that a merge rounds once, at its end. Where the recipe
    sets no dtype, the result has that of the base.

    Parameters
    ----------
    name : str
    base : StoredTensor, or another kind of input
    steps : tuple of LowRank, ExpertProducts, Shift or NewRows
    """

    name: str
    base: Any
    steps: tuple[Step, ...]

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
        widths = ((s.outputs if s.transposed else s.inputs, s.rank) for s in self.steps if isinstance(s, LowRank))
        experts = sum(8 * (s.up.count + s.down.count) for s in self.steps if isinstance(s, ExpertProducts))
        return experts + sum(4 * width * (rank + 2) for width, rank in widths)

    @property
    def row(self) -> int:
        """Length of a row: of the last dimension, or of all kernels of an output where an adapter changes a convolution."""
        if any(isinstance(step, LowRank) and step.is_convolution for step in self.steps):
            return self.count // max(1, self.shape[0])
        return max(1, self.shape[-1]) if self.shape else 1

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["adapted", self.dtype, [step.described() for step in self.steps]]
