"""Output: a model folder built next to its final path, resumable, and renamed when it is complete."""

from typing import TYPE_CHECKING

from nbmerge.imports import exporter

if TYPE_CHECKING:
    from nbmerge.engine.output.folder import (
        MANIFEST,
        absolute,
        check_output,
        check_place,
        check_place_beside,
        write_manifest,
    )
    from nbmerge.engine.output.journal import Journal
    from nbmerge.engine.output.model_folder import refuse_foreign
    from nbmerge.engine.output.resumable import building_in_steps
    from nbmerge.engine.output.shards import MAX_SHARD, ShardWriter
    from nbmerge.engine.output.unfinished import UnfinishedMerge, discard_unfinished, find_unfinished, propose_output

__all__ = [
    "MANIFEST", "MAX_SHARD", "Journal", "ShardWriter", "UnfinishedMerge", "absolute", "building_in_steps", "check_output", "check_place",
    "check_place_beside", "discard_unfinished", "find_unfinished", "propose_output", "refuse_foreign", "write_manifest",
]  # fmt: skip

__getattr__ = exporter(
    __name__, folder=("MANIFEST", "absolute", "check_output", "check_place", "check_place_beside", "write_manifest"), journal=("Journal",),
    model_folder=("refuse_foreign",), resumable=("building_in_steps",), shards=("MAX_SHARD", "ShardWriter"),
    unfinished=("UnfinishedMerge", "discard_unfinished", "find_unfinished", "propose_output"),
)  # fmt: skip
