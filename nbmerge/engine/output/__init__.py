"""Output: a model folder built next to its final path, resumable, and renamed when it is complete."""

from typing import TYPE_CHECKING

from nbmerge.lazy import exporter

if TYPE_CHECKING:
    from nbmerge.engine.output.folder import check_output
    from nbmerge.engine.output.shards import ShardWriter

__all__ = ["ShardWriter", "check_output"]

__getattr__ = exporter(__name__, folder=("check_output",), shards=("ShardWriter",))
