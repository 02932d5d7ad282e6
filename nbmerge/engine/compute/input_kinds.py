"""The list of all kinds of inputs that a tensor can be made from, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted
from nbmerge.checkpoints.scaled_tensor import Scaled
from nbmerge.engine.compute.read_float8 import open_scaled
from nbmerge.engine.compute.read_lora import open_adapted
from nbmerge.engine.compute.read_memory import TensorInMemory, open_in_memory
from nbmerge.engine.compute.read_rows import open_pursuit_rows, open_rows
from nbmerge.engine.compute.routers import (
    open_embedding_router,
    open_hidden_router,
    open_noisy,
    open_random_router,
)  # fmt: skip
from nbmerge.engine.compute.tensor import open_merge
from nbmerge.engine.compute.workspace import Open, Read, Workspace
from nbmerge.engine.planning.mixtures import EmbeddingRouter, HiddenRouter, Noisy, RandomRouter
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.pursuit_rows import PursuitRows


def open_stored(source: StoredTensor, workspace: Workspace, slot: int) -> Read:
    """Read a tensor of a file."""
    return lambda start, count: workspace.stored(slot, source, start, count)


KINDS: Mapping[type, Open] = {
    StoredTensor: open_stored,
    TensorPlan: open_merge,
    Rows: open_rows,
    PursuitRows: open_pursuit_rows,
    Adapted: open_adapted,
    Scaled: open_scaled,
    TensorInMemory: open_in_memory,
    RandomRouter: open_random_router,
    EmbeddingRouter: open_embedding_router,
    HiddenRouter: open_hidden_router,
    Noisy: open_noisy,
}
"""Subclasses are read as their nearest base class in this table."""
