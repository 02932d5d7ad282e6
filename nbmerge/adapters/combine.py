"""The factors of one module of a merged adapter, from those of the adapters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nbmerge.adapters.budget import Budget
from nbmerge.adapters.combinations import Mixer
from nbmerge.adapters.inputs import Zeros
from nbmerge.adapters.members import Module, Whole, as_matrices
from nbmerge.adapters.parts import Factors, balanced_factors, product_error
from nbmerge.adapters.stacking import join_decompositions, stack_factors
from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted, LowRank
from nbmerge.engine.compute import Blocks, TensorInMemory, Workspace
from nbmerge.engine.planning import TensorPlan
from nbmerge.errors import CheckpointError
from nbmerge.methods import Values
from nbmerge.statistics.structure.decomposition import Decomposition, decompose, worker_bytes

WHOLE = 1 << 18
"""Elements up to which a merged product is decomposed as a whole."""
PASSES = 8
"""The most passes over a larger one."""
GROWTH = 5e-3
"""Share that a pass must add to what the factors hold for another one to follow."""

ROUNDING = 1e-14
"""Singular values of a product up to this share of the lengths of its factors are rounding."""


@dataclass(frozen=True)
class Combiner:
    """Combines the changes of adapters, module by module.

    Parameters
    ----------
    mixer : Mixer
    labels : tuple of str
    weights : tuple of float
        Of the adapters.
    budget : Budget, optional
        Ranks of the result, where its combination type cuts them; if None, those of the adapters.
    seed : int
        Of random masks.
    dtype : torch.dtype
        Of the factors.
    """

    mixer: Mixer
    labels: tuple[str, ...]
    weights: tuple[float, ...]
    budget: Budget | None
    seed: int
    dtype: torch.dtype

    def combine(self, module: Module, workspace: Workspace) -> tuple[Decomposition, Factors]:
        """The singular values of the merged change, and its factors as they are stored.

        Those of experts in one tensor are cut to one rank, and stored as peft does; their singular values are √Σσ² over the experts.

        Raises
        ------
        CheckpointError
            When a factor or the merged change contains NaN or infinity.
        """
        read = _Reader(self.labels, workspace)
        merged = [self._merge(matrix, read) for matrix in module.matrices]
        found = join_decompositions([each.found for each in merged])
        rank = self.most(module).choose(found.values**2, found.energy) if self.mixer.kind.cuts else self.rank(module)
        return found, stack_factors([each.cut(rank) for each in merged])

    def most(self, module: Module) -> Budget:
        """The ranks that a module gets at most."""
        return self.budget or Budget(max(module.ranks))

    def rank(self, module: Module) -> int:
        """The highest rank that a module may get."""
        if not self.mixer.kind.cuts:
            return max(module.ranks) if self.mixer.kind.of == "factors" else sum(module.ranks)
        return min(self.most(module).rank, *module.shape)

    def worker_bytes(self, module: Module) -> int:
        """The most memory that a module needs besides blocks."""
        (rows, columns), ranks, count = module.shape, sum(module.ranks), len(module.matrices)
        thin = 8 * ranks * (rows + columns) * 4 * count
        if not self._needs_products(module):
            return thin
        found = 4 * rows * columns + 4 * self.rank(module) * (rows + columns)
        return thin + count * found + worker_bytes(rows, columns, 1, self.rank(module), whole=WHOLE, passes=PASSES)

    def _needs_products(self, module: Module) -> bool:
        return self.mixer.kind.of == "products" or bool(module.updates)

    def _merge(self, matrix: Module, read: _Reader) -> _Merged:
        """The merged change of one matrix."""
        if self._needs_products(matrix):
            return self._merge_products(matrix, read)
        factors = {i: [read.factors(i, step) for step in map(as_matrices, own)] for i, own in matrix.changes.items()}
        up = torch.cat([b for own in factors.values() for b, _ in own], 1)
        down = torch.cat(
            [
                a * (self.weights[i] * step.scale)
                for i, own in factors.items()
                for (_, a), step in zip(own, matrix.changes[i], strict=True)
            ]
        )  # [B₁, B₂, …] and [w₁s₁A₁; w₂s₂A₂; …], whose product is the weighted sum of the products
        found = decompose_product(up, down)
        if self.mixer.kind.of == "factors":
            return self._merge_factors(matrix, found, {i: own[0] for i, own in factors.items()}, (up, down), read)
        if not self.mixer.kind.cuts:
            b, a = up.to(self.dtype), down.to(self.dtype)
            return _Merged(found, lambda rank: Factors(b, a, product_error(b.double(), a.double(), up, down)))

        def cut(rank: int) -> Factors:
            factors = balanced_factors(found, rank, False, self.dtype)
            return replace(factors, lost=product_error(factors.b.double(), factors.a.double(), up, down))

        return _Merged(found, cut)

    def _merge_factors(
        self,
        matrix: Module,
        exact: Decomposition,
        factors: dict[int, tuple[torch.Tensor, torch.Tensor]],
        stacked: tuple[torch.Tensor, torch.Tensor],
        read: _Reader,
    ) -> _Merged:
        """A and B merged apart, each with the root of a weight, as peft does."""
        weights = [self.weights[i] * matrix.changes[i][0].scale for i in factors]
        roots = [math.sqrt(abs(weight)) for weight in weights]
        signed = [math.copysign(root, weight) for root, weight in zip(roots, weights, strict=True)]
        ups, downs = ({i: pair[k] for i, pair in factors.items()} for k in (0, 1))
        down = self._mixed(f"{matrix.name}.lora_A.weight", downs, signed, read.workspace)
        up = self._mixed(f"{matrix.name}.lora_B.weight", ups, roots, read.workspace)
        b, a = up.to(self.dtype), down.to(self.dtype)
        if self.mixer.kind.thin is None:
            made = Factors(b, a, product_error(b.double(), a.double(), *stacked))
            return _Merged(exact, lambda rank: made)
        made = Factors(b, a, product_error(b.double(), a.double(), up.double(), down.double()))
        return _Merged(decompose_product(up.double(), down.double()), lambda rank: made)

    def _mixed(
        self, name: str, sources: dict[int, torch.Tensor], weights: list[float], workspace: Workspace
    ) -> torch.Tensor:
        held = [TensorInMemory(name, factor.float()) for factor in sources.values()]
        return self.mixer.whole(_plan(name, held), weights, self._streams(name, sources), workspace)

    def _merge_products(self, matrix: Module, read: _Reader) -> _Merged:
        for i, step in ((i, step) for i, own in matrix.changes.items() for step in own):
            read.check(i, step)
        transposed = any(update.is_transposed for update in matrix.updates.values())
        shape = matrix.shape[::-1] if transposed else matrix.shape
        products = [
            matrix.updates.get(i) or Adapted(matrix.weight, Zeros(shape), _turned(own, transposed))
            for i, own in matrix.changes.items()
        ]
        weights = [self.weights[i] for i in matrix.changes]
        streams = self._streams(matrix.weight, matrix.changes)
        merged = self.mixer.whole(_plan(matrix.weight, products), weights, streams, read.workspace)
        merged = merged.T.contiguous() if transposed else merged
        found = self._decompose(matrix, merged, read.workspace)
        if not np.isfinite(found.energy):
            raise CheckpointError(
                f"the merged change of {matrix.weight:.200} contains NaN, infinity or extremely large numbers. Download the adapters "
                "and their base model again."
            )

        def cut(rank: int) -> Factors:
            factors = balanced_factors(found, rank, False, self.dtype)
            return replace(factors, lost=_distance(merged, factors))

        return _Merged(found, cut)

    def _decompose(self, matrix: Module, merged: torch.Tensor, workspace: Workspace) -> Decomposition:
        plan = _plan(matrix.weight, [TensorInMemory(matrix.weight, merged)])
        rank = self.rank(matrix)
        blocks = Blocks(plan, workspace, "row")
        return decompose(blocks, matrix.weight, rank, whole=WHOLE, passes=PASSES, growth=GROWTH, beyond=rank)[0]

    def merge_whole(self, whole: Whole, tensor: TensorPlan, workspace: Workspace) -> Any:
        """The blocks of a tensor that adapters have as it is."""
        weights = [self.weights[i] for i in whole.values]
        return self.mixer.blocks(tensor, weights, self._streams(whole.name, whole.values), workspace)

    def _streams(self, name: str, numbers: Any) -> list[str]:
        """Keys of random numbers, as recipes have them for their models."""
        return [f"{self.seed}/{i}/{name}" for i in numbers]


@dataclass(frozen=True)
class _Merged:
    """The merged change of a matrix: its singular values, and its factors of a rank."""

    found: Decomposition
    cut: Callable[[int], Factors]


class _Reader:
    """Reads factors of adapters in float64, those of all experts once.

    Parameters
    ----------
    labels : tuple of str
        Of the adapters.
    workspace : Workspace
    """

    def __init__(self, labels: tuple[str, ...], workspace: Workspace):
        self.workspace = workspace
        self._labels = labels
        self._of_all: dict[int, torch.Tensor] = {}

    def factors(self, i: int, step: LowRank) -> tuple[torch.Tensor, torch.Tensor]:
        """B and A of a change by an adapter."""
        if step.columns is None:
            return self._read(i, step.up), self._read(i, step.down)
        if i not in self._of_all:
            self._of_all[i] = self._read(i, step.up)
        first, apart = step.columns
        return self._of_all[i][:, first::apart], self._read(i, step.down)

    def check(self, i: int, step: LowRank) -> None:
        """Refuse NaN and infinity."""
        self.factors(i, step)
        if step.magnitude is not None:
            self._read(i, step.magnitude)

    def _read(self, i: int, stored: StoredTensor) -> torch.Tensor:
        values = self.workspace.stored(0, stored, 0, stored.count).view(stored.shape).to(torch.float64, copy=True)
        if not torch.isfinite(values).all():
            raise CheckpointError(
                f"{self._labels[i]} contains NaN or infinity in {stored.name:.200}. Download or train it again."
            )
        return values


def _turned(steps: Sequence[LowRank], transposed: bool) -> tuple[LowRank, ...]:
    """Changes in the orientation of BA, or of its transpose."""
    return tuple(replace(as_matrices(step), transposed=transposed) for step in steps)


def _plan(name: str, sources: list[Any]) -> TensorPlan:
    """Zeros and some tensors."""
    inputs = (Zeros(sources[0].shape), *sources)
    labels = tuple(map(str, range(len(inputs))))
    return TensorPlan(name, sources[0].shape, "float32", None, "other", "passthrough", inputs, labels, Values({}, {}))


def decompose_product(up: torch.Tensor, down: torch.Tensor) -> Decomposition:
    """Singular values and vectors of a product of thin matrices, without the product: from QR decompositions of both.

    Parameters
    ----------
    up : Tensor of float64, shape (outputs, n)
    down : Tensor of float64, shape (n, inputs)
    """
    left, r = torch.linalg.qr(up)
    right, s = torch.linalg.qr(down.T)
    u, values, vh = torch.linalg.svd(r @ s.T, full_matrices=False)
    values[values < ROUNDING * up.norm() * down.norm()] = 0.0  # what is left where changes cancel
    energy = float(values.square().sum())
    return Decomposition(values.numpy(), np.zeros(len(values)), energy, len(values), right @ vh.T, left @ u)


def _distance(merged: torch.Tensor, factors: Factors) -> float:
    """‖merged − BA‖², some rows at a time."""
    a = factors.a.double()
    step = max(1, WHOLE // merged.shape[1])
    pieces = zip(merged.split(step), factors.b.double().split(step), strict=True)
    return sum(float((rows.double() - b @ a).square().sum()) for rows, b in pieces)
