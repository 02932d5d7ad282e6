"""A merge that is sampled without computing its weights: the parents' layers are evaluated and their outputs summed.

For methods whose result is Σ cᵢWᵢ, the output of a merged layer is Σ cᵢ(Wᵢx). The parents' matrices are mapped into memory, and
a change of the recipe changes only coefficients. Each token costs one product per parent, so a virtual merge suits short
texts; `nbmerge.engine.live.backend_choice` estimates when it is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nbmerge.checkpoints import StoredTensor, hub
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.live.blended_modules import Blend, BlendedEmbedding, BlendedLinear
from nbmerge.engine.live.hf_model import allocate_weights, assemble_model, build_tokenizer
from nbmerge.engine.live.merge_in_memory import MergeInMemory
from nbmerge.engine.live.update import Update
from nbmerge.engine.live.workers import PersistentWorkers
from nbmerge.engine.planning.bare import require_model
from nbmerge.engine.planning.planner import plan as make_plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import VirtualError
from nbmerge.imports import import_lock
from nbmerge.methods import Combination
from nbmerge.progress import Listener
from nbmerge.progress_bars import show_progress

if TYPE_CHECKING:
    from nbmerge.typing import ProgressLike, RecipeLike, StopSignal

Gram = Callable[[TensorPlan], "np.ndarray | None"]
"""The Gram matrix over [W₀, W₁−W₀, …] of a tensor's inputs, None if it is not known; see `Statistics.gram`."""

Vectors = dict[str, torch.Tensor]
Coefficients = dict[str, tuple[float, ...]]

MAX_COMPUTED = 1 << 16
"""Maximum number of elements of a tensor in an unknown kind of module that is computed, as vectors are."""


