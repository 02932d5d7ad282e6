"""The architectures that a mixture can have: where their experts and routers are, and the config that describes them.

Tensors have the names that checkpoints on the Hub have, one for each expert. Versions of transformers that keep all experts of
a layer in one tensor stack them when they load such a checkpoint, and take them apart again when they save it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]

PARTS = ("gate_proj", "up_proj", "down_proj")
"""The matrices of an MLP, as Llama, Mistral and Qwen name them."""
DOWN = "down_proj"
"""The one whose result is added to the residual stream."""
PROMPTED = ("hidden", "hidden_avg", "hidden_last", "cheap_embed")
"""Gate modes that need prompts."""


@dataclass(frozen=True)
class Architecture:
    """An architecture of mixtures.

    Parameters
    ----------
    name : str
        As recipes write it, and as transformers names the model type.
    title : str
    class_name : str
        The class of transformers.
    bases : tuple of str
        Model types that it can be built from.
    attention : tuple of str
        Parts of a layer, besides those of its MLP, that it has a place for.
    router, expert : str
        Parts of a layer: the router, and an expert's matrix with ``{expert}`` and ``{part}``.
    parts : mapping of str to str
        What it calls the matrices of `PARTS`.
    configure : callable
        ``(config, experts, experts per token)``: what its config has besides what it shares with the base model.
    shared, shared_router : str, optional
        Parts of a layer: the shared expert's matrix with ``{part}``, and its gate.
    """

    name: str
    title: str
    class_name: str
    bases: tuple[str, ...]
    attention: tuple[str, ...]
    router: str
    expert: str
    parts: Mapping[str, str]
    configure: Callable[[Config, int, int], Config]
    shared: str | None = None
    shared_router: str | None = None

    def config(self, base: Mapping[str, Any], experts: int, per_token: int) -> Config:
        """The config of a mixture, from that of its base model.

        What the base model's config leaves to transformers' defaults is written out: the mixture's defaults are others.
        """
        config = _defaults(base) | {k: v for k, v in base.items() if k not in _DROPPED}
        config = _with_theta(config)
        own = {"architectures": [self.class_name], "model_type": self.name, "num_experts_per_tok": per_token}
        return config | own | self.configure(config, experts, per_token)


_DROPPED = ("auto_map", "mlp_bias", "pretraining_tp", "transformers_version")
"""Keys of a base model's config that do not apply to a mixture."""
_THETA = 10_000.0


def _defaults(base: Mapping[str, Any]) -> Config:
    """What transformers assumes where a base model's config has no value."""
    kind = base.get("model_type")
    heads = base.get("num_attention_heads", 32)
    found: Config = {
        "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": False,
        "num_key_value_heads": 8 if kind == "mistral" else heads if kind == "llama" else 32,
        "max_position_embeddings": {"llama": 2048, "mistral": 131072}.get(str(kind), 32768),
    }  # fmt: skip
    if kind == "mistral":
        found["sliding_window"] = 4096
    return found | ({"head_dim": 128} if kind == "qwen3" else {})


def _with_theta(config: Config) -> Config:
    rope = config.get("rope_parameters")
    if isinstance(rope, Mapping) and "rope_theta" not in rope and "rope_theta" not in config:
        return config | {"rope_parameters": {"rope_theta": _THETA, **rope}}
    return config if "rope_theta" in config or isinstance(rope, Mapping) else config | {"rope_theta": _THETA}


def _mixtral(config: Config, experts: int, per_token: int) -> Config:
    window = config.get("sliding_window") if config["model_type"] == "mistral" else None
    return {"num_local_experts": experts, "sliding_window": window}


def _qwen(config: Config, experts: int, per_token: int) -> Config:
    return {
        "num_experts": experts, "moe_intermediate_size": config.get("intermediate_size"), "norm_topk_prob": True,
        "decoder_sparse_step": 1, "mlp_only_layers": [],
    }  # fmt: skip


def _qwen2(config: Config, experts: int, per_token: int) -> Config:
    own = _qwen(config, experts, per_token) | {"shared_expert_intermediate_size": config.get("intermediate_size")}
    if config["model_type"] == "qwen2":
        return own
    window = config.get("sliding_window") if config["model_type"] == "mistral" else None
    depth = config.get("num_hidden_layers")
    kinds = ["sliding_attention" if window else "full_attention"] * (depth if type(depth) is int else 0)
    return own | {
        "qkv_bias": False, "use_sliding_window": bool(window), "sliding_window": window, "layer_types": kinds,
    }  # fmt: skip


_NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight")
_PROJECTIONS = tuple(f"self_attn.{part}_proj.weight" for part in "qkvo")
_BIASES = tuple(f"self_attn.{part}_proj.bias" for part in "qkvo")
_SAME = {part: part for part in PARTS}

ARCHITECTURES = (
    Architecture(
        "mixtral", "Mixtral", "MixtralForCausalLM", ("llama", "mistral"), (*_PROJECTIONS, *_NORMS),
        "block_sparse_moe.gate.weight", "block_sparse_moe.experts.{expert}.{part}.weight",
        {"gate_proj": "w1", "up_proj": "w3", "down_proj": "w2"}, _mixtral,
    ),
    Architecture(
        "qwen2_moe", "Qwen2-MoE", "Qwen2MoeForCausalLM", ("qwen2", "llama", "mistral"),
        (*_PROJECTIONS, *_BIASES[:3], *_NORMS), "mlp.gate.weight", "mlp.experts.{expert}.{part}.weight", _SAME, _qwen2,
        "mlp.shared_expert.{part}.weight", "mlp.shared_expert_gate.weight",
    ),
    Architecture(
        "qwen3_moe", "Qwen3-MoE", "Qwen3MoeForCausalLM", ("qwen3",),
        (*_PROJECTIONS, *_BIASES, *_NORMS, "self_attn.q_norm.weight", "self_attn.k_norm.weight"), "mlp.gate.weight",
        "mlp.experts.{expert}.{part}.weight", _SAME, _qwen,
    ),
)  # fmt: skip
"""The first that fits is the one that a recipe gets which names none."""

OTHER_NAMES = {
    "qwen": "qwen2_moe",
    "qwen moe": "qwen2_moe",
    "qwen2": "qwen2_moe",
    "qwen3": "qwen3_moe",
    "qwen3 moe": "qwen3_moe",
}
"""What mergekit-moe's files call them."""
ELSEWHERE = {
    "deepseek": "transformers has no DeepSeek architecture with the attention of Llama or Mistral: from DeepSeek-V2 on, attention "
    "is latent, and the one before it runs code from the Hub. Choose mixtral, or qwen2_moe for a shared expert.",
}
"""Architectures of mergekit-moe that a mixture cannot have here, with the reason."""


def find_architecture(name: str) -> Architecture | None:
    """The architecture of a name, however it is written."""
    written = name.strip().lower().replace("-", "_")
    written = OTHER_NAMES.get(written.replace("_", " "), written)
    return next((a for a in ARCHITECTURES if a.name == written), None)
