"""The result's config: the donor's, made to fit the weights that are written."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from nbmerge.checkpoints.checkpoint import DEPTH_KEYS, Checkpoint
from nbmerge.checkpoints.stacks import depths


def fitted(
    donor: Checkpoint, layers: Mapping[str, Sequence[int]], dtype: str, vocabulary: int | None, heads: bool
) -> dict[str, Any]:
    """The donor's config with depth, per-layer lists, dtype, vocabulary size and tying as in the result.

    Parameters
    ----------
    donor : Checkpoint
    layers : mapping of str to sequence of int
        For each stack, and in it for each layer of the result, the donor's layer that it stands for.
    dtype : str
        dtype of most of the result's weights.
    vocabulary : int, optional
        Rows of the token embedding; None leaves the donor's number.
    heads : bool
        Whether the result has a head of its own; without one, it shares the embedding's weights.
    """
    config = copy.deepcopy(donor.config)
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    for stack, own in layers.items():
        for path in depth_places(donor, stack):
            _restack(config, path, own)
    for part in (config, text):
        for key in ("dtype", "torch_dtype"):
            if key in part:
                part[key] = dtype
    if "dtype" not in config:  # what older versions of transformers read, and newer ones as well
        config["torch_dtype"] = dtype
    if vocabulary is not None and isinstance(text.get("vocab_size"), int):
        text["vocab_size"] = vocabulary
    if heads and config.get("tie_word_embeddings", True):
        config["tie_word_embeddings"] = False
    elif not heads and donor.layout.outside("head"):
        config["tie_word_embeddings"] = True
    return config


def depth_places(donor: Checkpoint, stack: str) -> list[tuple[str, ...]]:
    """Where a config says how many layers a stack has: the keys from its top down to each number."""
    layout, said = donor.layout, depths(donor.config)
    if len(layout.stacks) > 1:
        found = layout.stacks[stack]
        return [d.path for d in said if d.means(found, stack == layout.stack, said)]
    inside = ("text_config",) if donor.text_config is not donor.config else ()
    return [(*inside, key) for key in DEPTH_KEYS if isinstance(donor.text_config.get(key), int)]


def _restack(config: dict[str, Any], path: tuple[str, ...], layers: Sequence[int]) -> None:
    """Write a number of layers, and with it what the config says of each layer."""
    part = config
    for key in path[:-1]:
        part = part[key]
    depth = part[path[-1]]
    if list(layers) == list(range(depth)):
        return
    part[path[-1]] = len(layers)
    for key, value in part.items():  # layer_types, no_rope_layers, mlp_layer_types, ...
        if "layer" in key and isinstance(value, list) and len(value) == depth:
            part[key] = [value[i] if i < depth else value[-1] for i in layers]
