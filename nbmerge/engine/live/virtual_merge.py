"""A merge that is sampled without being computed: the parents' layers are evaluated and their outputs summed.

For methods whose result is Σ cᵢWᵢ the merged layer's output is Σ cᵢ(Wᵢx). The parents' matrices stay where they are,
mapped into memory, and a change of the recipe is a change of coefficients. Each token costs as many products as there are
parents, so this is for a first impression; see `nbmerge.engine.live.backend_choice` for when it pays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nbmerge.checkpoints import hub
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.live.blended_modules import Blend, BlendedEmbedding, BlendedLinear
from nbmerge.engine.live.merge_in_memory import MergeInMemory
from nbmerge.engine.live.update import Update
from nbmerge.engine.live.workers import LastingWorkers
from nbmerge.engine.loading.hf_model import assembled, empty_weights, tokenizer_of
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import VirtualError
from nbmerge.progress import Listener

if TYPE_CHECKING:
    from nbmerge.typing import RecipeLike, StopSignal

Gram = Callable[[TensorPlan], "np.ndarray | None"]
"""The Gram matrix over [W₀, W₁−W₀, …] of a tensor's inputs, None where it is not known; see `Statistics.gram`."""

Vectors = dict[str, torch.Tensor]
Coefficients = dict[str, tuple[float, ...]]

FORMED = 1 << 16
"""Elements up to which a tensor that belongs to no known kind of module is formed like a vector."""


