"""Routers that are computed from prompts, as a whole when they are opened: they are small."""

from __future__ import annotations

import torch

from nbmerge.engine.compute.routers.layer_walk import read_rows, unit_rows, walk_layers
from nbmerge.engine.compute.routers.prompt_tokens import tokenize
from nbmerge.engine.compute.workspace import Read, Workspace
from nbmerge.engine.planning.mixtures import EmbeddingRouter, HiddenRouter, Prompts


def open_hidden_router(source: HiddenRouter, workspace: Workspace, slot: int) -> Read:
    """Read a router of hidden states."""
    rows = walk_layers(source.walk, workspace)[source.layer]
    return _read(rows[source.first : source.first + source.shape[0]])


def open_embedding_router(source: EmbeddingRouter, workspace: Workspace, slot: int) -> Read:
    """Read a router of embeddings: of each expert, the unit vector of the sum over all tokens of its prompts.

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

    return _read(torch.stack([row(prompts) for prompts in source.prompts]))


def _read(rows: torch.Tensor) -> Read:
    flat = rows.to(torch.float32).contiguous().view(-1)
    return lambda start, count: flat[start : start + count].clone()
