"""A merge that is heard without being made: the parents' layers are evaluated side by side and their outputs summed.

For methods whose result is Σ cᵢWᵢ the merged layer's output is Σ cᵢ(Wᵢx). The parents' matrices stay where they are,
mapped into memory, and a change of the recipe is a change of coefficients. Each token costs as many products as there are
parents, so this is for a first impression; see `nbmerge.engine.choice` for when it pays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.assembled import assembled, empty_weights, tokenizer_of
from nbmerge.engine.blended import Blend, BlendedEmbedding, BlendedLinear
from nbmerge.engine.crew import Crew
from nbmerge.engine.fetch import fetch
from nbmerge.engine.live import Update
from nbmerge.engine.plan import Plan, TensorPlan
from nbmerge.engine.planner import plan as make_plan
from nbmerge.engine.revised import plan_after
from nbmerge.errors import VirtualError
from nbmerge.methods import Combination
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Gram = Callable[[TensorPlan], "np.ndarray | None"]
"""The Gram matrix over [W₀, W₁−W₀, …] of a tensor's inputs, None where it is not known; see `Statistics.gram`."""

FORMED = 1 << 16
"""Elements up to which a tensor that belongs to no known kind of module is formed like a vector."""


def virtual(recipe: Recipe | str | Plan, *, gram: Gram | None = None) -> VirtualMerge:
    """Evaluate a merge from its parents' layers.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    gram : callable, optional
        Where methods that need angles have them from, such as `Statistics.gram`; default one look at the weights, whose
        findings are kept for later updates.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    VirtualError
        When a tensor is not a weighted sum, or belongs to a module that cannot be blended; it names which.
    """
    plan = recipe if isinstance(recipe, Plan) else make_plan(recipe)
    if (why := obstacle(plan)) is not None:
        raise VirtualError(f"{why} Use nbmerge.live instead, which forms the weights.")
    return VirtualMerge(plan, gram)


def obstacle(plan: Plan) -> str | None:
    """Why a plan cannot be evaluated from its parents' layers, None where nothing is known against it.

    What its architecture is made of is seen when it is built.
    """
    for tensor in plan.tensors:
        if len(tensor.shape) < 2:
            continue
        if not isinstance(tensor.how, Combination):
            return f"{tensor.name} is made by {tensor.method}, element by element, and is no weighted sum."
        if not all(type(i) is StoredTensor for i in tensor.inputs):
            return f"{tensor.name} is made from tensors that are computed themselves, not from stored ones."
    return None


