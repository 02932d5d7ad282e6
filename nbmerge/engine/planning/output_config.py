"""The result's config: the donor's, adapted to the weights that are written."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nbmerge.checkpoints.checkpoint import DEPTH_KEYS, Checkpoint
from nbmerge.checkpoints.stacks import depths, telling
from nbmerge.engine.planning.layer_config import lists_kinds, restack_config


def fit_config(
    donor: Checkpoint, layers: Mapping[str, Sequence[int]], dtype: str, vocabulary: int | None, head: bool
) -> tuple[dict[str, Any], list[str]]:
    """The donor's config with the result's depth, settings of single layers, dtype, vocabulary size and tying.

    Parameters
    ----------
    donor : Checkpoint
    layers : mapping of str to sequence of int
        For each stack and each of its layers in the result, the corresponding layer of the donor.
    dtype : str
        The dtype of most of the result's weights.
    vocabulary : int, optional
        Rows of the token embedding; None keeps the donor's number.
    head : bool
        Whether the result has a separate head with a row for each token; if not, it shares the embedding's weights.

    Returns
    -------
    dict
        The config.
    list of str
        Settings of single layers that could not be adapted, see `layer_config`.
    """
    config = copy.deepcopy(donor.config)
    text = config["text_config"] if isinstance(config.get("text_config"), dict) else config
    notes = [note for stack, own in layers.items() for note in _adapt_stack(config, donor, stack, own)]
    for part in (config, text):
        for key in ("dtype", "torch_dtype"):
            if key in part:
                part[key] = dtype
    if "dtype" not in config:  # the key that all versions of transformers read
        config["torch_dtype"] = dtype
    size = text.get("vocab_size")
    if vocabulary is not None and isinstance(size, int) and vocabulary != donor.vocabulary:
        # the number of rows without a token, such as those of prompts, stays the same
        text["vocab_size"] = size + vocabulary - donor.vocabulary if donor.vocabulary else vocabulary
    if head and config.get("tie_word_embeddings", True):
        config["tie_word_embeddings"] = False
    elif not head and has_head(donor):
        config["tie_word_embeddings"] = True
    return config, list(dict.fromkeys(notes))


def has_head(model: Checkpoint) -> bool:
    """Whether a model has a separate head with a row for each token, which a bias or a classifier is not."""
    return any(is_head(n, model.tensors[n].shape, model.vocabulary) for n in model.layout.outside("head"))


def is_head(name: str, shape: Sequence[int], rows: int | None) -> bool:
    """Whether a tensor outside the layers with the role of a head has a row for each token."""
    return name.endswith("weight") and (len(shape) == 2 and shape[0] == rows if rows is not None else len(shape) > 0)


def find_depth_keys(donor: Checkpoint, stack: str) -> list[tuple[str, ...]]:
    """The places where a config declares how many layers a stack has, each as the keys from the top down."""
    layout, declared = donor.layout, depths(donor.config)
    found = layout.stacks[stack]
    meant = [d.path for d in declared if d.means(found, stack == layout.stack, declared)]
    if len(layout.stacks) > 1:
        return meant
    inside = ("text_config",) if donor.text_config is not donor.config else ()
    named = [(*inside, key) for key in DEPTH_KEYS if isinstance(donor.text_config.get(key), int)]
    if "decoder" in telling((stack,)):  # for a decoder alone, transformers sizes the cache by the encoder's depth
        meant += [d.path for d in declared if d.value == found.depth and telling(d.path) == {"encoder"}]
    return named + [path for path in meant if path not in named and (not named or telling(path[-1:]))]


def find_config_parts(donor: Checkpoint, stack: str) -> list[tuple[str, ...]]:
    """Parts of a config that describe a stack: those with its number of layers, else one with a list of its layers' kinds."""
    if places := find_depth_keys(donor, stack):
        return list(dict.fromkeys(path[:-1] for path in places))
    listed = stack == donor.layout.stack and lists_kinds(donor.text_config, donor.layout.stacks[stack].depth)
    return [("text_config",) if donor.text_config is not donor.config else ()] if listed else []


def _adapt_stack(config: dict[str, Any], donor: Checkpoint, stack: str, layers: Sequence[int]) -> list[str]:
    """Write a stack's number of layers and the settings of each; notes on what cannot be written are returned."""
    notes: list[str] = []
    stored = donor.layout.stacks[stack].depth
    if list(layers) == list(range(stored)):
        return notes  # the numbers in a config and in the files may differ, for instance if layers run several times
    places = find_depth_keys(donor, stack)
    for inside in find_config_parts(donor, stack):
        part = config
        for key in inside:
            part = part[key]
        named = [path[-1] for path in places if path[:-1] == inside]
        keys = [key for key in named if not _runs_again(part[key], stored)]
        notes += [
            f"{key}: {part[key]} means {stored} layers in the files; it is not changed"
            for key in named
            if key not in keys
        ]
        depth = part[keys[0]] if keys else stored
        if list(layers) == list(range(depth)):
            continue
        is_of = partial(_is_of, stack=stack, others=_others(donor, stack, inside), main=stack == donor.layout.stack)
        notes += restack_config(part, depth, layers, is_of)
        part |= dict.fromkeys(keys, len(layers))
    return notes


def _runs_again(count: int, stored: int) -> bool:
    """Whether a number counts the layers in the files several times, as in models that run them in cycles."""
    return count > stored and count % stored == 0


def _others(donor: Checkpoint, stack: str, inside: tuple[str, ...]) -> list[str]:
    """Other stacks whose depths are declared in the same part of a config."""
    stacks = (s for s in donor.layout.stacks if s != stack)
    return [s for s in stacks if any(path[:-1] == inside for path in find_depth_keys(donor, s))]


def _is_of(key: str, stack: str, others: Sequence[str], main: bool) -> bool:
    """Whether a key is about this stack, if a part of a config is about several."""
    if not others:
        return True
    words = telling((key,))
    return bool(words & telling((stack,))) if words else main
