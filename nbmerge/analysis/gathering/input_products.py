"""Products of the inputs of every linear layer, (1/n) XᵀX over all tokens: what RegMean needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nbmerge.analysis.layerwise import group_by_length
from nbmerge.analysis.memory import TOKENS
from nbmerge.engine.live import LayeredModel
from nbmerge.engine.planning import Plan
from nbmerge.errors import MergeStopped
from nbmerge.progress import Reporter
from nbmerge.sampling.likelihood import Window

if TYPE_CHECKING:
    from typing_extensions import Self

    from nbmerge.analysis.gathering.statistics_file import StatisticsFile
    from nbmerge.typing import StopSignal

CONV = "Conv1D"
"""Name of transformers' class of linear layers whose weights have a row for each input."""


def gather_products(
    model: LayeredModel,
    plan: Plan,
    windows: Sequence[Window],
    file: StatisticsFile,
    report: Reporter,
    cancel: StopSignal | None = None,
) -> None:
    """Evaluate texts layer by layer, and write the products of the inputs of each matrix of a layer.

    Parameters
    ----------
    model : LayeredModel
    plan : Plan
        Of one model as it is.
    windows : sequence of Window
    file : StatisticsFile
    report : Reporter
    cancel : threading.Event, optional
    """
    parts, by_length = list(model.parts(plan)), group_by_length(windows)
    tokens = sum(len(window.ids) for window in windows)
    with torch.no_grad():
        model.load(parts[0], cancel)
        ids = {n: torch.tensor([windows[i].ids for i in which], device=model.device) for n, which in by_length.items()}
        hidden = {n: model.enter(rows) for n, rows in ids.items()}
        report.tell("tensor", "embedding")
        for layer in range(model.depth):
            part = parts[1 + layer]
            model.unload(keep=part)
            model.load(part, cancel)
            with InputRecorder(model.model, model.weights(part)) as recorder:
                for n, rows in hidden.items():
                    pieces = []
                    for piece in rows.split(max(1, TOKENS // n)):
                        _check(cancel)
                        recorder.start()
                        pieces.append(model.run_layer(layer, piece))
                    hidden[n] = torch.cat(pieces)
            for name, product in recorder.products.items():
                file.add(name, product / tokens)
            for name, owner in recorder.aliases.items():
                file.add_alias(name, owner)
            report.tell("tensor", f"layer {layer}")
    model.unload()


def _check(cancel: StopSignal | None) -> None:
    if cancel is not None and cancel.is_set():
        raise MergeStopped("Stopped.")


class InputRecorder:
    """Adds up the products of the inputs of linear layers while they are evaluated.

    Layers that get the same tensor, such as those of queries, keys and values, share one matrix.

    Parameters
    ----------
    model : Module
    weights : mapping of str to Parameter
        Those of interest, by the names of their tensors.
    """

    def __init__(self, model: nn.Module, weights: Mapping[str, nn.Parameter]):
        names = {id(weight): name for name, weight in weights.items()}
        self._modules = {
            names[id(module.weight)]: module
            for module in model.modules()
            if (isinstance(module, nn.Linear) or type(module).__name__ == CONV) and id(module.weight) in names
        }
        self.products: dict[str, torch.Tensor] = {}
        self.aliases: dict[str, str] = {}
        self._seen: list[tuple[torch.Tensor, str]] = []

    def start(self) -> None:
        """Begin another evaluation; what was seen in the one before is not kept alive."""
        self._seen = []

    def __enter__(self) -> Self:
        self._hooks = [module.register_forward_pre_hook(self._hook(name)) for name, module in self._modules.items()]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seen = []
        for hook in self._hooks:
            hook.remove()

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def record(module: nn.Module, given: tuple[Any, ...]) -> None:
            owner = next((other for tensor, other in self._seen if tensor is given[0]), None)
            if owner is not None:
                self.aliases[name] = owner
                return
            self._seen.append((given[0], name))
            rows = given[0].reshape(-1, given[0].shape[-1]).float()
            if name not in self.products:
                self.products[name] = rows.new_zeros(rows.shape[1], rows.shape[1])
            self.products[name].addmm_(rows.T, rows)

        return record
