"""Compute: the tensors of a plan, computed block by block by several workers; the same code serves all uses.

Start reading at `pool`, then `tensor` and `blocks`. Exported names are loaded on first use: they need torch, which plans and
checks do not.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.device import available_devices
    from nbmerge.engine.compute.input_kinds import KINDS
    from nbmerge.engine.compute.loop_loading import find_loop_bytes
    from nbmerge.engine.compute.pool import run
    from nbmerge.engine.compute.read_memory import TensorInMemory
    from nbmerge.engine.compute.threads import default_threads, parse_threads
    from nbmerge.engine.compute.workspace import BLOCK, Open, Read, Workspace

__all__ = [
    "BLOCK",
    "KINDS",
    "Blocks",
    "Open",
    "Read",
    "TensorInMemory",
    "Workspace",
    "available_devices",
    "default_threads",
    "find_loop_bytes",
    "parse_threads",
    "run",
]

__getattr__ = exporter(
    __name__,
    blocks=("Blocks",),
    device=("available_devices",),
    input_kinds=("KINDS",),
    loop_loading=("find_loop_bytes",),
    pool=("run",),
    read_memory=("TensorInMemory",),
    threads=("default_threads", "parse_threads"),
    workspace=("BLOCK", "Open", "Read", "Workspace"),
)
