"""How a transformers model calls its layers: what each gets besides the hidden state, and what runs before and after them.

The model's own `forward` is run with layers that compute nothing. They record what they are called with (positions, masks),
or hand a given hidden state on, so that layers can be evaluated one at a time, in any order and for several models, without
knowing the architecture. A model whose layers are not a plain chain is recognised and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nbmerge.errors import VirtualError

HIDDEN = "hidden_states"
"""Name of the hidden state where it is not the first positional argument."""


@dataclass(frozen=True)
class LayerCall:
    """The arguments of one layer besides its hidden state.

    Parameters
    ----------
    args : tuple
        Positional arguments after the hidden state.
    kwargs : mapping
    positional : bool
        Whether the hidden state is the first positional argument.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    positional: bool

    def run(self, layer: nn.Module, hidden: torch.Tensor) -> Any:
        """What a layer returns for a hidden state."""
        if self.positional:
            return layer(hidden, *self.args, **self.kwargs)
        return layer(*self.args, **self.kwargs, **{HIDDEN: hidden})


class LayerCalls:
    """The calls of a model's layers.

    Parameters
    ----------
    model : PreTrainedModel
    layers : ModuleList
        Called one after the other by the model's `forward`.

    Raises
    ------
    VirtualError
        When the layers are not a chain in which each gets only the hidden state of the one before, positions and masks.
    """

    def __init__(self, model: Any, layers: nn.ModuleList):
        self._model, self._layers = model, layers
        self._known: dict[tuple[int, int], list[LayerCall]] = {}
        with torch.no_grad():
            self._returns_tuple = self._find_form()
            self._check_independence()

    def enter(self, ids: torch.Tensor) -> torch.Tensor:
        """The hidden state that the first layer gets, shape (rows, tokens, width)."""
        return self._first_call(ids)[1]

    def run(self, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        """The hidden state after a layer."""
        call = self._calls(hidden.shape[0], hidden.shape[1])[layer]
        return _hidden_of(call.run(self._layers[layer], hidden))

    def leave(self, hidden: torch.Tensor) -> torch.Tensor:
        """The logits of the hidden state after the last layer, shape (rows, tokens, vocabulary)."""
        last = len(self._layers) - 1

        def stub(layer: int, call: LayerCall, given: torch.Tensor) -> Any:
            return self._formed(hidden if layer == last else given)

        with self._stubbed(stub):
            logits: torch.Tensor = self._forward(_any_ids(hidden)).logits
        return logits

    def _calls(self, rows: int, tokens: int) -> list[LayerCall]:
        """The call of each layer, for hidden states of some shape."""
        if (rows, tokens) not in self._known:
            ids = torch.zeros(rows, tokens, dtype=torch.long, device=self._model.device)
            self._known[rows, tokens] = self._record(ids)
        return self._known[rows, tokens]

    def _record(self, ids: torch.Tensor) -> list[LayerCall]:
        calls: list[LayerCall] = []
        handed: list[torch.Tensor] = []

        def stub(layer: int, call: LayerCall, given: torch.Tensor) -> Any:
            if layer != len(calls) or (handed and given is not handed[-1]):
                raise VirtualError("The layers of this architecture are not a chain, one after the other.")
            calls.append(call)
            handed.append(given)
            if len(calls) == len(self._layers):
                raise _Stopped
            return self._formed(given)

        with self._stubbed(stub):
            try:
                self._forward(ids)
            except _Stopped:
                return calls
        raise VirtualError("The layers of this architecture are not all called.")

    def _first_call(self, ids: torch.Tensor) -> tuple[LayerCall, torch.Tensor]:
        found: list[tuple[LayerCall, torch.Tensor]] = []

        def stub(layer: int, call: LayerCall, given: torch.Tensor) -> Any:
            found.append((call, given))
            raise _Stopped

        with self._stubbed(stub):
            try:
                self._forward(ids)
            except _Stopped:
                return found[0]
        raise VirtualError("The layers of this architecture are not called by its model.")

    def _find_form(self) -> bool:
        """Whether layers return a tuple, of which the hidden state is the first entry, as they do in older architectures."""
        call, hidden = self._first_call(torch.zeros(1, 2, dtype=torch.long, device=self._model.device))
        return isinstance(call.run(self._layers[0], hidden), tuple)

    def _check_independence(self) -> None:
        """Refuse a model whose layers get more that depends on the tokens than the hidden state."""
        embedding = self._model.get_input_embeddings()
        hook = embedding.register_forward_hook(lambda module, given, made: torch.randn_like(made))
        try:
            one, other = (
                self._record(torch.full((1, 3), i, dtype=torch.long, device=self._model.device)) for i in (0, 1)
            )
        finally:
            hook.remove()
        if not all(_same(a.args, b.args) and _same(a.kwargs, b.kwargs) for a, b in zip(one, other, strict=True)):
            raise VirtualError("The layers of this architecture share more than the hidden state.")

    def _formed(self, hidden: torch.Tensor) -> Any:
        return (hidden,) if self._returns_tuple else hidden

    def _forward(self, ids: torch.Tensor) -> Any:
        return self._model(ids, attention_mask=torch.ones_like(ids), use_cache=False)

    @contextmanager
    def _stubbed(self, stub: Callable[[int, LayerCall, torch.Tensor], Any]) -> Iterator[None]:
        """Let every layer call `stub` instead of computing."""

        def replacement(index: int) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                if args:
                    return stub(index, LayerCall(args[1:], kwargs, True), args[0])
                rest = {key: value for key, value in kwargs.items() if key != HIDDEN}
                return stub(index, LayerCall((), rest, False), kwargs[HIDDEN])

            return forward

        for index, layer in enumerate(self._layers):
            layer.__dict__["forward"] = replacement(index)
        try:
            yield
        finally:
            for layer in self._layers:
                layer.__dict__.pop("forward", None)


class _Stopped(Exception):
    """Ends a model's `forward` once everything that is wanted is known."""


def _hidden_of(returned: Any) -> torch.Tensor:
    hidden: torch.Tensor = returned[0] if isinstance(returned, tuple) else returned
    return hidden


def _any_ids(hidden: torch.Tensor) -> torch.Tensor:
    """Token ids for a `forward` that only needs their number."""
    return torch.zeros(hidden.shape[:2], dtype=torch.long, device=hidden.device)


def _same(one: Any, other: Any) -> bool:
    """Whether two arguments of a layer are equal; objects of unknown kinds count as different unless they are the same."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one is other or (type(one) is type(other) and isinstance(one, str | int | float) and one == other)