@hub.stopping
def virtual(
    recipe: RecipeLike,
    *,
    progress: ProgressLike = None,
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
        Provides the angles that some methods need, such as `Statistics.gram`; by default the weights are read once, and
        the result is kept for later updates.

    Raises
    ------
    RecipeError
        With all problems, before a weight is read.
    VirtualError
        When a tensor is not a weighted sum, or belongs to a module that cannot be blended; the message names it.
    """
    plan = make_plan(recipe)
    require_model(plan, "A virtual merge")
    if (why := plan.virtual_obstacle) is not None:
        raise VirtualError(f"{why} Use nbmerge.live instead, which computes the weights.")
    merge = VirtualMerge(plan, gram, threads)
    try:
        with show_progress(progress, "Preparing the virtual merge") as listener:
            merge._build(plan, listener, cancel)
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
        self._workers = PersistentWorkers(threads)
        self._gram = gram or (lambda tensor: None)
        self._modules = _Modules()
        self._changed_files: set[Path] = set()

    @hub.stopping
    def update(self, recipe: RecipeLike, *, progress: ProgressLike = None, cancel: StopSignal | None = None) -> Update:
        """Change to another recipe: coefficients, and vectors whose numbers changed.

        Raises
        ------
        RecipeError, VirtualError, MergeStopped, MergeError
            The model is unchanged.
        """
        began = time.perf_counter()
        plan = self.plan_for(recipe)
        if (why := plan.virtual_obstacle) is not None:
            raise VirtualError(f"{why} Use nbmerge.live instead, which computes the weights.")
        with self._lock, show_progress(progress, "Updating the merge") as listener:
            self._require_open()
            rebuild = plan.config != self._plan.config or list(map(_signature, plan.tensors)) != self._signatures
            self._changed_files |= self._workers.mapped.refresh()  # modified files are mapped again
            if self._changed_files or rebuild:
                self._build(plan, listener, cancel)
                return Update(tuple(t.name for t in plan.tensors), time.perf_counter() - began)
            before = {t.name: t for t in self._plan.tensors} if self._ready else {}
            changed = [t for t in plan.tensors if t != before.get(t.name)]
            other_tokenizer = plan.tokenizer != self._plan.tokenizer
            # Before the model changes, because both may fail.
            tokenizer = build_tokenizer(plan) if other_tokenizer else self._tokenizer
            vectors, coefficients = self._compute_numbers(self._modules, changed, listener, cancel)
            with self._updating():
                self._modules.set_numbers(vectors, coefficients)
                self._plan, self._tokenizer = plan, tokenizer
        return Update(tuple(t.name for t in changed), time.perf_counter() - began)

    def _build(self, plan: Plan, progress: Listener | None, cancel: StopSignal | None) -> None:
        fetch(plan.tensors, progress, cancel)
        weights = allocate_weights(plan)  # blended ones are never written to, so they take no memory
        model, modules = assemble_model(plan, weights), _Modules()
        names = {t.data_ptr(): name for name, t in weights.items()}
        for path, module in list(model.named_modules()):
            self._replace(plan, model, modules, path, module, names)
        unused = [t.name for t in plan.tensors if t.name not in modules.blends and t.name not in modules.computed]
        if unused:
            what = f"{type(model).__name__} does not use {unused[0]} as it is stored ({len(unused)} such tensors)"
            raise VirtualError(f"{what}, so it cannot be blended. Use nbmerge.live instead.")
        modules.set_numbers(*self._compute_numbers(modules, plan.tensors, progress, cancel))
        tokenizer = build_tokenizer(plan)
        with self._updating():
            self._plan, self._model, self._tokenizer, self._modules = plan, model, tokenizer, modules
            self._signatures, self._changed_files = list(map(_signature, plan.tensors)), set()

    def _replace(
        self, plan: Plan, model: nn.Module, modules: _Modules, path: str, module: nn.Module, names: dict[int, str]
    ) -> None:
        """Replace a module that has a matrix by a blend; register what must be computed in other modules."""
        own = {key: p for key, p in (*module._parameters.items(), *module._buffers.items()) if p is not None}
        for key, parameter in own.items():
            name = names.get(parameter.data_ptr())
            if name is None or name in modules.computed:
                continue
            if key == "weight" and parameter.dim() == 2 and (make := _replacement(module)) is not None:
                blend = modules.blends.get(name)
                if blend is None:
                    blend = modules.blends[name] = Blend(self._parents(plan[name]), parameter.dtype)
                model.set_submodule(path, make(blend))
            elif parameter.dim() < 2 or parameter.numel() <= MAX_COMPUTED:
                modules.computed[name] = parameter.data
            else:
                what = f"{name} is in a module of type {type(module).__name__}, which cannot be blended."
                raise VirtualError(f"{what} Use nbmerge.live instead, which computes the weights.")

    def _compute_numbers(
        self,
        modules: _Modules,
        tensors: Iterable[TensorPlan],
        progress: Listener | None,
        cancel: StopSignal | None,
    ) -> tuple[Vectors, Coefficients]:
        """New vectors and coefficients of some tensors; the model is not changed."""
        computed = [t for t in tensors if t.name in modules.computed]
        vectors = {t.name: torch.empty_like(modules.computed[t.name]) for t in computed}
        self._workers.compute_into(computed, lambda t: vectors[t.name].view(-1), progress=progress, cancel=cancel)
        return vectors, {t.name: self._coefficients(t) for t in tensors if t.name in modules.blends}

    def _parents(self, tensor: TensorPlan) -> list[torch.Tensor]:
        """The matrices that a tensor is a weighted sum of, in their files."""
        matrices = []
        for source in tensor.inputs:
            assert isinstance(source, StoredTensor)  # `virtual_obstacle` names all others
            matrices.append(self._workers.mapped.tensor(source))
        return matrices

    def _coefficients(self, tensor: TensorPlan) -> tuple[float, ...]:
        method = tensor.how
        assert isinstance(method, Combination)  # `virtual_obstacle` names all others
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
    """Where a model has the tensors of the merge, by their names: in blends, or computed."""

    def __init__(self) -> None:
        self.blends: dict[str, Blend] = {}
        self.computed: dict[str, torch.Tensor] = {}

    def set_numbers(self, vectors: Vectors, coefficients: Coefficients) -> None:
        """Set new numbers."""
        for name, vector in vectors.items():
            self.computed[name].copy_(vector)
        for name, numbers in coefficients.items():
            self.blends[name].coefficients = numbers


def _signature(tensor: TensorPlan) -> tuple[Any, ...]:
    """What must be the same for a blend to remain valid."""
    return tensor.name, tensor.shape, tensor.dtype, tensor.inputs


def _replacement(module: nn.Module) -> Callable[[Blend], nn.Module] | None:
    """What makes the replacement of a module; None unless it is exactly a linear map or an embedding that is known.

    Subclasses are not replaced, because they may compute something else.
    """
    with import_lock():
        from transformers.pytorch_utils import Conv1D

    if type(module) is nn.Linear:
        return lambda blend: BlendedLinear(blend, module.bias)
    if type(module) is Conv1D:
        return lambda blend: BlendedLinear(blend, module.bias, transposed=True)
    if type(module) is nn.Embedding and module.max_norm is None:
        return BlendedEmbedding
    return None
