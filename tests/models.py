"""Tiny real models, made in a moment: what the tests merge instead of downloads.

`make_model` writes a folder that `transformers.AutoModelForCausalLM.from_pretrained` loads: config, safetensors and a
character tokenizer. Configs are written by hand, so nothing here needs transformers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from nbmerge.recipe import Recipe

SPECIAL = ("<unk>", "<s>", "</s>")
CHARACTERS = " " + ascii_lowercase + ".,"


def make_model(
    folder: str | Path,
    *,
    layers: int = 3,
    hidden: int = 16,
    intermediate: int = 24,
    heads: int = 4,
    kv_heads: int = 2,
    vocab: int = 32,
    seed: int = 0,
    base: str | Path | None = None,
    noise: float = 0.05,
    dtype: str = "float32",
    tied: bool = False,
    shards: int = 1,
    architecture: str = "llama",
    tokenizer: bool = True,
    config: Mapping[str, Any] | None = None,
    replace: Mapping[str, torch.Tensor | None] | None = None,
) -> Path:
    """Write a model folder and return its path.

    Parameters
    ----------
    base
        A folder to start from: its tensors plus `noise` times normal numbers, and its config. Sizes are then its own.
    dtype
        torch's name of the dtype that all tensors are stored in.
    tied
        Leave the head out; the embedding serves for both. GPT-2 is always tied.
    shards
        Number of safetensors files; more than one are listed in an index.
    architecture
        "llama", "mistral", "qwen2" (Llama with biases on q, k and v; transformers puts Qwen's own tokenizer class around the
        characters), "qwen3" (Llama with norms on q and k) or "gpt2".
    config
        More keys for config.json.
    replace
        Tensors to put in place of, or beside, the random ones; None leaves one out.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    if base is not None:
        settings = json.loads((Path(base) / "config.json").read_text())
        tensors = {name: t.float().numpy() for name, t in read_tensors(base).items()}
        tensors = {name: t + noise * rng.standard_normal(t.shape) for name, t in tensors.items()}
        vocab = settings["vocab_size"]
    else:
        sizes = Sizes(layers, hidden, intermediate, heads, kv_heads, vocab)
        settings, tensors = sizes.gpt2(rng) if architecture == "gpt2" else sizes.llama(rng, architecture, tied)
    stored = {name: torch.from_numpy(t).to(getattr(torch, dtype)) for name, t in tensors.items()}
    stored = {name: t for name, t in (stored | dict(replace or {})).items() if t is not None}
    settings = settings | {"torch_dtype": dtype} | dict(config or {})
    (folder / "config.json").write_text(json.dumps(settings, indent=2))
    write_weights(folder, stored, shards)
    if tokenizer:
        write_tokenizer(folder, vocab)
    return folder


