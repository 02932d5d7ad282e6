"""The factors of one module of a merged adapter, from those of the adapters."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nbmerge.adapters.budget import Budget
from nbmerge.adapters.combinations import Mixer
from nbmerge.adapters.members import Module, Whole, as_matrices
from nbmerge.adapters.parts import Factors, balanced_factors, product_error
from nbmerge.adapters.zeros import Zeros
from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted
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

        Raises
        ------
        CheckpointError
            When a factor contains NaN or infinity.
        """
        of = self.mixer.kind.of
        if of == "products":
            return self._merge_products(module, workspace)
        up, down = self._stacked(module, workspace)
        found = decompose_product(up, down)
        if of == "factors":
            return self._merge_factors(module, found, (up, down), workspace)
        if self.mixer.kind.cuts:
            rank = self.most(module).choose(found.values**2, found.energy)
            factors = balanced_factors(found, rank, False, self.dtype)
            return found, replace(factors, lost=product_error(factors.b.double(), factors.a.double(), up, down))
        b, a = up.to(self.dtype), down.to(self.dtype)
        return found, Factors(b, a, product_error(b.double(), a.double(), up, down))

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
        (rows, columns), ranks = module.shape, sum(module.ranks)
        thin = 8 * ranks * (rows + columns) * 4
        if self.mixer.kind.of != "products":
            return thin
        return thin + 4 * rows * columns + worker_bytes(rows, columns, 1, self.rank(module), whole=WHOLE, passes=PASSES)

    def _stacked(self, module: Module, workspace: Workspace) -> tuple[torch.Tensor, torch.Tensor]:
        """[B₁, B₂, …] and [w₁s₁A₁; w₂s₂A₂; …], whose product is the weighted sum of the products."""
        ups, downs = [], []
        for i, change in module.changes.items():
            for step in map(as_matrices, change):
                ups.append(self._read(i, step.up, workspace))
                downs.append(self._read(i, step.down, workspace) * (self.weights[i] * step.scale))
        return torch.cat(ups, 1), torch.cat(downs)

    def _read(self, i: int, stored: StoredTensor, workspace: Workspace) -> torch.Tensor:
        """A factor of an adapter in float64."""
        values = workspace.stored(0, stored, 0, stored.count).view(stored.shape).to(torch.float64, copy=True)
        if not torch.isfinite(values).all():
            raise CheckpointError(
                f"{self.labels[i]} contains NaN or infinity in {stored.name:.200}. Download or train it again."
            )
        return values

    def _merge_factors(
        self, module: Module, exact: Decomposition, stacked: tuple[torch.Tensor, torch.Tensor], workspace: Workspace
    ) -> tuple[Decomposition, Factors]:
        """A and B merged apart, each with the root of a weight, as peft does."""
        steps = {i: as_matrices(change) for i, (change,) in module.changes.items()}
        weights = {i: self.weights[i] * step.scale for i, step in steps.items()}
        roots = [math.sqrt(abs(weight)) for weight in weights.values()]
        signed = [math.copysign(root, weight) for root, weight in zip(roots, weights.values(), strict=True)]
        downs, ups = {i: step.down for i, step in steps.items()}, {i: step.up for i, step in steps.items()}
        down = self._mixed(f"{module.name}.lora_A.weight", downs, signed, workspace)
        up = self._mixed(f"{module.name}.lora_B.weight", ups, roots, workspace)
        b, a = up.to(self.dtype), down.to(self.dtype)
        if self.mixer.kind.thin is None:
            return exact, Factors(b, a, product_error(b.double(), a.double(), *stacked))
        lost = product_error(b.double(), a.double(), up.double(), down.double())
        return decompose_product(up.double(), down.double()), Factors(b, a, lost)

    def _mixed(
        self, name: str, sources: dict[int, StoredTensor], weights: list[float], workspace: Workspace
    ) -> torch.Tensor:
        read = [TensorInMemory(name, self._read(i, stored, workspace).float()) for i, stored in sources.items()]
        return self.mixer.whole(_plan(name, read), weights, self._streams(name, sources), workspace)

    def _merge_products(self, module: Module, workspace: Workspace) -> tuple[Decomposition, Factors]:
        steps = {i: tuple(map(as_matrices, change)) for i, change in module.changes.items()}
        for i, stored in ((i, t) for i, own in steps.items() for step in own for t in step.tensors):
            self._read(i, stored, workspace)  # refuses NaN
        products = [Adapted(module.weight, Zeros(module.shape), own) for own in steps.values()]
        weights = [self.weights[i] for i in steps]
        plan = _plan(module.weight, products)
        merged = self.mixer.whole(plan, weights, self._streams(module.weight, steps), workspace)
        found = self._decompose(module, merged, workspace)
        rank = self.most(module).choose(found.values**2, found.energy)
        factors = balanced_factors(found, rank, False, self.dtype)
        return found, replace(factors, lost=_distance(merged, factors))

    def _decompose(self, module: Module, merged: torch.Tensor, workspace: Workspace) -> Decomposition:
        plan = _plan(module.weight, [TensorInMemory(module.weight, merged)])
        rank = self.rank(module)
        blocks = Blocks(plan, workspace, "row")
        return decompose(blocks, module.weight, rank, whole=WHOLE, passes=PASSES, growth=GROWTH, beyond=rank)[0]

    def merge_whole(self, whole: Whole, tensor: TensorPlan, workspace: Workspace) -> Any:
        """The blocks of a tensor that adapters have as it is."""
        weights = [self.weights[i] for i in whole.values]
        return self.mixer.blocks(tensor, weights, self._streams(whole.name, whole.values), workspace)

    def _streams(self, name: str, numbers: Any) -> list[str]:
        """Keys of random numbers, as recipes have them for their models."""
        return [f"{self.seed}/{i}/{name}" for i in numbers]


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