class VirtualMerge:
    """A merge that is evaluated and not made; by `virtual`.

    Attributes
    ----------
    model : PreTrainedModel
        In evaluation mode. Its matrices are blends of mapped parents; its vectors are formed.
    tokenizer : PreTrainedTokenizerBase or None
    plan : Plan
        What the model is now.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase | None

    def __init__(self, plan: Plan, gram: Gram | None = None):
        self._lock = threading.RLock()
        self._crew = Crew()
        self._gram = gram or (lambda tensor: None)
        self._make(plan)

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model is."""
        return self.plan.recipe

    def update(self, recipe: Recipe | str | Plan) -> Update:
        """Change to another recipe: coefficients, and vectors whose numbers changed.

        Raises
        ------
        RecipeError, VirtualError
            The model is as it was.
        """
        began = time.perf_counter()
        plan = recipe if isinstance(recipe, Plan) else plan_after(self.plan, recipe)
        if (why := obstacle(plan)) is not None:
            raise VirtualError(f"{why} Use nbmerge.live instead, which forms the weights.")
        with self._lock:
            other = plan.config != self.plan.config or list(map(_made_of, plan.tensors)) != self._made_of
            if self._crew.mapped.refresh() or other:  # files that were saved anew are mapped anew
                self._make(plan)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            changed = [t for t in plan.tensors if t != self.plan[t.name]]
            self._set(changed)
            if plan.tokenizer != self.plan.tokenizer:
                self.tokenizer = tokenizer_of(plan)
            self.plan = plan
        return Update(tuple(t.name for t in changed), time.perf_counter() - began)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the model as it is: updates wait. Whoever samples or scores it does so by itself."""
        with self._lock:
            yield

    def _make(self, plan: Plan) -> None:
        fetch(plan.tensors)
        places = empty_weights(plan)  # never touched where a blend takes their place, so never in memory
        model = assembled(plan, places)
        self._blends: dict[str, Blend] = {}
        self._formed: dict[str, torch.Tensor] = {}
        names = {t.data_ptr(): name for name, t in places.items()}
        for path, module in list(model.named_modules()):
            self._replace(plan, model, path, module, names)
        lost = [t.name for t in plan.tensors if t.name not in self._blends and t.name not in self._formed]
        if lost:
            what = f"{type(model).__name__} does not hold {lost[0]} as it is stored ({len(lost)} such tensors)"
            raise VirtualError(f"{what}, so it cannot be blended. Use nbmerge.live instead.")
        self._set(plan.tensors)
        self.plan, self.model, self.tokenizer = plan, model, tokenizer_of(plan)
        self._made_of = list(map(_made_of, plan.tensors))

    def _replace(self, plan: Plan, model: nn.Module, path: str, module: nn.Module, names: dict[int, str]) -> None:
        """Put a blend in place of a module that holds a matrix; note what is to be formed in others."""
        own = {key: p for key, p in (*module._parameters.items(), *module._buffers.items()) if p is not None}
        for key, parameter in own.items():
            name = names.get(parameter.data_ptr())
            if name is None or name in self._formed:
                continue
            if key == "weight" and parameter.dim() == 2 and (kind := _kind(module)) is not None:
                blend = self._blends.get(name)
                if blend is None:
                    parents = [self._crew.mapped.tensor(i) for i in plan[name].inputs]
                    blend = self._blends[name] = Blend(parents, parameter.dtype)
                model.set_submodule(path, kind(blend, module))
            elif parameter.dim() < 2 or parameter.numel() <= FORMED:
                self._formed[name] = parameter.data
            else:
                what = f"{name} lies in a {type(module).__name__}, of which nothing is known that could be blended."
                raise VirtualError(f"{what} Use nbmerge.live instead, which forms the weights.")

    def _set(self, tensors) -> None:
        formed = [t for t in tensors if t.name in self._formed]
        self._crew.run(formed, lambda t: self._formed[t.name].view(-1))
        for tensor in tensors:
            if tensor.name in self._blends:
                self._blends[tensor.name].coefficients = self._coefficients(tensor)

    def _coefficients(self, tensor: TensorPlan) -> tuple[float, ...]:
        method = tensor.how
        gram = None
        if method.needs_gram:
            gram = self._gram(tensor)
            if gram is None:
                gram = self._crew.gram(tensor)
        return tuple(float(c) for c in method.coefficients(tensor.values, gram))

    def __repr__(self) -> str:
        return f"<VirtualMerge {self.recipe!r}: {len(self.plan.parents)} models evaluated side by side>"


def _made_of(tensor: TensorPlan) -> tuple:
    return tensor.name, tensor.shape, tensor.dtype, tensor.inputs


def _kind(module: nn.Module) -> Callable[[Blend, nn.Module], nn.Module] | None:
    """What takes the place of a module that is a known linear map or table, and no subclass of one with ways of its own."""
    from transformers.pytorch_utils import Conv1D

    if type(module) is nn.Linear:
        return lambda blend, old: BlendedLinear(blend, old.bias)
    if type(module) is Conv1D:
        return lambda blend, old: BlendedLinear(blend, old.bias, transposed=True)
    if type(module) is nn.Embedding and module.max_norm is None:
        return lambda blend, old: BlendedEmbedding(blend)
    return None
