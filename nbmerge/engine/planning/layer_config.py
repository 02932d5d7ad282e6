"""Settings of single layers in a config, renumbered for layers that are stacked in another order or number.

No list of architectures is needed: a value is interpreted by its form and by the words in its key.

- a list (or a text of letters) as long as the stack has a value for each layer: ``layer_types``;
- a list of ascending numbers refers to layers: ``mlp_only_layers``;
- a mapping from numbers has settings of single layers: ``per_layer_config``;
- a short list of kinds repeats until the stack ends: ``block_types``; it is written in full if necessary;
- a number counts layers at the front (``first_k_dense_replace``) or at the back (``num_kv_shared_layers``), or is a period
  (``sliding_window_pattern``): the first two are counted again, a period stays valid only if the layers keep to it.

Notes on settings that cannot be expressed or are not recognised are returned, for `check` to report.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

_FOREIGN = re.compile(
    r"token_id|label|conv|kernel|stride|channel|mtp|nextn|architectures|_size$|_dims?$|ratio|scal(e|ing)|position"
)
"""Keys of lists that are not about layers, even if they are as long as a stack."""
_EACH = re.compile(
    r"layer|block|_types?$|pattern|window|heads|experts|limits|multipliers|modes|sparsity|attn|indexer|^intermediate_size$"
)
"""Keys of lists with a value for each layer."""
_WHICH = re.compile(r"layers$|layer_ids$|layer_idxs?$|attn_idxs$|ind(ices|exes)$|(attention|attn)_blocks$|block_ids$")
"""Keys of lists that refer to layers by number."""
_TAPS = re.compile(
    r"feature|extract|^out_|intermediate|target|deepstack|select|hook|proj|look_|output|merge|spatial|insert"
)
"""Keys of layers whose output is used elsewhere: their number must not change when a layer is copied."""
_BY_NUMBER = re.compile(r"layer|block|pruned_heads")
_CYCLES = re.compile(r"^(block_types|layers?_pattern|\w*block_pattern)$")

LEADING = {
    "first_k_dense_replace": ("mlp_layer_types",), "num_dense_layers": ("mlp_layer_types",),
    "num_hash_layers": ("mlp_layer_types",), "max_window_layers": ("layer_types",),
    "num_first_full_attention_layers": ("layer_types",), "moe_layer_start_index": ("mlp_layer_types",),
}  # fmt: skip
"""Numbers of layers at the front that differ from the later ones, with the lists that state the same for each layer."""
TRAILING = {"num_kv_shared_layers": ("kv_sharing_modes",), "num_last_full_attention_layers": ("layer_types",)}
"""The same at the back."""
PERIODS = {
    "sliding_window_pattern": ("layer_types",), "_sliding_window_pattern": ("layer_types",),
    "prefix_dense_sliding_window_pattern": ("layer_types",), "global_attn_every_n_layers": ("layer_types",),
    "full_attention_interval": ("layer_types",), "layer_group_size": ("layer_types",),
    "attn_layer_period": (), "no_rope_layer_interval": ("no_rope_layers",),
    "expert_layer_period": (), "moe_layer_interval": ("mlp_layer_types",),
    "moe_layer_freq": ("mlp_layer_types",), "interleave_moe_layer_step": ("moe_layers",),
    "decoder_sparse_step": ("mlp_layer_types",), "encoder_sparse_step": (), "sparse_step": (),
    "cross_attention_frequency": (), "global_attn_every_n": ("layer_types",), "n_layers_per_attn_res_block": (),
}  # fmt: skip
"""Periods: numbers of layers after which a kind of layer occurs again."""
_COUNTS = re.compile(r"(period|interval|every|freq(uency)?|layer_step|offset|start_index|end_index|first_k|_at)(_|$)")
_NO_COUNT = re.compile(r"rope|theta|freqs|rotary|update|logging|time|save|eval|diffusion|mel|max_period|stride")


def restack_config(
    part: dict[str, Any], depth: int, layers: Sequence[int], is_of: Callable[[str], bool] = lambda key: True
) -> list[str]:
    """Rewrite the settings of each layer of a stack in a config, in place.

    Parameters
    ----------
    part : dict
        The config, or the config within it, that has the stack's depth.
    depth : int
        Number of layers that it describes.
    layers : sequence of int
        For each layer of the result, the corresponding one of the config; numbers past its end mean the last.
    is_of : callable
        Whether a key is about this stack, if the part is about several.

    Returns
    -------
    list of str
        Settings that cannot be expressed for the new layers or are not recognised, each a phrase that starts with the key.
    """
    own = [min(i, depth - 1) for i in layers]
    notes = []
    for key, value in list(part.items()):
        for rule in _RULES if is_of(key) else ():
            made = rule(key, value, depth, own, part)
            if made is not None:
                part[key] = made[0]
                notes += made[1]
                break
    return notes


Made = tuple[Any, list[str]] | None
"""The new value and notes about it; None if a rule does not apply."""


def _numbers(value: Any, depth: int) -> bool:
    """Whether a value is a list of ascending numbers of layers."""
    return (
        isinstance(value, list)
        and all(type(i) is int and 0 <= i < depth for i in value)
        and all(a < b for a, b in pairwise(value))
    )


def _sources(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """For each layer, the number of the layer whose keys and values it uses."""
    if (
        "source" not in key
        or not isinstance(value, list)
        or len(value) != depth
        or not all(type(i) is int for i in value)
    ):
        return None
    made, lost = [], []
    for j, i in enumerate(layers):
        before = [k for k in range(j) if layers[k] == value[i]]
        if value[i] != i and not before:
            lost.append(j)
        made.append(j if value[i] == i or not before else before[-1])
    return made, [f"{key}: layer {lost[0]} uses a layer that is not before it"] if lost else []


def is_by_number(key: str, value: Any, depth: int) -> bool:
    """Whether a list refers to layers by number, instead of having a value for each."""
    if not _WHICH.search(key) or not value or not _numbers(value, depth):
        return False
    flags = len(value) == depth and (key.startswith("no_") or (set(value) <= {0, 1} and depth > 2))
    return not flags


def lists_kinds(part: Mapping[str, Any], depth: int) -> bool:
    """Whether a list, or a text of letters, states the kind of each layer of a stack."""
    kinds = {k: v for k, v in part.items() if isinstance(v, str) or (isinstance(v, list) and _are_words(v))}
    return any((made := _each(k, v, depth, range(depth), part)) is not None and not made[1] for k, v in kinds.items())


def _are_words(values: list[Any]) -> bool:
    return all(isinstance(v, str) for v in values)


def _names(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A list that refers to layers by number."""
    if not is_by_number(key, value, depth):
        return None
    if _TAPS.search(key):
        moved = [i for i in value if list(layers[: i + 1]) != list(range(i + 1))]
        return value, [f"{key}: {moved} are layers whose output is used elsewhere; check them"] if moved else []
    return [j for j, i in enumerate(layers) if i in value], []


