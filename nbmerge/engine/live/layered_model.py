"""A merge that is evaluated one layer at a time, and of which no more than one layer is in memory, or a few versions of it.

Several merges of the same parents are evaluated side by side: while a layer's parents are in the page cache, the layer of
each merge is computed and applied to that merge's hidden states. The parents are read once, however many merges there are.
Weights are computed by the code that computes them for disk, so every method and every kind of input is allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nbmerge.checkpoints import StoredTensor, hub
from nbmerge.engine.compute.device import find_device
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.loop_loading import estimate_loop_bytes
from nbmerge.engine.live.hf_model import allocate_weights, assemble_model, build_tokenizer
from nbmerge.engine.live.layer_calls import LayerCalls
from nbmerge.engine.live.versions import is_plain_sum
from nbmerge.engine.live.workers import UPDATES, PersistentWorkers
from nbmerge.engine.planning.bare import require_model
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.errors import VirtualError
from nbmerge.progress import Listener

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase
    from typing_extensions import Self

    from nbmerge.typing import StopSignal

AFTER = ("final norm", "head")
"""Kinds of tensors outside the layers that are used after them only."""


class LayeredModel:
    """The parts of a model, in the order in which they are evaluated: embedding, layers, final norm and head.

    `load` computes the weights of one part for one plan; `enter`, `run_layer` and `leave` evaluate it.

    Parameters
    ----------
    plan : Plan
        Any of the merges that will be evaluated: all must have tensors of the same names, shapes and dtypes.
    threads : int, optional
        Number of workers; results do not depend on it.
    device : str, optional
        Where layers are evaluated, as in `nbmerge.live`. Weights are computed on the CPU and copied there, a part at a time.

    Raises
    ------
    VirtualError
        When the architecture cannot be evaluated layer by layer; the message says why.
    SampleError
        When transformers cannot build a model from the plan.
    """

    def __init__(self, plan: Plan, threads: int | None = None, device: str | None = None):
        self.device = find_device(device)
        require_model(plan, "Evaluating layer by layer")
        if len(plan.depths) != 1:
            raise VirtualError(f"This model has {len(plan.depths) or 'no'} stacks of layers instead of one.")
        self._workers = PersistentWorkers(threads)
        try:
            self._plan = plan
            empty = allocate_weights(plan)  # never written to, so that they take no memory
            self.model = assemble_model(plan, empty)
            self.tokenizer: PreTrainedTokenizerBase | None = build_tokenizer(plan)
            self._places = _find_places(self.model, empty)
            self._empty = empty
            self._loaded: dict[str, TensorPlan] = {}
            self._spare: list[torch.Tensor] = []
            self._ready: list[tuple[TensorPlan, torch.Tensor]] = []
            self._layers = _find_layers(self.model, plan, self._places)
            if self.device is not None:
                self._move_to(self.device)
            self._calls = LayerCalls(self.model, self._layers)
        except BaseException:
            self.close()
            raise

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self._plan.depth

    @property
    def free_bytes(self) -> int | None:
        """Free memory of the device in bytes; None without a device, and where it does not tell."""
        if self.device is None or self.device.type != "cuda":
            return None
        return torch.cuda.mem_get_info(self.device)[0]

    @property
    def threads(self) -> int:
        """Number of workers."""
        return self._workers.threads

    def loop_bytes(self, plans: Sequence[Plan]) -> int:
        """Memory of the compiled loops that computing the weights of some plans loads."""
        return estimate_loop_bytes((t for plan in plans for t in plan.tensors), UPDATES)

    @hub.stopping
    def fetch(self, plans: Sequence[Plan], progress: Listener | None = None, cancel: StopSignal | None = None) -> None:
        """Download missing files of some plans."""
        fetch([tensor for plan in plans for tensor in plan.tensors], progress, cancel)

    def parts(self, plan: Plan) -> Iterator[list[TensorPlan]]:
        """The tensors of each part of a plan: before the layers, each layer, after the layers."""
        outside = [t for t in plan.tensors if t.layer is None]
        layers: list[list[TensorPlan]] = [[] for _ in range(self.depth)]
        for tensor in plan.tensors:
            if tensor.layer is not None:
                layers[tensor.layer].append(tensor)
        yield [t for t in outside if t.kind not in AFTER]
        yield from layers
        yield [t for t in outside if t.kind != "embedding" or self._is_tied]

    def prepare(self, versions: Sequence[Sequence[TensorPlan]], cancel: StopSignal | None = None) -> None:
        """Compute weights of several versions of a part in one pass over their inputs, for `load` to take.

        These are weighted sums whose coefficients need no look at the weights; `load` computes all others, and those of a device.

        The memory of what was prepared before and is not loaded is used again.
        """
        if self.device is not None:
            return
        self._spare += [buffer for _, buffer in self._ready]
        self._ready = []
        wanted: dict[str, list[TensorPlan]] = {}
        for tensor in (t for version in versions for t in version):
            own = wanted.setdefault(tensor.name, [])
            if is_plain_sum(tensor) and tensor not in own:
                own.append(tensor)
        several = {name: own for name, own in wanted.items() if len(own) > 1}
        self._release(name for name in several if name in self._loaded)
        tensors = [t for own in several.values() for t in own]
        buffers = {id(t): buffer for t, buffer in zip(tensors, self._take_buffers(tensors), strict=True)}
        leaders, others = [own[0] for own in several.values()], {name: own[1:] for name, own in several.items()}
        self._workers.compute_into(leaders, lambda t: buffers[id(t)].view(-1), versions=others, cancel=cancel)
        self._ready = [(t, buffers[id(t)]) for t in tensors]

    def load(self, tensors: Sequence[TensorPlan], cancel: StopSignal | None = None) -> None:
        """Compute the weights of a part; those that it has already, or that were prepared, are taken."""
        tensors = [t for t in tensors if self._loaded.get(t.name) != t]
        ready = {t.name: self._take_ready(t) for t in tensors}
        changed = [t for t in tensors if ready[t.name] is None]
        for tensor in tensors:
            buffer = ready[tensor.name]
            if buffer is not None:
                self._release([tensor.name] if tensor.name in self._loaded else [])
                self._place(tensor.name, buffer)
                self._loaded[tensor.name] = tensor
        if changed:
            self._compute(changed, cancel)

    def _compute(self, changed: Sequence[TensorPlan], cancel: StopSignal | None) -> None:
        fresh = self._find_buffers(changed)
        for tensor in changed:
            self._loaded.pop(tensor.name, None)
        self._workers.compute_into(changed, lambda t: fresh[t.name].view(-1), cancel=cancel)
        for tensor in changed:
            self._place(tensor.name, fresh[tensor.name].to(self.device or "cpu"))
            self._loaded[tensor.name] = tensor
        if self.device is not None:
            self._spare = list(fresh.values())

    def unload(self, keep: Sequence[TensorPlan] = ()) -> None:
        """Release all weights, except for some tensors. The next part is computed into their memory, where it fits."""
        names = {t.name for t in keep}
        self._release([n for n in self._loaded if n not in names])

    def enter(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids of shape (rows, tokens) to the hidden state before the first layer, shape (rows, tokens, width)."""
        return self._calls.enter(ids)

    def run_layer(self, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        """The hidden state after a layer, of the same shape."""
        return self._calls.run(layer, hidden)

    def leave(self, hidden: torch.Tensor) -> torch.Tensor:
        """The hidden state after the last layer to logits, shape (rows, tokens, vocabulary)."""
        return self._calls.leave(hidden)

    def weights(self, tensors: Sequence[TensorPlan]) -> dict[str, nn.Parameter]:
        """The parameters of the model that hold some tensors, by the names of the tensors."""
        return {t.name: place for t in tensors for place in self._places[t.name] if isinstance(place, nn.Parameter)}

    def inputs(self, tensor: TensorPlan) -> list[torch.Tensor]:
        """The stored tensors that a tensor is made from, in their files."""
        stored = [source for source in tensor.inputs if isinstance(source, StoredTensor)]
        assert len(stored) == len(tensor.inputs)  # the caller has excluded computed ones
        return [self._workers.mapped.tensor(source) for source in stored]

    def gram(self, tensor: TensorPlan) -> Any:
        """The Gram matrix of a tensor's inputs, see `Combination.coefficients`."""
        return self._workers.gram(tensor)

    def close(self) -> None:
        """Release weights, workers and mapped files."""
        self._spare, self._ready = [], []
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @cached_property
    def _is_tied(self) -> bool:
        """Whether the embedding serves as the head, too."""
        model: Any = self.model
        head = model.get_output_embeddings()
        return head is not None and head.weight is model.get_input_embeddings().weight

    def _release(self, names: Iterable[str]) -> None:
        """Take weights out of the model; their memory becomes spare."""
        for name in names:
            if self.device is None:
                self._spare.append(self._places[name][0].data)
            self._place(name, self._empty[name])
            del self._loaded[name]

    def _take_ready(self, tensor: TensorPlan) -> torch.Tensor | None:
        """What was prepared for a tensor, which is not ready any more then."""
        found = next((i for i, (known, _) in enumerate(self._ready) if known == tensor), None)
        return None if found is None else self._ready.pop(found)[1]

    def _take_buffers(self, tensors: Sequence[TensorPlan]) -> list[torch.Tensor]:
        """Spare memory for tensors; what does not fit is freed before new memory is allocated."""
        found: list[torch.Tensor | None] = []
        for tensor in tensors:
            form = tensor.shape, getattr(torch, tensor.dtype)
            fitting = next((i for i, b in enumerate(self._spare) if (b.shape, b.dtype) == form), None)
            found.append(None if fitting is None else self._spare.pop(fitting))
        self._spare.clear()
        pairs = zip(found, tensors, strict=True)
        return [torch.empty(t.shape, dtype=getattr(torch, t.dtype)) if b is None else b for b, t in pairs]

    def _find_buffers(self, tensors: Sequence[TensorPlan]) -> dict[str, torch.Tensor]:
        """Memory on the CPU for some tensors: what they have, else what was released, else new memory.

        To get new memory from the system takes longer than to compute a weighted sum into it.
        """
        found = {}
        if self.device is None:
            found = {t.name: self._places[t.name][0].data for t in tensors if t.name in self._loaded}
        rest = [t for t in tensors if t.name not in found]
        return found | dict(zip([t.name for t in rest], self._take_buffers(rest), strict=True))

    def _move_to(self, device: torch.device) -> None:
        """Move the model: weights that are not loaded become zeros, of which only one is in memory."""
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            if not any(tensor is place for places in self._places.values() for place in places):
                tensor.data = tensor.data.to(device)
        for name, weight in self._empty.items():
            self._empty[name] = torch.zeros((), dtype=weight.dtype, device=device).expand(weight.shape)
            self._place(name, self._empty[name])

    def _place(self, name: str, weight: torch.Tensor) -> None:
        for place in self._places[name]:
            place.data = weight


def _find_places(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, list[torch.Tensor]]:
    """The parameters and buffers of a model that each tensor is in."""
    names = {weight.data_ptr(): name for name, weight in weights.items()}
    places: dict[str, list[torch.Tensor]] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        if (name := names.get(tensor.data_ptr())) is not None:
            places.setdefault(name, []).append(tensor)
    missing = [name for name in weights if name not in places]
    if missing:
        raise VirtualError(
            f"{type(model).__name__} fuses or reshapes weights on loading ({len(missing)} tensors, such as {missing[0]}), so its "
            "layers cannot be evaluated one at a time."
        )
    return places


def _find_layers(model: nn.Module, plan: Plan, places: dict[str, list[torch.Tensor]]) -> nn.ModuleList:
    """The modules that are the layers: each has exactly the tensors of one layer of the plan."""
    expected = {id(place): t.layer for t in plan.tensors for place in places[t.name]}
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == plan.depth:
            own = {id(p): i for i, layer in enumerate(module) for p in layer.parameters()}
            if all(own.get(place) == layer for place, layer in expected.items()):
                return module
    raise VirtualError(f"The layers of {type(model).__name__} are not a list of modules with weights of their own.")
