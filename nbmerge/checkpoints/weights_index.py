"""Shards and the index that lists them: a JSON file with the name of the file that each tensor is in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nbmerge.bounded import is_name
from nbmerge.checkpoints import hub
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json

MOST_NAMED = 1000
"""Maximum number of files that an error message checks."""


def read_index(index: Path, read: Callable[[Path], dict[str, StoredTensor]]) -> dict[str, StoredTensor]:
    """Every tensor of the shards that an index lists.

    Parameters
    ----------
    index : Path
    read : callable
        Reads the tensors of one shard.

    Raises
    ------
    CheckpointError
        When a shard is missing, lies outside the folder, or lacks a tensor.
    """
    path, weight_map = index.parent, read_model_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(v, str) for v in weight_map.values()):
        raise CheckpointError(f"{index.name} in {path} has no usable weight_map. Download it again.")
    shards: dict[str, dict[str, StoredTensor]] = {}
    names = list(dict.fromkeys(weight_map.values()))
    for name in names:
        if not is_name(name):
            raise CheckpointError(
                f"{index.name} in {path} lists a shard outside the folder: {name!r:.80}. Do not use this model."
            )
        if not hub.held(path / name):
            missing = sorted(n for n in names[:MOST_NAMED] if is_name(n) and not hub.held(path / n))
            raise CheckpointError(
                f"{path} is missing {len(missing)} of its shards: {', '.join(missing[:4])}. Download them again."
            )
        shards[name] = read(path / name)
    lost = [t for t, shard in weight_map.items() if t not in shards[shard]]
    if lost:
        raise CheckpointError(
            f"{path}: {len(lost)} tensors are not in the shards that {index.name} lists (first: {lost[0]!r:.80} in "
            f"{weight_map[lost[0]]}). Download the model again."
        )
    return {t: shards[shard][t] for t, shard in weight_map.items()}
