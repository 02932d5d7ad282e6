"""Adapters side by side: the modules and tensors that any of them changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nbmerge.adapters.inputs import DoraChange
from nbmerge.checkpoints import Layout
from nbmerge.checkpoints.adapters.adapted_tensor import LowRank
from nbmerge.checkpoints.adapters.adapter import Adapter
from nbmerge.checkpoints.adapters.experts import ExpertChange
from nbmerge.engine.planning import TensorPlan
from nbmerge.methods import Values
from nbmerge.recipe import ModelRef


@dataclass(frozen=True)
class Module:
    """A module that some adapters change by factors.

    Parameters
    ----------
    name : str
    changes : mapping of int to tuple of LowRank
        By number of the adapter: its product, and the one that is taken away where it was trained beside a changed base.
    embedding : bool
    updates : mapping of int to DoraChange
        By number of the adapter: the changes that are no products, those of DoRA.
    """

    name: str
    changes: Mapping[int, tuple[LowRank, ...]]
    embedding: bool = False
    updates: Mapping[int, DoraChange] = field(default_factory=dict)

    @property
    def weight(self) -> str:
        """Name of the tensor that is changed."""
        return f"{self.name}.weight"

    @property
    def is_parameter(self) -> bool:
        """Whether it is a parameter that adapters name by itself (``target_parameters``), and not a module."""
        return False

    @property
    def matrices(self) -> tuple[Module, ...]:
        """What is combined matrix by matrix, and cut to one rank: itself, or the matrices of experts."""
        return (self,)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs of the products BA; inputs are those of all kernels of a convolution."""
        first = next(iter(self.changes.values()))[0]
        return first.outputs, first.inputs

    @property
    def kernel(self) -> tuple[int, ...]:
        """Size of the kernels of a convolution, empty for matrices."""
        return next(iter(self.changes.values()))[0].down.shape[2:]

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks of the changes, by adapter."""
        return tuple(sum(step.rank for step in steps) for steps in self.changes.values())

    def plan(self, rank: int, dtype: str) -> TensorPlan:
        """What is read for it: the factors. As a tensor, it has the size of the result of some rank."""
        read = [(str(i), t) for i, steps in self.changes.items() for step in steps for t in step.tensors]
        read += [("base", update.before) for update in self.updates.values()]
        return self._plan(read, rank, dtype)

    def _plan(self, read: Sequence[tuple[str, Any]], rank: int, dtype: str) -> TensorPlan:
        labels, sources = (tuple(each) for each in zip(*read, strict=True))
        nothing = Values({}, {"scale": (0.0,) * len(sources)})  # the engine itself computes nothing
        return TensorPlan(
            self.weight, (max(1, rank) * len(self.matrices), sum(self.shape)), dtype, None, "other", "passthrough", sources, labels, nothing
        )  # fmt: skip


@dataclass(frozen=True)
class FusedExperts(Module):
    """A parameter with the matrices of all experts, or with one matrix, that some adapters change by factors.

    `changes` are those of the first expert.

    Parameters
    ----------
    fused : mapping of int to ExpertChange
        By number of the adapter.
    """

    fused: Mapping[int, ExpertChange] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, fused: Mapping[int, ExpertChange]) -> FusedExperts:
        """Of a parameter's name, and the changes by number of the adapter."""
        return cls(name, {i: (change.of_expert(0),) for i, change in fused.items()}, fused=fused)

    @property
    def weight(self) -> str:
        """Name of the tensor that is changed."""
        return self.name

    @property
    def is_parameter(self) -> bool:
        """Whether it is a parameter."""
        return True

    @cached_property
    def matrices(self) -> tuple[Module, ...]:  # of many experts, so made once
        """One module for each expert."""
        count = next(iter(self.fused.values())).experts
        return tuple(
            Module(f"{self.name}.{e}", {i: (change.of_expert(e),) for i, change in self.fused.items()})
            for e in range(count)
        )

    def plan(self, rank: int, dtype: str) -> TensorPlan:
        """What is read for it: the factors of all experts."""
        read = [(str(i), t) for i, change in self.fused.items() for t in (change.down, change.up)]
        return self._plan(read, rank, dtype)


@dataclass(frozen=True)
class Whole:
    """A tensor that adapters have as it is: a module that they save, a trained bias, or the bias of B.

    Parameters
    ----------
    name : str
        As plain name in the model: of a bias of B, the name of the module with ``.lora_B.bias``.
    base : input of a merge
        What changes are relative to.
    values : mapping of int to input of a merge
        By number of the adapter.
    """

    name: str
    base: Any
    values: Mapping[int, Any]

    @property
    def module(self) -> str:
        """Name of its module."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Members:
    """Some adapters of one model.

    Parameters
    ----------
    adapters : tuple of Adapter
    labels : tuple of str
        Short unique names.
    modules : tuple of Module
    wholes : tuple of Whole
    layout : Layout
        Of all names.
    base : ModelRef, optional
        The model, where it was given.
    """

    adapters: tuple[Adapter, ...]
    labels: tuple[str, ...]
    modules: tuple[Module, ...]
    wholes: tuple[Whole, ...]
    layout: Layout
    base: ModelRef | None = None

    @property
    def folders(self) -> set[Path]:
        """Folders that are read."""
        whole = [value for w in self.wholes for value in (w.base, *w.values.values())]
        before = [update.before for module in self.modules for update in module.updates.values()]
        read = {t.file.parent for value in (*whole, *before) for t in value.leaves()}
        return {*(adapter.folder for adapter in self.adapters), *read}

    @property
    def base_name(self) -> str | None:
        """The model that the result is for, as its config names it."""
        if self.base is None:
            return next((adapter.base for adapter in self.adapters if adapter.base), None)
        return str(folder.absolute()) if (folder := Path(self.base.path).expanduser()).is_dir() else self.base.path

    @property
    def revision(self) -> str | None:
        """The revision of that model."""
        own = self.base.revision if self.base is not None else None
        return own or next((adapter.revision for adapter in self.adapters if adapter.revision), None)


def is_saved(whole: Whole) -> bool:
    """Whether it is a tensor of the model, and not the bias of B."""
    return not whole.name.endswith(".lora_B.bias")


def as_matrices(step: LowRank) -> LowRank:
    """A change in the orientation of BA, with factors as matrices."""
    down = replace(step.down, shape=(step.rank, step.inputs))
    return replace(step, down=down, up=replace(step.up, shape=step.up.shape[:2]), transposed=False)
