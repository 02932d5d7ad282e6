"""A tiny config of any architecture that transformers knows: its default config with every size made small.

There is no list of architectures. A number is made small by what its name says it is (a vocabulary, a depth, a width, a
number of heads, of experts, ...), nested configs likewise; lists with a value for each layer are left out, so that the
config class makes its own for the new depth. `SPECIAL` has what cannot be known from names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

DEPTH = 4
VOCABULARY = 64
HIDDEN = 32

_SIZES: list[tuple[str, int]] = [
    (r"^pad_token_id$", 0),
    (r"^bos_token_id$", 1),
    (r"^(eos|sep|cls)_token_id$", 2),
    (r"(token_id|token_index|_token|_index)$", 3),
    (r"vocab_size|^vocabulary_size$|codebook_size|num_embeddings$|^n_vocab$", VOCABULARY),
    (r"experts_per_to|top_?k(_experts)?$|moe_topk|moe_k|num_selected|k_routing", 2),
    (r"n_group|topk_group|num_expert_groups?|num_groups", 1),
    (r"num_(shared|null)_experts|n_shared_experts|num_shared|num_zero_experts|zero_expert_num", 1),
    (r"experts|num_local_experts|expert_num$|moe_num", 4),
    (r"(kv|key_value|group|query_group)\w*_heads|n_head_kv|num_kv|multi_query_group_num|num_kv_heads", 2),
    (r"mamba_num_heads|mamba_n_heads", 8),
    (r"mamba_(head_dim|d_head)|ssm_head", 8),
    (r"head_dim|qk_nope|qk_rope|v_head|^d_head$|kv_channels|d_kv$|^dim_head|attention_head_size|head_size|key_size|_dim_head", 8),
    (r"rotary_dim|rope_dim", 8),
    (r"heads|n_head$", 4),
    (r"lora_rank|low_rank|_rank$|dt_rank", 8),
    (r"(intermediate|ffn|feed_forward|d_ff|inner|mlp)\w*(size|dim|hidden)?$|d_ff|n_inner|ffn_dim|expand_hidden", 48),
    (r"state_size|d_state|ssm_state", 8),
    (r"chunk|block_size|window", 16),
    (r"max_\w*(position|length|len|seq)|n_positions|n_ctx|seq_len|context_length|max_source|model_max", 64),
    (r"image_size|input_size", 16),
    (r"patch_size", 4),
    (r"hidden|d_model|n_embd|embed(ding)?_(dim|size)|^dim$|_dim$|_width$|model_dim|_size$|d_embed|channels", HIDDEN),
]  # fmt: skip
"""What a number is made to be, by its name; only larger numbers are made small."""

_DEPTH = re.compile(r"^(num_hidden_layers|n_layers?|num_layers|depth|num_\w+_layers|\w+_layers)$")
_NO_DEPTH = re.compile(r"layerdrop|kv_shared|dense|nextn|feat_extract|adapter|sparse|hash|window|conv|mtp|first|last")
_KEEP = re.compile(
    r"kernel|stride|factor|period|offset|interval|every|bias|eps|version|scale|theta|pool|ratio|n_mels|bins|bucket"
)
_DROP = {"transformers_version", "architectures", "dtype", "torch_dtype", "id2label", "label2id", "_name_or_path",
         "per_layer_config", "auto_map", "qk_head_dim", "layer_types", "attention_layers", "head_dim_list"}  # fmt: skip

_ABSENT = {"head_dim": 8, "num_key_value_heads": 4, "vocab_size": VOCABULARY}
"""Sizes that some classes cannot do without and do not set by themselves."""


def tiny(model_type: str, config_class: type, **more: Any) -> Any:
    """A tiny config of one class; what is not known of it from its names is in `SPECIAL`."""
    default = _default(config_class)
    settings = shrunk(default) | SPECIAL.get(model_type, {}) | more
    made = config_class(**settings)
    return made


def _default(config_class: type) -> dict[str, Any]:
    return config_class().to_dict()


def shrunk(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys with small values; what follows from other values is left out."""
    depths = {v for k, v in config.items() if _is_depth(k) and type(v) is int}
    made: dict[str, Any] = {}
    for key, value in config.items():
        if key in _ABSENT and value is None:
            made[key] = _ABSENT[key]
        if key in _DROP or value is None:
            continue
        if isinstance(value, Mapping):
            if "model_type" in value or key.endswith("_config") or key in ("encoder", "decoder"):
                made[key] = shrunk(value) | SPECIAL.get(str(value.get("model_type")), {}) | (
                    {"model_type": value["model_type"]} if "model_type" in value else {}
                )  # fmt: skip
            elif not (key.startswith("rope_") or key == "per_layer_config"):
                made[key] = value
        elif isinstance(value, (list, tuple)):
            if len(value) not in depths or len(value) < 5:
                made[key] = value
        elif type(value) is int:
            made[key] = small(key, value)
        else:
            made[key] = value
    if "kv_lora_rank" in made and "num_key_value_heads" in made:
        made["num_key_value_heads"] = made.get("num_attention_heads", 4)  # latent attention has no groups
    return made