def _each(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A list, or a text, with a value for each layer."""
    if isinstance(value, str):
        return ("".join(value[i] for i in layers), []) if "pattern" in key and len(value) == depth > 1 else None
    if not isinstance(value, list) or len(value) != depth:
        return None
    if key != "intermediate_size" and _FOREIGN.search(key) and "layer" not in key:
        return None
    if _EACH.search(key) and "mtp" not in key and "token" not in key:
        return [copy.deepcopy(value[i]) for i in layers], []
    if depth < 4:  # probably as long as the stack by chance
        return None
    return value, [f"{key}: a list as long as the stack that is not recognised; it is not changed"]


def _runs(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """Kinds with their numbers of repetitions: GPT-Neo's ``[[["global", "local"], 12]]``."""
    if not isinstance(value, list) or not value or not all(_is_run(run) for run in value):
        return None
    kinds = [kind for kinds, times in value for kind in kinds * min(times, depth + 1)]
    return ([[[kinds[i] for i in layers], 1]], []) if len(kinds) == depth else None


def _is_run(run: Any) -> bool:
    return isinstance(run, list) and len(run) == 2 and isinstance(run[0], list) and type(run[1]) is int and run[1] > 0


def _cycle(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """Kinds that repeat until the stack ends."""
    if not _CYCLES.match(key) or not isinstance(value, list) or not value or not all(isinstance(k, str) for k in value):
        return None
    kinds = [value[i % len(value)] for i in layers]
    rhythm = all(kind == value[j % len(value)] for j, kind in enumerate(kinds))
    return (value if rhythm else kinds), []


def _by_number(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A mapping from numbers of layers, which may be padded with zeros, to their settings."""
    if not _BY_NUMBER.search(key) or "mtp" in key or not isinstance(value, dict) or not value:
        return None
    if not all(str(k).isdigit() and int(k) < depth for k in value):
        return None
    by_layer = {int(k): v for k, v in value.items()}
    width = max(map(len, map(str, value))) if any(str(k).startswith("0") and len(str(k)) > 1 for k in value) else 0
    return {str(j).zfill(width): copy.deepcopy(by_layer[i]) for j, i in enumerate(layers) if i in by_layer}, []


def _leading(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A number of layers at the front that differ from the later ones."""
    return _counted(key, value, [i < value for i in layers], LEADING, part) if _is_count(key, value, LEADING) else None


def _trailing(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A number of layers at the back that differ from the earlier ones."""
    if not _is_count(key, value, TRAILING):
        return None
    return _counted(key, value, [i >= depth - value for i in layers][::-1], TRAILING, part)


def _counted(key: str, value: int, inside: list[bool], known: Mapping[str, Any], part: Mapping[str, Any]) -> Made:
    count = sum(inside)
    if all(inside) and value >= len(inside):
        return value, []
    if all(inside[:count]):
        return count, []
    if _stated_by_layer(known[key], part):
        return value, []
    place = "first" if known is LEADING else "last"
    return value, [
        f"{key}: the {place} {value} layers differ from the others, but the {count} that remain are no longer adjacent"
    ]


def _period(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A number of layers after which a kind of layer occurs again."""
    period = len(value) if isinstance(value, str) and "pattern" in key else value
    if key not in PERIODS or type(period) is not int or period < 1:
        return None
    if all(j % period == i % period for j, i in enumerate(layers)) or _stated_by_layer(PERIODS[key], part):
        return value, []
    return value, [f"{key}: kinds of layers repeat after {period}, but these layers do not keep to that period"]


def _unknown(key: str, value: Any, depth: int, layers: Sequence[int], part: Mapping[str, Any]) -> Made:
    """A number that seems to be about layers."""
    if type(value) is not int or value <= 1 or key in {**LEADING, **TRAILING, **PERIODS}:
        return None
    if ("layer" in key or "block" in key) and _COUNTS.search(key) and not _NO_COUNT.search(key):
        if key.endswith("offset") and key.replace("offset", "period") in PERIODS:
            return None
        return value, [f"{key}: {value} is not recognised; it is not changed"]
    return None


def _is_count(key: str, value: Any, known: Mapping[str, Any]) -> bool:
    return key in known and type(value) is int and value > 0


def _stated_by_layer(keys: Sequence[str], part: Mapping[str, Any]) -> bool:
    """Whether a list states the same for each layer."""
    return any(part.get(key) for key in keys)


_RULES: tuple[Callable[..., Made], ...] = (
    _sources, _names, _runs, _each, _cycle, _by_number, _leading, _trailing, _period, _unknown,
)  # fmt: skip
