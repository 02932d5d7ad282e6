"""The hidden states of prompts, from layer to layer of the base model, of which a few rows at a time are in memory.

transformers builds a model of one layer, with its own code for attention, masks and positions. It takes the weights of layer after
layer: matrices are multiplied as they are read, what is small or has to be computed first is read before. Prompts of similar
length are evaluated together; shorter ones are filled up at their ends, which causal attention does not see before. The
arithmetic is float32 (float64 for float64), whatever the weights are stored in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nbmerge.engine.compute.routers.prompt_tokens import tokenize
from nbmerge.engine.compute.routers.streamed_linear import StreamedProducts, streaming
from nbmerge.engine.compute.workspace import BLOCK, Workspace
from nbmerge.engine.loading.pretrained import build_config, build_model
from nbmerge.engine.planning.mixtures import Prompts, Walk
from nbmerge.errors import MergeError, NbmergeError
from nbmerge.quoting import quote

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

TOKENS = 1024
"""Most tokens that are evaluated together; a longer prompt is evaluated alone."""
_EMBEDDING, _LAYER, _NORM = "model.embed_tokens.weight", "model.layers.0.", "model.norm.weight"


def walk_layers(walk: Walk, workspace: Workspace) -> list[torch.Tensor]:
    """The rows of every layer's router: float32, shape (experts, width).

    Raises
    ------
    MergeError
        When the prompts cannot be read by the base model, or transformers cannot evaluate it.
    """
    with torch.no_grad(), _library_errors(), streaming(workspace) as products:
        return _Walker(walk, workspace).run(products)


class _Walker:
    """One walk."""

    def __init__(self, walk: Walk, workspace: Workspace):
        self._walk, self._workspace = walk, workspace
        self._dtype = torch.float64 if walk.embedding.dtype == "float64" else torch.float32
        self._config: dict[str, Any] = json.loads(walk.config)
        most = self._config.get("max_position_embeddings")
        self._tokens = tokenize(
            walk.tokenizer, walk.prompts, walk.embedding.shape[0], most if type(most) is int else None
        )
        self._places: dict[str, tuple[int, int]] = {}
        self._states = self._enter()

    def run(self, products: StreamedProducts) -> list[torch.Tensor]:
        """The rows of every layer."""
        rows = [self._rows()]
        layers = _LayerModel(self._config, self._walk, self._dtype, products)
        for number, layer in enumerate(self._walk.layers):
            layers.load(number, layer, self._workspace)
            self._states = [layers.apply(states) for states in self._states]
            rows.append(self._rows())
        return rows

    def _enter(self) -> list[torch.Tensor]:
        """Embeddings of the prompts, several together: shape (prompts, tokens, width)."""
        used = sorted({i for ids in self._tokens.values() for i in ids})
        table = read_rows(self._walk.embedding, used, self._workspace).to(self._dtype)
        position = {token: k for k, token in enumerate(used)}
        states = []
        for number, prompts in enumerate(_group_by_length(self._tokens)):
            longest = len(self._tokens[prompts[-1]])
            filled = [[*self._tokens[p], *self._tokens[p][-1:] * (longest - len(self._tokens[p]))] for p in prompts]
            self._places |= {prompt: (number, row) for row, prompt in enumerate(prompts)}
            states.append(table[torch.tensor([[position[i] for i in ids] for ids in filled])])
        return states

    def _rows(self) -> torch.Tensor:
        return torch.stack([self._row(prompts) for prompts in self._walk.prompts]).to(torch.float32)

    def _row(self, prompts: Prompts) -> torch.Tensor:
        mean = self._mean(prompts.positive)
        return unit_rows(mean - self._mean(prompts.negative) if prompts.negative else mean)

    def _mean(self, prompts: Sequence[str]) -> torch.Tensor:
        return torch.stack([self._state(prompt) for prompt in prompts]).mean(0)

    def _state(self, prompt: str) -> torch.Tensor:
        group, row = self._places[prompt]
        states = self._states[group][row, : len(self._tokens[prompt])].double()
        return states.mean(0) if self._walk.of_all_tokens else states[-1]


def _group_by_length(tokens: Mapping[str, Sequence[int]]) -> list[list[str]]:
    """Prompts that are evaluated together, each group from the shortest to the longest."""
    groups: list[list[str]] = []
    for prompt in sorted(tokens, key=lambda p: len(tokens[p])):
        if not groups or (len(groups[-1]) + 1) * len(tokens[prompt]) > TOKENS:
            groups.append([])
        groups[-1].append(prompt)
    return groups


class _LayerModel:
    """A model of one layer; its weights are those of the layer that was loaded last."""

    def __init__(self, config: Mapping[str, Any], walk: Walk, dtype: torch.dtype, products: StreamedProducts):
        width = walk.width
        self._weights = {_EMBEDDING: torch.zeros(1, width, dtype=dtype), _NORM: torch.ones(width, dtype=dtype)}
        self._streamed = walk.streamed_parts
        for part, tensor in walk.layers[0].items() if walk.layers else ():
            empty = torch.empty(1 if part in self._streamed else tensor.shape, dtype=dtype)
            self._weights[_LAYER + part] = empty.expand(tensor.shape)
        self._kinds = _layer_kinds(config, len(walk.layers))
        self._config = dict(config)
        self._products = products
        self._models: dict[str | None, Any] = {}
        self._current: Any = None
        self._layer: Mapping[str, TensorInput] = {}

    def load(self, number: int, layer: Mapping[str, TensorInput], workspace: Workspace) -> None:
        """Read what is not streamed of a layer of the base model."""
        self._layer = layer
        for part, tensor in layer.items():
            if part not in self._streamed:
                _read_into(self._weights[_LAYER + part].view(-1), tensor, workspace)
        kind = self._kinds[number]
        if kind not in self._models:
            self._models[kind] = self._build(kind)
        self._current = self._models[kind]

    def apply(self, states: torch.Tensor) -> torch.Tensor:
        """Hidden states after the layer, of the same shape."""
        hidden: torch.Tensor = self._current(inputs_embeds=states, use_cache=False).last_hidden_state
        return hidden

    def _build(self, kind: str | None) -> Any:
        dtype = str(self._weights[_EMBEDDING].dtype).removeprefix("torch.")
        config = {k: v for k, v in self._config.items() if k != "torch_dtype"}
        config |= {"num_hidden_layers": 1, "vocab_size": 1, "tie_word_embeddings": True, "dtype": dtype}
        config |= dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))  # no token is left
        if kind is not None:
            config["layer_types"] = [kind]
        model, missing = build_model(config, self._weights)
        held = {p.data_ptr() for p in model.parameters()}
        if missing or any(weight.data_ptr() not in held for weight in self._weights.values()):
            raise _not_as_they_are()
        self._stream(model)
        inner: Any = model.eval().base_model
        inner.norm = nn.Identity()  # the state after the layer, which the next one gets
        return inner

    def _stream(self, model: nn.Module) -> None:
        """Let linear layers multiply with the matrices of the current layer, which they do not hold."""
        parts = {self._weights[_LAYER + part].data_ptr(): part for part in self._streamed}
        for module in model.modules():
            if type(module) is nn.Linear and module.weight.data_ptr() in parts:
                part = parts.pop(module.weight.data_ptr())
                module.forward = partial(self._multiply, part, module.bias)  # type: ignore[method-assign]
        if parts:  # something else than a linear layer would compute with memory that was never filled
            raise _not_as_they_are()

    def _multiply(self, part: str, bias: torch.Tensor | None, states: torch.Tensor) -> torch.Tensor:
        return self._products.linear(states, self._layer[part], bias)


def _not_as_they_are() -> MergeError:
    return MergeError("transformers does not take the base model's layers as they are. Choose gate_mode: cheap_embed.")


def _layer_kinds(config: Mapping[str, Any], depth: int) -> list[str | None]:
    """The kind of attention of each layer, None where all have the same."""
    kinds = getattr(build_config(config), "layer_types", None)
    if kinds and len(kinds) < depth:
        raise MergeError(
            f"the config of the base model lists {len(kinds)} layer_types, and it has {depth + 1} layers. Correct it."
        )
    return list(kinds[:depth]) if kinds else [None] * depth


@contextmanager
def _library_errors() -> Iterator[None]:
    """Replace what transformers raises because of a config, which can be anything."""
    try:
        yield
    except (NbmergeError, MemoryError):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {quote(str(error), 400)}"
        raise MergeError(
            f"transformers cannot evaluate the base model, which gate_mode hidden needs: {what}"
        ) from error


def _read_into(target: torch.Tensor, source: TensorInput, workspace: Workspace) -> None:
    """Fill flat memory with a tensor."""
    for start, block in _blocks(source, workspace):
        target[start : start + block.numel()].copy_(block)


def _blocks(source: TensorInput, workspace: Workspace) -> Iterator[tuple[int, torch.Tensor]]:
    read = workspace.nested().open(source, 0)
    for start in range(0, source.count, BLOCK):
        yield start, read(start, min(BLOCK, source.count - start))


def read_rows(matrix: TensorInput, rows: Sequence[int], workspace: Workspace) -> torch.Tensor:
    """Some rows of a matrix, float32 or float64, shape (rows, columns)."""
    read, width = workspace.nested().open(matrix, 0), matrix.shape[1]
    dtype = torch.float64 if matrix.dtype == "float64" else torch.float32
    return torch.stack([read(row * width, width).to(dtype, copy=True) for row in rows])


def unit_rows(rows: torch.Tensor) -> torch.Tensor:
    """Vectors divided by their norms; those of length zero stay zero."""
    return rows / rows.norm(dim=-1, keepdim=True).clamp(min=1e-8)
