"""What the routers of a mixture are made from, for each layer."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.implementations import drop_foreign_implementations
from nbmerge.engine.planning.mixtures.architectures import PROMPTED, Architecture
from nbmerge.engine.planning.mixtures.routers import EmbeddingRouter, HiddenRouter, Prompts, RandomRouter, Walk
from nbmerge.engine.planning.resolved import Resolved
from nbmerge.guarded_files import LARGEST_COPY, open_model_file, read_model_bytes
from nbmerge.recipe import Recipe

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
"""What determines the tokens of a prompt; one of the first six is needed."""
_NEEDED = 6


@dataclass(frozen=True)
class Gates:
    """Makes the routers of a mixture.

    Parameters
    ----------
    recipe : Recipe
    width : int
        Width of the hidden state.
    embedding : TensorInput
        The base model's token embedding.
    walk : Walk, optional
        Of prompts through the base model, where routers are hidden states.
    tokenizer : Path
        Folder of the base model's tokenizer.
    """

    recipe: Recipe
    width: int
    embedding: TensorInput
    walk: Walk | None
    tokenizer: Path

    def router(self, name: str, layer: int) -> TensorInput:
        """The router of a layer, with a row for each expert."""
        return self._make(name, layer, 0, len(self.recipe.experts or ()))

    def shared_router(self, name: str, layer: int) -> TensorInput:
        """The gate of a layer's shared expert, with one row."""
        return self._make(name, layer, len(self.recipe.experts or ()), 1)

    def _make(self, name: str, layer: int, first: int, rows: int) -> TensorInput:
        mode, shape = self.recipe.gate_mode, (rows, self.width)
        if self.walk is not None:
            return HiddenRouter(name, shape, self.walk, layer, first)
        if mode == "cheap_embed":
            own = list_prompts(self.recipe)[first : first + rows]
            vocabulary = checksum_tokenizer(self.tokenizer)
            return EmbeddingRouter(name, shape, own, self.embedding, self.tokenizer, vocabulary)
        return RandomRouter(
            name, shape, "normal" if mode == "random" else "uniform", f"{self.recipe.random_seed}/router/{name}"
        )


def find_gates(resolved: Resolved, architecture: Architecture) -> Gates:
    """What the routers of a mixture whose models fit are made from."""
    recipe, base = resolved.recipe, resolved.donor_checkpoint
    assert base.token_embedding is not None  # every model of these architectures has one
    embedding = base.tensors[base.token_embedding]
    walk = None
    if recipe.gate_mode in PROMPTED and recipe.gate_mode != "cheap_embed":
        parts = [base.layout.parts(i) for i in range(base.depth - 1)]
        layers = tuple({p: base.tensors[base.layout.name(i, p)] for p in own} for i, own in enumerate(parts))
        walk = Walk(
            list_prompts(recipe), recipe.gate_mode == "hidden_avg", embedding, layers,
            json.dumps(drop_foreign_implementations(base.config)[0], sort_keys=True), base.path, checksum_tokenizer(base.path),
        )  # fmt: skip
    return Gates(recipe, embedding.shape[1], embedding, walk, base.path)


def list_prompts(recipe: Recipe) -> tuple[Prompts, ...]:
    """The prompts of every expert, those that are shared last."""
    everyone = (*(recipe.experts or ()), *recipe.shared_experts)
    return tuple(Prompts(e.positive_prompts, e.negative_prompts) for e in everyone)


def find_tokenizer_files(folder: Path) -> list[Path]:
    """The files of a model's tokenizer; none where it has no tokenizer."""
    if not any(os.path.lexists(folder / name) for name in TOKENIZER_FILES[:_NEEDED]):
        return []
    return [folder / name for name in TOKENIZER_FILES if os.path.lexists(folder / name)]


def checksum_tokenizer(folder: Path) -> str:
    """Checksum of the files of a model's tokenizer.

    Raises
    ------
    CheckpointError
        When one of them cannot be read, such as a link to a file that is gone.
    """
    return _checksum(tuple((file, _state_of(file)) for file in find_tokenizer_files(folder)))


def _state_of(file: Path) -> FileState:
    with open_model_file(file, LARGEST_COPY) as descriptor:
        return FileState.of(os.fstat(descriptor))


@lru_cache(maxsize=32)  # a plan is made whenever a recipe changes
def _checksum(files: tuple[tuple[Path, FileState], ...]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for file, _ in files:
        digest.update(f"{file.name}\0".encode() + read_model_bytes(file, LARGEST_COPY))
    return digest.hexdigest()
