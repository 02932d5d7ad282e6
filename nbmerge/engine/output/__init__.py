"""Output: a model folder built next to its final path, resumable, and renamed when it is complete."""

from typing import TYPE_CHECKING

from nbmerge.lazy import exporter

if TYPE_CHECKING:
    from nbmerge.engine.output.folder import MANIFEST, check_output
    from nbmerge.engine.output.model_folder import refuse_foreign
    from nbmerge.engine.output.shards import ShardWriter
    from nbmerge.engine.output.unfinished import UnfinishedMerge, discard_unfinished, find_unfinished, propose_output

__all__ = [
    "MANIFEST", "ShardWriter", "UnfinishedMerge", "check_output", "discard_unfinished", "find_unfinished",
    "propose_output", "refuse_foreign",
]  # fmt: skip

__getattr__ = exporter(
    __name__, folder=("MANIFEST", "check_output"), model_folder=("refuse_foreign",), shards=("ShardWriter",),
    unfinished=("UnfinishedMerge", "discard_unfinished", "find_unfinished", "propose_output"),
)  # fmt: skip
