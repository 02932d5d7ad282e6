"""Live: merges in memory that follow their recipe, computed (`live_merge`) or evaluated from their parents (`virtual_merge`).

`layered_model` evaluates merges of which one layer at a time is in memory.
"""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.engine.live.backend_choice import BackendChoice, choose_backend
    from nbmerge.engine.live.layered_model import LayeredModel
    from nbmerge.engine.live.live_merge import LiveMerge, live
    from nbmerge.engine.live.snapshots import Pin
    from nbmerge.engine.live.update import Update
    from nbmerge.engine.live.virtual_merge import VirtualMerge, virtual

__all__ = [
    "BackendChoice",
    "LayeredModel",
    "LiveMerge",
    "Pin",
    "Update",
    "VirtualMerge",
    "choose_backend",
    "live",
    "virtual",
]

__getattr__ = exporter(
    __name__,
    backend_choice=("BackendChoice", "choose_backend"),
    layered_model=("LayeredModel",),
    live_merge=("LiveMerge", "live"),
    snapshots=("Pin",),
    update=("Update",),
    virtual_merge=("VirtualMerge", "virtual"),
)
