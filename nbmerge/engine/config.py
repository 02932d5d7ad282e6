"""The result's config: the donor's, made to fit the weights that are written."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from nbmerge.checkpoints.checkpoint import DEPTH_KEYS, Checkpoint


def fitted(donor: Checkpoint, layers: Sequence[int], dtype: str, vocabulary: int | None, heads: bool) -> dict[str, Any]:
    """The donor's config with depth, per-layer lists, dtype, vocabulary size and tying as in the result.

    Parameters
    ----------
    donor : Checkpoint
    layers : sequence of int
        For each layer of the result, the donor's layer that it stands for.
    dtype : str
        dtype of most of the result's weights.
    vocabulary : int, optional
        Rows of the token embedding; None leaves the donor's number.
    heads : bool
        Whether the result has a head of its own; without one, it shares the embedding's weights.
    """
    config = copy.deepcopy(donor.config)
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    depth = next((text[k] for k in DEPTH_KEYS if isinstance(text.get(k), int)), None)
    if depth is not None and list(layers) != list(range(depth)):
        for key in DEPTH_KEYS:
            if key in text:
                text[key] = len(layers)
        for key, value in text.items():  # layer_types, no_rope_layers, mlp_layer_types, ...
            if "layer" in key and isinstance(value, list) and len(value) == depth:
                text[key] = [value[i] if i < depth else value[-1] for i in layers]
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
