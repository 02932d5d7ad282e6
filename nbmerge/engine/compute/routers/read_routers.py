"""Routers that are computed from prompts, as a whole when they are opened: they are small."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.tensor_base import describe_input
from nbmerge.engine.compute.routers.layer_walk import read_rows, unit_rows, walk_layers
from nbmerge.engine.compute.routers.once import Once
from nbmerge.engine.compute.routers.prompt_tokens import tokenize
from nbmerge.engine.compute.workspace import Read, Workspace
from nbmerge.engine.planning.mixtures import EmbeddingRouter, HiddenRouter, Prompts

_rows: Once[list[torch.Tensor]] = Once(4)
"""Rows of routers: every layer asks for those of the same prompts."""


def open_hidden_router(source: HiddenRouter, workspace: Workspace, slot: int) -> Read:
    """Read a router of hidden states."""
    walk = source.walk
    found = _rows.get((walk.digest, _state(walk.one_of_each_file)), lambda: walk_layers(walk, workspace))
    return _read(found[source.layer][source.first : source.first + source.shape[0]])


def open_embedding_router(source: EmbeddingRouter, workspace: Workspace, slot: int) -> Read:
    """Read a router of embeddings."""
    key = json.dumps(describe_input(source)), _state(source.leaves())
    return _read(_rows.get(key, lambda: [_sum_embeddings(source, workspace)])[0])


def _sum_embeddings(source: EmbeddingRouter, workspace: Workspace) -> torch.Tensor:
    """Of each expert, the unit vector of the sum over all tokens of its prompts.

    That of its negative prompts is subtracted, and the difference made a unit vector again.
    """
    tokens = tokenize(source.tokenizer, source.prompts, source.embedding.shape[0])

    def direction(prompts: tuple[str, ...]) -> torch.Tensor:
        ids = [i for prompt in prompts for i in tokens[prompt]]
        found = sorted(set(ids))
        counts = torch.tensor([ids.count(i) for i in found], dtype=torch.float64)
        rows = read_rows(source.embedding, found, workspace).double()
        return unit_rows((counts[:, None] * rows).sum(0))

    def row(prompts: Prompts) -> torch.Tensor:
        positive = direction(prompts.positive)
        return unit_rows(positive - direction(prompts.negative) if prompts.negative else positive)

    return torch.stack([row(prompts) for prompts in source.prompts])


def _state(leaves: Iterable[StoredTensor]) -> tuple[tuple[Path, FileState | None], ...]:
    """The files that stored tensors are in, as they are now."""
    return tuple((file, _state_of(file)) for file in dict.fromkeys(leaf.file for leaf in leaves))


def _state_of(file: Path) -> FileState | None:
    try:
        return FileState.of(file.stat())
    except OSError:  # reading it fails with an error of ours
        return None


def _read(rows: torch.Tensor) -> Read:
    flat = rows.to(torch.float32).contiguous().view(-1)
    return lambda start, count: flat[start : start + count].clone()
