"""A small sound model and adapter, in pieces that can be spoilt."""

from __future__ import annotations

import json
from typing import Any

HIDDEN, ROWS, LAYERS = 4, 6, 2
HEADER, INDEX, CONFIG, TOKENIZER = "model.safetensors", "model.safetensors.index.json", "config.json", "tokenizer.json"
ADAPTER, LORA = "adapter_config.json", "adapter_model.safetensors"
JSON_FILES = (CONFIG, TOKENIZER, "tokenizer_config.json", "generation_config.json", "special_tokens_map.json")

Folder = dict[str, Any]
"""Contents by file name: bytes, a function that makes something at a path, or None for no file."""


def tensors() -> dict[str, list[int]]:
    """Shapes of the sound model."""
    inside = {
        "input_layernorm.weight": [HIDDEN],
        "self_attn.q_proj.weight": [HIDDEN, HIDDEN],
        "mlp.up_proj.weight": [8, HIDDEN],
    }
    layers = {f"model.layers.{i}.{n}": s for i in range(LAYERS) for n, s in inside.items()}
    return {
        "model.embed_tokens.weight": [ROWS, HIDDEN],
        **layers,
        "model.norm.weight": [HIDDEN],
        "lm_head.weight": [ROWS, HIDDEN],
    }


def header(shapes: dict[str, list[int]]) -> dict[str, Any]:
    """A sound header."""
    entries, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        size = 4
        for n in shape:
            size *= n
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end := end + size]}
    return entries


def packed(entries: Any, data: int | None = None, length: int | None = None) -> bytes:
    """A safetensors file with this header, a mapping or raw bytes."""
    raw = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    if data is None:
        ends = [e["data_offsets"][1] for n, e in header(tensors()).items() if n != "__metadata__"]
        data = max(ends)
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + bytes(data)


def config() -> dict[str, Any]:
    """A sound config."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": 8,
        "num_hidden_layers": LAYERS, "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": ROWS,
        "tie_word_embeddings": False, "torch_dtype": "float32", "rope_scaling": {"factor": 2.0}, "layer_types": ["full"] * LAYERS,
        "bos_token_id": 1, "eos_token_id": [2], "quantization_config": None, "text_config": None,
    }  # fmt: skip


def tokenizer() -> dict[str, Any]:
    """A sound tokenizer.json."""
    vocabulary = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>", "a", "b", "c"])}
    added = [{"id": i, "content": t, "special": True} for i, t in enumerate(["<unk>", "<s>", "</s>"])]
    return {
        "version": "1.0",
        "added_tokens": added,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }


def lora() -> dict[str, Any]:
    """A sound adapter_config.json."""
    return {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none", "fan_in_fan_out": False,
            "use_rslora": False, "use_dora": False, "modules_to_save": None, "base_model_name_or_path": "x", "rank_pattern": {},
            "alpha_pattern": {}, "task_type": "CAUSAL_LM"}  # fmt: skip


def lora_shapes() -> dict[str, list[int]]:
    """Shapes of the sound adapter."""
    names = [f"base_model.model.model.layers.{i}.self_attn.q_proj.lora_{{}}.weight" for i in range(LAYERS)]
    return {n.format(p): s for n in names for p, s in (("A", [2, HIDDEN]), ("B", [HIDDEN, 2]))}


def sound() -> Folder:
    """A sound model in one file."""
    return {CONFIG: json.dumps(config()).encode(), HEADER: packed(header(tensors())), TOKENIZER: json.dumps(tokenizer()).encode(),
            "tokenizer_config.json": b'{"tokenizer_class": "PreTrainedTokenizerFast"}'}  # fmt: skip


def sharded() -> tuple[Folder, dict[str, Any]]:
    """A sound model in two files, and its index."""
    shapes = list(tensors().items())
    parts = {"model-00001-of-00002.safetensors": dict(shapes[:4]), "model-00002-of-00002.safetensors": dict(shapes[4:])}
    headers = {name: header(part) for name, part in parts.items()}
    ends = {name: max(e["data_offsets"][1] for n, e in h.items() if n != "__metadata__") for name, h in headers.items()}
    files = sound() | {HEADER: None} | {name: packed(h, ends[name]) for name, h in headers.items()}
    return files, {"metadata": {"total_size": 1}, "weight_map": {t: name for name, part in parts.items() for t in part}}


def adapter() -> Folder:
    """A sound adapter."""
    return {ADAPTER: json.dumps(lora()).encode(), LORA: packed(header(lora_shapes()), 4 * 2 * HIDDEN * 2 * LAYERS)}
