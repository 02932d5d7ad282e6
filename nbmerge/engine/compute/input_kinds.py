"""Every kind of input that a tensor can be made from, and how its elements are read: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapted_tensor import Adapted
from nbmerge.checkpoints.scaled_tensor import Scaled
from nbmerge.engine.compute.read_float8 import open_scaled
from nbmerge.engine.compute.read_lora import open_adapted
from nbmerge.engine.compute.read_rows import open_pursued, open_rows
from nbmerge.engine.compute.tensor import open_merge
from nbmerge.engine.compute.workspace import Open, Read, Workspace
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.pursuit_rows import Pursued


def open_stored(source: StoredTensor, workspace: Workspace, slot: int) -> Read:
    """Read a tensor of a file."""
    return lambda start, count: workspace.stored(slot, source, start, count)


KINDS: Mapping[type, Open] = {
    StoredTensor: open_stored,
    TensorPlan: open_merge,
    Rows: open_rows,
    Pursued: open_pursued,
    Adapted: open_adapted,
    Scaled: open_scaled,
}
"""A subclass is read as its nearest class here."""
