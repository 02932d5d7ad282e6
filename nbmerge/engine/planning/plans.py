"""The plan: for every output tensor which inputs, which method, which numbers. Everything later follows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.engine.planning.labels import told_apart
from nbmerge.methods import Method, Values, methods
from nbmerge.problems import Problem, Where, place
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.parts import DTYPES
from nbmerge.sizes import human
from nbmerge.tokenizers import OutputTokenizer

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.engine.planning.formula import Formula


@dataclass(frozen=True)
class TensorPlan:
    """How one output tensor is made.

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : str
        dtype it is written in.
    layer : int, optional
        Layer of the output; None outside the layers.
    kind : str
        Group inside a layer (attention, mlp, rest), role outside (embedding, final norm, head, other).
    method : str
    inputs : tuple of StoredTensor, TensorPlan or Rows
        The base first, in methods that have one. A tensor of a merge that feeds this one is itself a plan; `Rows` are
        rows of several tensors in the order of one vocabulary.
    models : tuple of str
        Label of the model each input comes from.
    values : Values
        Every parameter's value.
    decided : mapping of str to tuple
        Place in the recipe that decided each value; parameters left at their default are absent.
    stack : str, optional
        Name of the stack that the layer is one of, in models of several stacks; their layers are counted apart.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layer: int | None
    kind: str
    method: str
    inputs: tuple[StoredTensor | TensorPlan, ...]
    models: tuple[str, ...]
    values: Values
    decided: Mapping[str, Where] = field(default_factory=dict, compare=False)
    stack: str | None = None

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size when written, in bytes."""
        return self.count * ITEM_BYTES[CODES[self.dtype]]

    @property
    def how(self) -> Method:
        """The method that is carried out, in the shape that the tensor's values ask for."""
        return methods()[self.method].resolve(self.values)

    @property
    def is_float(self) -> bool:
        """Whether another merge can take it as an input of its arithmetic."""
        return self.dtype in DTYPES

    @property
    def output_dtype(self) -> str:
        """What dtype a merge which takes it as an input takes over where its recipe says none."""
        return self.dtype

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors it is made from, those of merges that feed it included."""
        for source in self.inputs:
            yield from source.leaves()

    def restricted(self, which: Sequence[int]) -> TensorPlan:
        """The same tensor made from some of its inputs only."""

        def some(row: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(row[i] for i in which)

        values = replace(
            self.values, each={k: some(v) for k, v in self.values.each.items()}, streams=some(self.values.streams)
        )
        return replace(self, inputs=some(self.inputs), models=some(self.models), values=values)

    def row(self) -> dict[str, Any]:
        """One row of `Plan.values`."""
        row: dict[str, Any] = {"tensor": self.name, "layer": self.layer, "kind": self.kind, "method": self.method}
        if self.stack is not None:
            row["stack"] = self.stack
        row["inputs"] = " + ".join(self.models)
        row |= self.values.shared
        labels = told_apart(self.models)
        for name, values in self.values.each.items():
            row |= {f"{name}[{m}]": v for m, v in zip(labels, values, strict=True) if v is not None}
        row["decided by"] = "; ".join(f"{k}: {place(w)}" for k, w in self.decided.items())
        return row


MOST_READS = 1_000
"""How many stored tensors one output tensor may be made from, each counted as often as it is read."""


def most_reads(tensors: Iterable[TensorPlan]) -> tuple[int, str]:
    """The largest number of stored tensors that an output tensor is made from, and its name.

    A tensor that several merges take is computed for each of them, so merges which take each other twice double the
    number with every level. Counting is linear in the number of tensors.
    """
    known: dict[int, int] = {}

    def reads(source: Any) -> int:
        if id(source) not in known:
            below = source.inputs if isinstance(source, TensorPlan) else getattr(source, "sources", None)
            known[id(source)] = 1 if below is None else sum(map(reads, below))
        return known[id(source)]

    return max(((reads(t), t.name) for t in tensors), default=(0, ""))


@dataclass(frozen=True)
class Plan:
    """A recipe resolved against its checkpoints' headers. No weight has been read.

    Parameters
    ----------
    recipe : Recipe
    method : Method
    checkpoints : dict of ModelRef to Checkpoint
    labels : dict of ModelRef to str
        Short unique name of each model.
    tensors : tuple of TensorPlan
        Embeddings, layers in order, final norm, head.
    donor : ModelRef
        The model whose config and tokenizer the result gets.
    config : dict
        The result's ``config.json``.
    piece_depths : tuple of int
        Number of layers of each slice, in the order of `Recipe.pieces`; over several stacks at once, of the deepest.
    problems : tuple of Problem
        Warnings and infos; a plan with errors is never made.
    tokenizer : OutputTokenizer, optional
        The result's tokenizer, where it is not simply the donor's.
    donor_layers : mapping of str to tuple of int
        For each stack, and in it for each layer of the result, the donor's layer that it is or corresponds to.
    """

    recipe: Recipe
    method: Method
    checkpoints: dict[ModelRef, Checkpoint]
    labels: dict[ModelRef, str]
    tensors: tuple[TensorPlan, ...]
    donor: ModelRef
    config: dict[str, Any]
    piece_depths: tuple[int, ...]
    problems: tuple[Problem, ...] = ()
    tokenizer: OutputTokenizer | None = None
    donor_layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def depth(self) -> int:
        """Number of layers of the result, of its deepest stack where it has several."""
        return max(self.depths.values(), default=0)

    @cached_property
    def depths(self) -> dict[str | None, int]:
        """Number of layers of each stack of the result, by name; of one without a name where it has only one."""
        found: dict[str | None, int] = {}
        for tensor in self.tensors:
            if tensor.layer is not None:
                found[tensor.stack] = max(found.get(tensor.stack, 0), tensor.layer + 1)
        return found

    @cached_property
    def stack(self) -> str | None:
        """The deepest stack, None where the result has only one."""
        return max(self.depths, key=self.depths.get, default=None)

    @cached_property
    def parents(self) -> tuple[str, ...]:
        """Labels of all models whose tensors are read, base first where there is one, else in the order named."""
        return tuple(dict.fromkeys(m for t in self.tensors for m in t.models))

    @property
    def bytes_written(self) -> int:
        """Bytes of weights that the result has."""
        return sum(t.nbytes for t in self.tensors)

    @property
    def bytes_read(self) -> int:
        """Bytes of weights that are read, twice where a method looks before it mixes."""
        return sum(t.how.passes * i.nbytes for t in self.tensors for i in t.leaves())

    def as_checkpoint(self, name: str) -> Checkpoint:
        """The result as another merge's input, without being made."""
        return Checkpoint(self.checkpoints[self.donor].path, self.config, {t.name: t for t in self.tensors}, name)

    @property
    def parameters(self) -> int:
        """Number of elements of the result."""
        return sum(t.count for t in self.tensors)

    def __getitem__(self, name: str) -> TensorPlan:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, TensorPlan]:
        return {t.name: t for t in self.tensors}

    @cached_property
    def virtual_obstacle(self) -> str | None:
        """Why it cannot be evaluated from its parents' layers; None where nothing is known against it."""
        from nbmerge.engine.planning.virtual import find_obstacle

        return find_obstacle(self)

    def formula(self, tensor: str) -> Formula:
        """The formula of one output tensor, with its numbers after normalisation."""
        from nbmerge.engine.planning.formula import formula

        return formula(self[tensor])

    def values(self) -> pd.DataFrame:
        """One row per output tensor with its inputs, method, and each parameter's value and origin."""
        import pandas as pd

        return pd.DataFrame([t.row() for t in self.tensors]).astype({"layer": "Int64"})

    def __repr__(self) -> str:
        return (
            f"<Plan {self.method.name}: {len(self.tensors)} tensors, {self.depth} layers, {self.parameters:,} parameters, "
            f"reads {human(self.bytes_read)}, writes {human(self.bytes_written)}>"
        )
