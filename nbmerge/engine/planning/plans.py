"""The plan: the inputs, the method and the parameter values of every output tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from nbmerge.checkpoints import Checkpoint, StoredTensor
from nbmerge.checkpoints.tensor_base import Computed, TensorBase
from nbmerge.engine.planning.labels import number_repeats
from nbmerge.errors import ArgumentError
from nbmerge.methods import Combination, Elementwise, Method, Values, methods
from nbmerge.presentation import Displayed, draw
from nbmerge.problems import Problem, Where, place
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.sizes import human
from nbmerge.tokenizers import OutputTokenizer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.engine.planning.formula import Formula
    from nbmerge.typing import TensorInput

T = TypeVar("T")


@dataclass(frozen=True)
class TensorPlan(TensorBase):
    """How one output tensor is computed.

    Parameters
    ----------
    name : str
    shape : tuple of int
    dtype : str
        The dtype that it is written in.
    layer : int, optional
        Layer of the output; None outside the layers.
    kind : str
        Group inside a layer (attention, mlp, rest), role outside (embedding, final norm, head, other).
    method : str
    inputs : tuple of TensorInput
        The base first, in methods that have one: stored tensors, tensors of another merge as `TensorPlan`, or `Rows` of
        several tensors in the order of one vocabulary.
    models : tuple of str
        Label of the model each input comes from.
    values : Values
        Every parameter's value.
    decided : mapping of str to tuple
        Place in the recipe that decided each value; parameters left at their default are absent.
    stack : str, optional
        Name of the stack that the layer belongs to, in models with several stacks; each counts its own layers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    layer: int | None
    kind: str
    method: str
    inputs: tuple[TensorInput, ...]
    models: tuple[str, ...]
    values: Values
    decided: Mapping[str, Where] = field(default_factory=dict, compare=False)
    stack: str | None = None

    @cached_property
    def how(self) -> Combination | Elementwise:
        """The method in the variant that the tensor's values select."""
        return methods()[self.method].resolve(self.values)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "how"}  # workers find methods by their names

    @property
    def output_dtype(self) -> str:
        """The dtype of a merge that takes it as an input, if its recipe sets none."""
        return self.dtype

    @property
    def sources(self) -> tuple[TensorInput, ...]:
        """The inputs, by the name that computed inputs have for them."""
        return self.inputs

    def described(self) -> dict[str, Any]:
        """What determines its bytes besides its inputs, as plain data."""
        values = {f.name: getattr(self.values, f.name) for f in fields(self.values)}  # asdict would copy everything
        return {"name": self.name, "dtype": self.dtype, "shape": self.shape, "method": self.method, "values": values}

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors that it is made from, including those of merges that feed it."""
        for source in self.inputs:
            yield from source.leaves()

    def restricted(self, which: Sequence[int]) -> TensorPlan:
        """The same tensor, made from only some of its inputs."""

        def select(row: Sequence[T]) -> tuple[T, ...]:
            return tuple(row[i] for i in which)

        each = {name: select(values) for name, values in self.values.each.items()}
        values = replace(self.values, each=each, streams=select(self.values.streams))
        return replace(self, inputs=select(self.inputs), models=select(self.models), values=values)

    def row(self) -> dict[str, Any]:
        """One row of `Plan.values`."""
        row: dict[str, Any] = {"tensor": self.name, "layer": self.layer, "kind": self.kind, "method": self.method}
        if self.stack is not None:
            row["stack"] = self.stack
        row["inputs"] = " + ".join(self.models)
        row |= self.values.shared
        labels = number_repeats(self.models)
        for name, values in self.values.each.items():
            row |= {f"{name}[{m}]": v for m, v in zip(labels, values, strict=True) if v is not None}
        row["decided by"] = "; ".join(f"{k}: {place(w)}" for k, w in self.decided.items())
        return row


MOST_READS = 1_000
"""Maximum number of stored tensors that one output tensor is made from, each counted as often as it is read."""


def most_reads(tensors: Iterable[TensorPlan]) -> tuple[int, str]:
    """The largest number of stored tensors that an output tensor is made from, and its name.

    A tensor that several merges use is computed for each of them, so a chain of merges that each use the one before twice
    doubles the number with every level. Counting is linear in the number of tensors.
    """
    counts: dict[int, int] = {}

    def count_reads(source: TensorInput) -> int:
        if id(source) not in counts:
            counts[id(source)] = sum(map(count_reads, _inputs_of(source))) or 1
        return counts[id(source)]

    return max(((count_reads(t), t.name) for t in tensors), default=(0, ""))


def _inputs_of(source: TensorInput) -> tuple[TensorInput, ...]:
    """What an input is made from itself; nothing for a stored tensor."""
    return source.sources if isinstance(source, TensorPlan | Computed) else ()


@dataclass(frozen=True)
class Plan(Displayed):
    """A recipe resolved against its checkpoints' headers, without reading weights.

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
        Number of layers of each slice, in the order of `Recipe.pieces`; of the deepest stack if it spans several.
    problems : tuple of Problem
        Warnings and infos; a recipe with errors has no plan.
    tokenizer : OutputTokenizer, optional
        The result's tokenizer, if it is not the donor's.
    donor_layers : mapping of str to tuple of int
        For each stack and each of its layers in the result, the corresponding layer of the donor.
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
        """Number of layers of the result; with several stacks, of the deepest."""
        return max(self.depths.values(), default=0)

    @property
    def depths(self) -> dict[str | None, int]:
        """Number of layers of each stack of the result, by name; the name is None if there is only one."""
        return self.once("depths", self._count_layers)

    def _count_layers(self) -> dict[str | None, int]:
        found: dict[str | None, int] = {}
        for tensor in self.tensors:
            if tensor.layer is not None:
                found[tensor.stack] = max(found.get(tensor.stack, 0), tensor.layer + 1)
        return found

    @cached_property
    def stack(self) -> str | None:
        """The deepest stack, None if the result has only one."""
        return max(self.depths, key=self.depths.__getitem__, default=None)

    @property
    def parents(self) -> tuple[str, ...]:
        """Labels of all models whose tensors are read: the base first, the others in the order of the recipe."""
        return self.once("parents", lambda: tuple(dict.fromkeys(m for t in self.tensors for m in t.models)))

    @property
    def base_label(self) -> str | None:
        """Label of the base model that task vectors are relative to, None for methods without one."""
        base = self.recipe.base_model if self.method.base == "required" else None
        return None if base is None else self.labels.get(base)

    @property
    def bytes_written(self) -> int:
        """Size of the result's weights in bytes."""
        return self.once("bytes written", lambda: sum(t.nbytes for t in self.tensors))

    @property
    def bytes_read(self) -> int:
        """Bytes of weights that are read, counted twice for methods that scan a tensor before they mix it."""
        return sum(t.how.passes * i.nbytes for t in self.tensors for i in t.leaves())

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that weights are read from, each once."""
        return self.once("files", lambda: tuple(dict.fromkeys(leaf.file for t in self.tensors for leaf in t.leaves())))

    def as_checkpoint(self, name: str) -> Checkpoint:
        """The result as an input of another merge, before it is computed."""
        donor = self.checkpoints[self.donor]
        return Checkpoint(donor.path, self.config, {t.name: t for t in self.tensors}, name, stacks=donor.stacks)

    @property
    def bare(self) -> bool:
        """Whether the result is bare weights: tensors without a config."""
        return self.checkpoints[self.donor].bare

    @property
    def parameters(self) -> int:
        """Number of elements of the result."""
        return self.once("parameters", lambda: sum(t.count for t in self.tensors))

    def __getitem__(self, name: str) -> TensorPlan:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, TensorPlan]:
        return {t.name: t for t in self.tensors}

    @cached_property
    def derived(self) -> dict[Any, Any]:
        """What was derived from the plan and is needed again, by keys of those who derive it. A plan never changes."""
        return {}

    def once(self, key: Any, derive: Callable[[], T]) -> T:
        """What was derived from anything but parameter values: once for all plans that differ in values only.

        Parameters
        ----------
        key : hashable
        derive : callable
            Makes it, when it is first asked for.
        """
        if key not in self.structure:
            self.structure[key] = derive()
        found: T = self.structure[key]
        return found

    @property
    def family(self) -> object:
        """The same object for all plans that differ in parameter values only, made by `revise_plan` from each other."""
        return self.once("family", object)

    @cached_property
    def structure(self) -> dict[Any, Any]:
        """The results that `once` keeps."""
        return {}

    @cached_property
    def virtual_obstacle(self) -> str | None:
        """Why it cannot be evaluated from its parents' layers; None if no reason is known."""
        from nbmerge.engine.planning.virtual import find_obstacle

        return find_obstacle(self)

    def formula(self, tensor: str, names: Mapping[str, str] | None = None) -> Formula:
        """The formula of one output tensor, with its numbers after normalisation.

        Parameters
        ----------
        tensor : str
        names : mapping of str to str, optional
            What to call models in it, by their labels; default the labels.
        """
        from nbmerge.engine.planning.formula import formula

        planned, names = self[tensor], names or {}
        return formula(replace(planned, models=tuple(names.get(m, m) for m in planned.models)))

    def values(self) -> pd.DataFrame:
        """One row per output tensor with its inputs, method, and each parameter's value and origin."""
        import pandas as pd

        return pd.DataFrame([t.row() for t in self.tensors]).astype({"layer": "Int64"})

    def plot(
        self,
        parameters: str | Iterable[str] | None = None,
        *,
        style: Literal["curves", "map"] = "curves",
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot the value of each layer, and of what lies outside the layers, for every model.

        Parameters
        ----------
        style : "curves" or "map"
            Curves over the layers, or heat maps of layers × kinds of tensors.
        parameters, theme, width, font_size
            As in `Recipe.plot`.

        Examples
        --------
        >>> import nbmerge as nbm
        >>> figure = nbm.plan(nbm.demo.recipe()).plot(theme="dark", width=10, font_size=14)
        >>> figure.axes[0].get_ylabel()
        'weight'
        """
        kinds = {"curves": "plan", "map": "value_maps"}
        if style not in kinds:
            raise ArgumentError(f"style must be 'curves' or 'map', not {style!r}.")
        return draw(kinds[style], self, parameters, theme=theme, width=width, font_size=font_size)

    def __repr__(self) -> str:
        return (
            f"<Plan {self.method.name}: {len(self.tensors)} tensors, {self.depth} layers, {self.parameters:,} parameters, "
            f"reads {human(self.bytes_read)}, writes {human(self.bytes_written)}>"
        )
