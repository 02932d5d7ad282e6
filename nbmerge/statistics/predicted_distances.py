"""What follows from sums alone: a combination's norms, cosines and distances, from its coefficients.

Over [base, δ₁ … δₙ] a measured model is a short vector p, and a merge Σ cᵢWᵢ is the vector a = Σ cᵢpᵢ. With the Gram
matrix G of that basis ⟨M, P⟩ = aᵀGp and ‖M − P‖² = (a−p)ᵀG(a−p): a few numbers per tensor instead of its weights.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.errors import PredictionError
from nbmerge.methods import Combination, Method, methods
from nbmerge.statistics.distances import Changes
from nbmerge.statistics.measured_distances import compared, frame

if TYPE_CHECKING:
    from nbmerge.statistics.statistics import Statistics


@dataclass
class Trace:
    """A plan's tensors matched with those that were measured.

    Parameters
    ----------
    tensors : list of TensorPlan
    methods : list of Combination
        What is carried out for each.
    rows : list of int
        For each its place in the statistics.
    models : list of list of int
        For each of its inputs the place of the model, 0 for the base.
    obstacles : dict of str to list of str
        Reason to names of the tensors that cannot be predicted.
    """

    tensors: list[TensorPlan] = field(default_factory=list)
    methods: list[Combination] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    models: list[list[int]] = field(default_factory=list)
    obstacles: dict[str, list[str]] = field(default_factory=dict)

    def add(self, tensor: TensorPlan, method: Method, row: int | None, models: list[int | None]) -> None:
        """Take a tensor in, or note what stands in its way."""
        if not isinstance(method, Combination):
            reason = f"{tensor.method} merges element by element"
        elif None in models:
            reason = f"{tensor.models[models.index(None)]} was not measured"
        elif row is None:
            reason = "its tensors are not those that were compared"
        else:
            self.tensors.append(tensor)
            self.methods.append(method)
            self.rows.append(row)
            self.models.append([m for m in models if m is not None])
            return
        self.obstacles.setdefault(reason, []).append(tensor.name)


def trace(statistics: Statistics, plan: Plan) -> Trace:
    """Find a plan's inputs among what was measured, by folder and by name within it."""
    places = {path: i for i, path in reversed(list(enumerate(statistics.paths)))}
    stored = {ref: c.folders for ref, c in plan.checkpoints.items() if plan.recipe.merge_named(ref) is None}
    models = {label: places.get(stored.get(ref, ())) for ref, label in plan.labels.items()}
    found, known = Trace(), methods()
    for tensor in compared(plan):
        method = known[tensor.method].resolve(tensor.values)
        found.add(tensor, method, _row(statistics, tensor), [models[m] for m in tensor.models])
    return found


def _row(statistics: Statistics, tensor: TensorPlan) -> int | None:
    """Where the inputs were compared: a layer under their own name, which in a stack is not that of the result."""
    names = {i.name for i in tensor.inputs}
    if len(names) > 1:  # tied models give their embedding for a head
        names = {tensor.name} if tensor.layer is None else set()
    row = statistics.rows.get(names.pop()) if names else None
    return row if row is not None and statistics.counts[row] == tensor.count else None


def predict(statistics: Statistics, plan: Plan) -> Changes:
    """See `Statistics.predict`."""
    found, sums = predicted_sums(statistics, plan)
    return Changes(frame(found.tensors, sums), plan.parents, plan.depth, plan.base_label)


def predicted_sums(statistics: Statistics, plan: Plan) -> tuple[Trace, np.ndarray]:
    """A plan's tensors, and the sums of `Changes` for each of their inputs, shape (inputs of all tensors, 4).

    Raises
    ------
    PredictionError
        See `Statistics.predict`.
    """
    found = trace(statistics, plan)
    if found.obstacles:
        reasons = "; ".join(f"{why} ({names[0]}{_more(names)})" for why, names in found.obstacles.items())
        raise PredictionError(
            f"This merge cannot be predicted from the statistics: {reasons}. Use nbmerge.measure_merge(recipe) instead."
        )
    gram = statistics.tally.gram[found.rows]
    inputs, real = _inputs(found.models, gram.shape[-1])
    merged = _merged(found, inputs, gram)
    return found, _sums(merged, inputs, gram)[real]


def gram_of(statistics: Statistics, tensor: TensorPlan) -> np.ndarray | None:
    """See `Statistics.gram`."""
    places = {path: i for i, path in reversed(list(enumerate(statistics.paths)))}
    models = [places.get((i.file.parent,)) if isinstance(i, StoredTensor) else None for i in tensor.inputs]
    row, known = _row(statistics, tensor), [m for m in models if m is not None]
    if row is None or len(known) < len(models):
        return None
    gram = statistics.tally.gram[row]
    inputs, _ = _inputs([known], gram.shape[-1])
    steps = inputs[0]
    steps[1:] -= steps[:1].copy()
    return steps @ gram @ steps.T


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""


def _inputs(models: list[list[int]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every input as a vector over [base, δ₁ … δₙ], shape (tensors, most inputs, size), and which of them are real."""
    most = max(map(len, models), default=0)
    column = np.array([[*m, *[-1] * (most - len(m))] for m in models], dtype=int).reshape(len(models), most)
    vectors = (column[..., None] == np.arange(size)).astype(float)
    vectors[..., 0] = column >= 0  # a model is the base plus its own δ
    return vectors, column >= 0


def _merged(found: Trace, inputs: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """Every merged tensor as such a vector, shape (tensors, size)."""
    steps = inputs.copy()
    steps[:, 1:] -= inputs[:, :1]
    own = steps @ gram @ steps.swapaxes(1, 2)  # over [W₀, W₁−W₀, …], as the engine gives it to a method
    coefficients = np.zeros(inputs.shape[:2])
    for t, (tensor, method) in enumerate(zip(found.tensors, found.methods, strict=True)):
        n = len(tensor.inputs)
        coefficients[t, :n] = method.coefficients(tensor.values, own[t, :n, :n] if method.needs_gram else None)
    return np.einsum("ti,tik->tk", coefficients, inputs)


def _sums(merged: np.ndarray, inputs: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """‖M‖², ⟨M, P⟩, ‖P‖², ‖M − P‖² for every input P, shape (tensors, most inputs, 4)."""
    apart = merged[:, None] - inputs
    apart[np.abs(apart) < 1e-12] = 0.0  # the engine takes coefficients that sum to one within this as exact, too
    image = merged[:, None] @ gram
    mm = np.sum(image * merged[:, None], -1)
    mp = np.sum(image * inputs, -1)
    pp = np.sum((inputs @ gram) * inputs, -1)
    dd = np.sum((apart @ gram) * apart, -1)
    return np.stack([np.broadcast_to(mm, mp.shape), mp, pp, np.maximum(dd, 0.0)], -1)