@hub.stopping
def virtual(
    recipe: RecipeLike,
    *,
    progress: Listener | None = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    gram: Gram | None = None,
) -> VirtualMerge:
    """Evaluate a merge from its parents' layers.

    Parameters
    ----------
    recipe : Recipe, Plan, or anything that `Recipe.load` reads
    progress, cancel
        As in `merge`; they also cover the download of missing files.
    threads : int, optional
        Number of workers, also of later updates; results do not depend on it.
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
    plan = make_plan(recipe)
    if (why := plan.virtual_obstacle) is not None:
        raise VirtualError(f"{why} Use nbmerge.live instead, which forms the weights.")
    merge = VirtualMerge(plan, gram, threads)
    try:
        merge._make(plan, progress, cancel)
    except BaseException:
        merge.close()  # the error's traceback would keep mapped files and workers
        raise
    return merge


class VirtualMerge(MergeInMemory):
    """A merge that is evaluated from its parents' layers; returned by `virtual`.

    Attributes
    ----------
    model : PreTrainedModel
        In evaluation mode. Its matrices are blends of mapped parents; its vectors are formed.
    tokenizer : PreTrainedTokenizerBase or None
    plan : Plan
        What the model is now.
    """

    _kind, _maker = "virtual merge", "nbmerge.virtual"

    def __init__(self, plan: Plan, gram: Gram | None = None, threads: int | None = None):
        super().__init__(plan)
        self._workers = LastingWorkers(threads)
        self._gram = gram or (lambda tensor: None)
        self._modules = _Modules()
        self._altered: set[Path] = set()

    @hub.stopping
    def update(
        self, recipe: RecipeLike, *, progress: Listener | None = None, cancel: StopSignal | None = None
    ) -> Update:
        """Change to another recipe: coefficients, and vectors whose numbers changed.

        Raises
        ------
        RecipeError, VirtualError, MergeStopped, MergeError
            The model is as it was.
        """
        began = time.perf_counter()
        plan = self.plan_for(recipe)
        if (why := plan.virtual_obstacle) is not None:
            raise VirtualError(f"{why} Use nbmerge.live instead, which forms the weights.")
        with self._lock:
            self._require_open()
            other = plan.config != self._plan.config or list(map(_made_of, plan.tensors)) != self._made_of
            self._altered |= self._workers.mapped.refresh()  # files that were saved anew are mapped anew
            if self._altered or other:
                self._make(plan, progress, cancel)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            before = {t.name: t for t in self._plan.tensors} if self._ready else {}
            changed = [t for t in plan.tensors if t != before.get(t.name)]
            other_tokenizer = plan.tokenizer != self._plan.tokenizer
            tokenizer = tokenizer_of(plan) if other_tokenizer else self._tokenizer
            vectors, coefficients = self._numbers(self._modules, changed, progress, cancel)  # what may fail comes first
            with self._changing():
                self._modules.take(vectors, coefficients)
                self._plan, self._tokenizer = plan, tokenizer
        return Update(tuple(t.name for t in changed), time.perf_counter() - began)

    def _make(self, plan: Plan, progress: Listener | None, cancel: StopSignal | None) -> None:
        fetch(plan.tensors, progress, cancel)
        places = empty_weights(plan)  # never touched where a blend takes their place, so never in memory
        model, modules = assembled(plan, places), _Modules()
        names = {t.data_ptr(): name for name, t in places.items()}
        for path, module in list(model.named_modules()):
            self._replace(plan, model, modules, path, module, names)
        lost = [t.name for t in plan.tensors if t.name not in modules.blends and t.name not in modules.formed]
        if lost:
            what = f"{type(model).__name__} does not hold {lost[0]} as it is stored ({len(lost)} such tensors)"
            raise VirtualError(f"{what}, so it cannot be blended. Use nbmerge.live instead.")
        modules.take(*self._numbers(modules, plan.tensors, progress, cancel))
        tokenizer = tokenizer_of(plan)
        with self._changing():
            self._plan, self._model, self._tokenizer, self._modules = plan, model, tokenizer, modules
            self._made_of, self._altered = list(map(_made_of, plan.tensors)), set()

    def _replace(
        self, plan: Plan, model: nn.Module, modules: _Modules, path: str, module: nn.Module, names: dict[int, str]
    ) -> None:
        """Put a blend in place of a module that holds a matrix; note what is to be formed in others."""
        own = {key: p for key, p in (*module._parameters.items(), *module._buffers.items()) if p is not None}
        for key, parameter in own.items():
            name = names.get(parameter.data_ptr())
            if name is None or name in modules.formed:
                continue
            if key == "weight" and parameter.dim() == 2 and (kind := _kind(module)) is not None:
                blend = modules.blends.get(name)
                if blend is None:
                    parents = [self._workers.mapped.tensor(i) for i in plan[name].inputs]
                    blend = modules.blends[name] = Blend(parents, parameter.dtype)
                model.set_submodule(path, kind(blend, module))
            elif parameter.dim() < 2 or parameter.numel() <= FORMED:
                modules.formed[name] = parameter.data
            else:
                what = f"{name} lies in a {type(module).__name__}, of which nothing is known that could be blended."
                raise VirtualError(f"{what} Use nbmerge.live instead, which forms the weights.")

    def _numbers(
        self,
        modules: _Modules,
        tensors: Iterable[TensorPlan],
        progress: Listener | None,
        cancel: StopSignal | None,
    ) -> tuple[Vectors, Coefficients]:
        """What some tensors are made of in another recipe; the model is as it was."""
        formed = [t for t in tensors if t.name in modules.formed]
        vectors = {t.name: torch.empty_like(modules.formed[t.name]) for t in formed}
        self._workers.compute_into(formed, lambda t: vectors[t.name].view(-1), progress=progress, cancel=cancel)
        return vectors, {t.name: self._coefficients(t) for t in tensors if t.name in modules.blends}

    def _coefficients(self, tensor: TensorPlan) -> tuple[float, ...]:
        method = tensor.how
        gram = None
        if method.needs_gram:
            gram = self._gram(tensor)
            if gram is None:
                gram = self._workers.gram(tensor)
        return tuple(float(c) for c in method.coefficients(tensor.values, gram))

    def _release(self) -> None:
        self._workers.close()
        self._modules = _Modules()

    def _details(self) -> str:
        return f": {len(self._plan.parents)} models evaluated side by side"


class _Modules:
    """The places in a model that hold tensors of the merge, by the tensor's name."""

    def __init__(self) -> None:
        self.blends: dict[str, Blend] = {}
        self.formed: dict[str, torch.Tensor] = {}

    def take(self, vectors: Vectors, coefficients: Coefficients) -> None:
        """Put other numbers into them."""
        for name, vector in vectors.items():
            self.formed[name].copy_(vector)
        for name, numbers in coefficients.items():
            self.blends[name].coefficients = numbers


def _made_of(tensor: TensorPlan) -> tuple[Any, ...]:
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
