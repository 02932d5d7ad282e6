"""Random checkpoints of real shapes: a base, and fine-tunes that differ from it by a little noise.

    python -m tests.benchmarks.shapes FOLDER [--size 1.1b] [--finetunes 2]

Weights are N(0, 0.02), norms are 1 + N(0, 0.02), each fine-tune adds N(0, 0.001) of its own: task vectors are dense, of
both signs and small, as real ones are, and two fine-tunes are far enough apart for slerp to take an arc.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nbmerge.checkpoints.checkpoint import INDEX

if TYPE_CHECKING:  # a process that measures others' memory must be small itself
    import torch

KEYS = (
    "hidden_size",
    "num_hidden_layers",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
)
SIZES = {
    name: dict(zip(KEYS, numbers, strict=True))
    for name, numbers in {
        "tiny": (64, 2, 128, 4, 2, 512),
        "0.13b": (768, 12, 2048, 12, 4, 32000),
        "1.1b": (2048, 22, 5632, 32, 4, 32000),
        "3b": (3200, 26, 8640, 32, 32, 32000),
    }.items()
}
SHARD = 1_000_000_000


def tensors(config: dict[str, int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes, as Llama has them."""
    hidden, inner, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    keys = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", (hidden,)
        yield layer + "post_attention_layernorm.weight", (hidden,)
        for name, rows in (("q", hidden), ("k", keys), ("v", keys), ("o", hidden)):
            yield f"{layer}self_attn.{name}_proj.weight", (rows, hidden)
        for name, shape in (("gate", (inner, hidden)), ("up", (inner, hidden)), ("down", (hidden, inner))):
            yield f"{layer}mlp.{name}_proj.weight", shape
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)


def _noise(seed: int, name: str, shape: tuple[int, ...], deviation: float) -> torch.Tensor:
    import torch

    generator = torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}".encode()))
    return torch.empty(shape).normal_(0, deviation, generator=generator)


def write(folder: Path, size: str, finetune: int) -> None:
    """Write one model; number 0 is the base."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    shard: dict[str, torch.Tensor] = {}
    weight_map: dict[str, str] = {}

    def save() -> None:
        name = f"model-{len(set(weight_map.values())) + 1:05d}.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(shard, name))
        shard.clear()

    for name, shape in tensors(SIZES[size]):
        weight = _noise(0, name, shape, 0.02).add_(1.0 if len(shape) == 1 else 0.0)
        if finetune:
            weight += _noise(finetune, name, shape, 0.001)
        shard[name] = weight.bfloat16()
        if sum(t.nbytes for t in shard.values()) > SHARD:
            save()
    save()
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}), encoding="utf-8")
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "rms_norm_eps": 1e-5,
        "max_position_embeddings": 2048, "tie_word_embeddings": False, **SIZES[size],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def family(folder: Path, size: str, finetunes: int = 2) -> list[Path]:
    """The base and its fine-tunes in a folder, made where they are not there yet."""
    made = [folder / f"{size}-{f'ft{i}' if i else 'base'}" for i in range(finetunes + 1)]
    if not all((path / INDEX).is_file() for path in made):
        command = [sys.executable, "-m", "tests.benchmarks.shapes", str(folder), "--size", size]
        subprocess.run([*command, "--finetunes", str(finetunes)], check=True)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--finetunes", type=int, default=2)
    given = parser.parse_args()
    for number in range(given.finetunes + 1):
        write(given.folder / f"{given.size}-{f'ft{number}' if number else 'base'}", given.size, number)