def read_tensors(folder: str | Path) -> dict[str, torch.Tensor]:
    """Every tensor of a model folder, sharded or not, in its stored dtype."""
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def write_weights(folder: Path, tensors: Mapping[str, torch.Tensor], shards: int = 1) -> None:
    """Write tensors as one safetensors file, or as several with an index."""
    tensors = {name: t.contiguous().clone() for name, t in tensors.items()}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    index: dict[str, str] = {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        mine = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        save_file({n: tensors[n] for n in mine}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(mine, file)
    size = sum(t.nbytes for t in tensors.values())
    text = json.dumps({"metadata": {"total_size": size}, "weight_map": index}, indent=2)
    (folder / "model.safetensors.index.json").write_text(text)


def write_tokenizer(folder: Path, vocab: int) -> None:
    """A tokenizer of single characters with at most `vocab` tokens, and its generation config."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    tokens = [*SPECIAL, *CHARACTERS][:vocab]
    backend = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token=SPECIAL[0]))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    backend.add_special_tokens([t for t in SPECIAL if t in tokens])
    backend.save(str(folder / "tokenizer.json"))
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **special, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 2}, indent=2))


@dataclass(frozen=True)
class Family:
    """A base model and two fine-tunes of it."""

    base: Path
    ft1: Path
    ft2: Path


def make_family(folder: str | Path, **sizes: Any) -> Family:
    """Write a base model and two fine-tunes of it; `sizes` as in `make_model`."""
    base = make_model(Path(folder) / "base", **sizes)
    return Family(base, *(make_model(Path(folder) / f"ft{i}", base=base, seed=i) for i in (1, 2)))


class Sizes:
    """The shapes of a model, and its random tensors."""

    def __init__(self, layers: int, hidden: int, intermediate: int, heads: int, kv_heads: int, vocab: int):
        self.layers, self.hidden, self.intermediate = layers, hidden, intermediate
        self.heads, self.kv_heads, self.vocab = heads, kv_heads, vocab

    def llama(self, rng: np.random.Generator, kind: str, tied: bool) -> tuple[dict, dict[str, np.ndarray]]:
        h, m, kv, v = self.hidden, self.intermediate, self.hidden // self.heads * self.kv_heads, self.vocab
        inside = {
            "input_layernorm.weight": (h,),
            "self_attn.q_proj.weight": (h, h),
            "self_attn.k_proj.weight": (kv, h),
            "self_attn.v_proj.weight": (kv, h),
            "self_attn.o_proj.weight": (h, h),
            "post_attention_layernorm.weight": (h,),
            "mlp.gate_proj.weight": (m, h),
            "mlp.up_proj.weight": (m, h),
            "mlp.down_proj.weight": (h, m),
        }
        if kind == "qwen2":
            inside |= {"self_attn.q_proj.bias": (h,), "self_attn.k_proj.bias": (kv,), "self_attn.v_proj.bias": (kv,)}
        if kind == "qwen3":
            inside |= {"self_attn.q_norm.weight": (h // self.heads,), "self_attn.k_norm.weight": (h // self.heads,)}
        shapes = {"model.embed_tokens.weight": (v, h)}
        shapes |= {f"model.layers.{i}.{part}": shape for i in range(self.layers) for part, shape in inside.items()}
        shapes |= {"model.norm.weight": (h,)} | ({} if tied else {"lm_head.weight": (v, h)})
        config = {
            "architectures": [f"{kind.capitalize()}ForCausalLM"],
            "model_type": kind,
            "hidden_size": h,
            "intermediate_size": m,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "hidden_act": "silu",
            "max_position_embeddings": 64,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "vocab_size": v,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": tied,
        } | ({"head_dim": h // self.heads} if kind == "qwen3" else {})
        return config, self._random(rng, shapes)

    def gpt2(self, rng: np.random.Generator) -> tuple[dict, dict[str, np.ndarray]]:
        h, m, v, positions = self.hidden, self.intermediate, self.vocab, 64
        inside = {
            "ln_1.weight": (h,), "ln_1.bias": (h,), "attn.c_attn.weight": (h, 3 * h), "attn.c_attn.bias": (3 * h,),
            "attn.c_proj.weight": (h, h), "attn.c_proj.bias": (h,), "ln_2.weight": (h,), "ln_2.bias": (h,),
            "mlp.c_fc.weight": (h, m), "mlp.c_fc.bias": (m,), "mlp.c_proj.weight": (m, h), "mlp.c_proj.bias": (h,),
        }  # fmt: skip
        shapes = {"transformer.wte.weight": (v, h), "transformer.wpe.weight": (positions, h)}
        shapes |= {f"transformer.h.{i}.{part}": shape for i in range(self.layers) for part, shape in inside.items()}
        shapes |= {"transformer.ln_f.weight": (h,), "transformer.ln_f.bias": (h,)}
        config = {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "n_embd": h,
            "n_inner": m,
            "n_head": self.heads,
            "n_layer": self.layers,
            "n_positions": positions,
            "vocab_size": v,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": True,
        }
        return config, self._random(rng, shapes)

    @staticmethod
    def _random(rng: np.random.Generator, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Normal numbers of a size that keeps activations finite; norms' weights near one."""
        near_one = {n for n in shapes if n.endswith(("norm.weight", "ln_1.weight", "ln_2.weight", "ln_f.weight"))}
        return {n: 0.1 * rng.standard_normal(s) + (n in near_one) for n, s in shapes.items()}


def gradient_recipe(family: Family) -> Recipe:
    """A recipe with a gradient of three knots for one fine-tune and one number for the other."""
    return Recipe.of({
        "merge_method": "task_arithmetic",
        "base_model": str(family.base),
        "models": [
            {"model": str(family.ft1), "parameters": {"weight": [0.0, 0.5, 1.0]}},
            {"model": str(family.ft2), "parameters": {"weight": 0.3}},
        ],
    })  # fmt: skip
