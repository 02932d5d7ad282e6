"""Routers of a mixture: only descriptions; `nbmerge.engine.compute.routers` computes their elements.

A router has a row for each expert. A token is sent to the experts whose rows have the largest products with its hidden state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.tensor_base import Computed, describe_input

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

STREAMED_ROWS = 256
"""Fewest rows of a matrix that are multiplied at once, unless it has fewer; with less, libraries take another, slower way."""


@dataclass(frozen=True)
class Prompts:
    """The prompts of one expert.

    Parameters
    ----------
    positive, negative : tuple of str
        The row of the router is the difference of what they give, as a unit vector.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RandomRouter(Computed):
    """A router of random numbers.

    Parameters
    ----------
    name : str
    shape : (int, int)
        Experts × width of the hidden state.
    distribution : "normal" or "uniform"
        Standard normal numbers, or uniform ones within ±1/√width, as `torch.nn.Linear` begins with.
    stream : str
        Key of its random numbers, see `nbmerge.methods.numerics.random_streams`.
    """

    name: str
    shape: tuple[int, ...]
    distribution: Literal["normal", "uniform"]
    stream: str

    dtype = output_dtype = "float32"
    portable = False

    @property
    def sources(self) -> tuple[TensorInput, ...]:
        """Nothing: it is made from no tensor."""
        return ()

    @property
    def words(self) -> str:
        """What it is, in a formula."""
        return f"{self.distribution} random numbers"

    def described(self) -> list[Any]:
        """What determines its bytes, as plain data."""
        return ["router", self.distribution, self.stream]


@dataclass(frozen=True)
class EmbeddingRouter(Computed):
    """A router of the embeddings of the prompts' tokens: the same in every layer.

    Parameters
    ----------
    name : str
    shape : (int, int)
        Experts × width of the hidden state.
    prompts : tuple of Prompts
        Of each expert.
    embedding : TensorInput
        The base model's token embedding.
    tokenizer : Path
        Folder of the base model's tokenizer.
    vocabulary : str
        Checksum of the files of the tokenizer.
    """

    name: str
    shape: tuple[int, ...]
    prompts: tuple[Prompts, ...]
    embedding: TensorInput
    tokenizer: Path = field(compare=False)
    vocabulary: str

    dtype = output_dtype = "float32"
    portable = False
    words = "unit vectors of the sums of the embeddings of each expert's prompts"

    @property
    def sources(self) -> tuple[TensorInput, ...]:
        """The embedding."""
        return (self.embedding,)

    @property
    def width(self) -> int:
        """Width of the hidden state."""
        return self.shape[1]

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["router", "embedding", _digest(self.prompts), self.vocabulary]


@dataclass(frozen=True)
class Walk:
    """The prompts of all experts on their way through the layers of the base model: all routers are found on one walk.

    Parameters
    ----------
    prompts : tuple of Prompts
        Of each expert, then of the shared ones.
    of_all_tokens : bool
        Whether hidden states are averaged over all tokens of a prompt; else they are those of its last token.
    embedding : TensorInput
        The base model's token embedding.
    layers : tuple of mapping of str to TensorInput
        The base model's layers: tensors by part. The last one is not needed.
    config : str
        The base model's config as JSON.
    tokenizer : Path
        Folder of the base model's tokenizer.
    vocabulary : str
        Checksum of the files of the tokenizer.
    """

    prompts: tuple[Prompts, ...]
    of_all_tokens: bool
    embedding: TensorInput
    layers: tuple[Mapping[str, TensorInput], ...]
    config: str
    tokenizer: Path = field(compare=False)
    vocabulary: str

    @property
    def width(self) -> int:
        """Width of the hidden state."""
        return self.embedding.shape[1]

    @cached_property
    def streamed_parts(self) -> frozenset[str]:
        """The parts of layers that are matrices in files: they are multiplied as they are read, all others are read before."""
        parts = set(self.layers[0]) if self.layers else set()
        return frozenset(p for p in parts if all(_is_matrix_in_a_file(layer.get(p)) for layer in self.layers))

    @cached_property
    def held_elements(self) -> int:
        """Most elements of a layer that are in memory at once, besides those that are being multiplied."""
        held = (sum(t.count for p, t in layer.items() if p not in self.streamed_parts) for layer in self.layers)
        return max(held, default=0)

    @cached_property
    def columns(self) -> int:
        """Most columns of a matrix that is streamed."""
        return max((layer[p].shape[1] for layer in self.layers[:1] for p in self.streamed_parts), default=0)

    @cached_property
    def digest(self) -> str:
        """Checksum of what determines the routers besides the contents of weights files."""
        inputs = [describe_input(tensor) for step in self._steps for tensor in step.values()]
        return _digest(self.prompts, self.of_all_tokens, self.config, self.vocabulary, inputs)

    @cached_property
    def one_of_each_file(self) -> tuple[StoredTensor, ...]:
        """A stored tensor of each file that is read."""
        leaves = {leaf.file: leaf for step in self._steps for tensor in step.values() for leaf in tensor.leaves()}
        return tuple(leaves.values())

    @property
    def _steps(self) -> tuple[Mapping[str, TensorInput], ...]:
        """The tensors that are read, in the order of the walk."""
        return ({"": self.embedding}, *self.layers)


@dataclass(frozen=True)
class HiddenRouter(Computed):
    """A router of hidden states of the base model: those that its layer gets for the experts' prompts.

    Parameters
    ----------
    name : str
    shape : (int, int)
        Experts × width of the hidden state.
    walk : Walk
    layer : int
    first : int
        Position in the walk of the first expert that it has a row for.
    """

    name: str
    shape: tuple[int, ...]
    walk: Walk
    layer: int
    first: int

    dtype = output_dtype = "float32"
    portable = False

    @property
    def sources(self) -> tuple[TensorInput, ...]:
        """What the router needs besides what that of the layer before needs: together, routers read each tensor once."""
        if self.layer == 0:
            return (self.walk.embedding,)
        return tuple(self.walk.layers[self.layer - 1].values())

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors of its sources, and one of each other file, because all routers depend on all of them."""
        own = [leaf for source in self.sources for leaf in source.leaves()]
        files = {leaf.file for leaf in own}
        yield from own
        yield from (leaf for leaf in self.walk.one_of_each_file if leaf.file not in files)

    @property
    def words(self) -> str:
        """What it is, in a formula."""
        return f"unit vectors of what layer {self.layer} of the base model gets for each expert's prompts"

    @property
    def slow(self) -> bool:
        """Whether it should be computed first: the first router that is computed walks through all layers."""
        return self.layer == len(self.walk.layers)

    @property
    def held_bytes(self) -> int:
        """Memory of each worker that it takes besides blocks: what of a layer is not streamed, and rows that are multiplied.

        In float32, and as they are stored.
        """
        return 4 * self.walk.held_elements + 2 * 8 * STREAMED_ROWS * self.walk.columns

    def described(self) -> list[Any]:
        """What determines its bytes besides its sources, as plain data."""
        return ["router", "hidden", self.layer, self.first, self.walk.digest]


def _is_matrix_in_a_file(tensor: TensorInput | None) -> bool:
    return isinstance(tensor, StoredTensor) and len(tensor.shape) == 2


def _digest(*what: Any) -> str:
    text = json.dumps([_plain(part) for part in what])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Prompts):
        return [value.positive, value.negative]
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
