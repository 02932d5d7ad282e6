"""Live: merges in memory that follow their recipe: formed (`live_merge`), or evaluated from their parents (`virtual_merge`)."""

from typing import TYPE_CHECKING

from nbmerge.lazy import exporter

if TYPE_CHECKING:
    from nbmerge.engine.live.backend_choice import choose
    from nbmerge.engine.live.live_merge import LiveMerge, live
    from nbmerge.engine.live.update import Update
    from nbmerge.engine.live.virtual_merge import VirtualMerge, virtual

__all__ = ["LiveMerge", "Update", "VirtualMerge", "choose", "live", "virtual"]

__getattr__ = exporter(
    __name__,
    backend_choice=("choose",),
    live_merge=("LiveMerge", "live"),
    update=("Update",),
    virtual_merge=("VirtualMerge", "virtual"),
)