def small(key: str, value: int) -> int:
    """A small number in place of one, by its name."""
    if key == "model_type" or isinstance(value, bool):
        return value
    if _is_depth(key):
        return min(value, DEPTH)
    if "layer_period" in key or key in ("layer_group_size", "sliding_window_pattern"):
        return min(value, 2)
    if "layer_offset" in key:
        return min(value, 1)
    if _KEEP.search(key) and not key.endswith("_size"):
        return value
    for pattern, size in _SIZES:
        if re.search(pattern, key):
            return min(value, size) if value >= 0 else value
    return value


def _is_depth(key: str) -> bool:
    return bool(_DEPTH.match(key)) and not _NO_DEPTH.search(key)


_HYBRID = ["linear_attention", "full_attention"] * 2

SPECIAL: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1, 3]},
    "blenderbot": {"encoder_layers": 4},
    "blt": {"encoder_hash_byte_group_vocab": 64, "use_cache": False},
    "cohere_compass_text": {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10000.0}}},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 10000.0}},
    "deepseek_v2": {"num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "deepseek_v4": {"num_key_value_heads": 1},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1, "moe_intermediate_size": 16},
    "dots3_note": {"num_key_value_heads": 4},
    "dots3_note_text": {
        "num_key_value_heads": 4, "swa_num_attention_heads": 4, "swa_num_key_value_heads": 4, "swa_q_lora_rank": 8,
        "swa_kv_lora_rank": 8, "swa_head_dim": 16, "swa_qk_nope_head_dim": 8, "swa_v_head_dim": 8,
    },
    "esmc": {"num_key_value_heads": 4},
    "falcon_h1": {"mamba_d_ssm": 64, "mamba_n_heads": 8, "mamba_d_head": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "gemma3n_text": {"intermediate_size": 48},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "hrm_text": {"num_layers_per_stack": None},
    "kimi_linear": {"layer_types": _HYBRID},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "longcat_flash": {"head_dim": 8, "qk_rope_head_dim": 8},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "musicgen_decoder": {"num_codebooks": 2},
    "musicgen_melody_decoder": {"num_codebooks": 2},
    "nystromformer": {"segment_means_seq_len": 16, "num_landmarks": 4},
    "perceiver": {"d_latents": 32, "num_latents": 8, "d_model": 32, "num_self_attends_per_block": 4},
    "reformer": {"is_decoder": True, "attn_layers": ["local", "lsh"] * 2, "axial_pos_shape": [4, 16],
                 "axial_pos_embds_dim": [16, 16]},
    "xmod": {"default_language": "en_XX"},
    "zamba2": {"hybrid_layer_ids": [1, 3], "layers_block_type": ["mamba", "hybrid"] * 2, "num_mem_blocks": 1},
}  # fmt: skip
"""What names do not tell: sizes that depend on each other, and kinds of layers that a class does not choose by itself."""
