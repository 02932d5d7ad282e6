"""Tiny adapters, written as peft writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.models import read_tensors

Q, V, DOWN = "self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"


def modules(*parts: str, layers: int = 3, stack: str = "model.layers") -> list[str]:
    return [f"{stack}.{i}.{part}" for i in range(layers) for part in parts]


def make_adapter(
    folder: Path,
    base: Path,
    names: Iterable[str] = (),
    *,
    rank: int = 4,
    seed: int = 0,
    dora: bool = False,
    embeddings: Iterable[str] = (),
    transposed: bool = False,
    extra: Mapping[str, torch.Tensor | None] | None = None,
    dtype: torch.dtype = torch.float32,
    **config: Any,
) -> Path:
    """Write an adapter for some modules of a model.

    Parameters
    ----------
    names, embeddings
        Modules that get ``lora_A`` and ``lora_B``, and ``lora_embedding_A`` and ``lora_embedding_B``.
    transposed
        Whether the layers are stored as (inputs, outputs), as GPT-2's are.
    extra
        More tensors, by name without ``base_model.model.``; None leaves one out.
    config
        More keys for the config.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    stored, tensors = read_tensors(base), {}
    for name in (*names, *embeddings):
        flipped = transposed or name in embeddings
        outputs, inputs = stored[f"{name}.weight"].shape[::-1] if flipped else stored[f"{name}.weight"].shape
        ends = ("lora_embedding_A", "lora_embedding_B") if name in embeddings else ("lora_A.weight", "lora_B.weight")
        for end, shape in zip(ends, ((rank, inputs), (outputs, rank)), strict=True):
            tensors[f"{name}.{end}"] = 0.1 * torch.randn(shape, generator=generator)
        if dora:
            tensors[f"{name}.lora_magnitude_vector"] = 0.5 + torch.rand(outputs, generator=generator)
    tensors = {n: t for n, t in (tensors | dict(extra or {})).items() if t is not None}
    save_file(
        {
            f"base_model.model.{n}": (t.to(dtype) if t.is_floating_point() else t).contiguous()
            for n, t in tensors.items()
        },
        folder / "adapter_model.safetensors",
    )
    targets = sorted({n.rsplit(".", 1)[-1] for n in (*names, *embeddings)})
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": targets, "use_dora": dora}
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    return folder


def passed_through(model: Path, *adapters: Path, **recipe: Any) -> dict:
    """A recipe that gives a model with its adapters, as it is."""
    ref = {"path": str(model), "lora": [str(a) for a in adapters]}
    return {"merge_method": "passthrough", "models": [{"model": ref}], **recipe}
