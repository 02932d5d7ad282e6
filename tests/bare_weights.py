"""Weights without a config, as diffusion models, adapters and parts of models are stored."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

LISTS = ("down_blocks", "up_blocks")


def make_weights(file: Path, seed: int = 0, *, base: Path | None = None, dtype: str = "float32", **changed) -> Path:
    """Write a small weights file and return its path.

    Parameters
    ----------
    base
        Add a tenth of normal numbers to the tensors of this file.
    changed
        Tensors to put in place of, or beside, the others, with ``__`` for a dot; None leaves one out.
    """
    from safetensors.torch import load_file

    generator = torch.Generator().manual_seed(seed)
    shapes = {f"{name}.{i}.attn.weight": (6, 4) for name in LISTS for i in range(3)}
    shapes |= {"conv_in.weight": (4, 2, 3, 3), "attn.bias": (5,), "classifier.weight": (3, 4), "norm": (4,)}
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    if base is not None:
        start = load_file(base)
        tensors = {name: start[name].float() + 0.1 * tensor for name, tensor in tensors.items()}
    stored = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors.items()} | {"steps": torch.tensor(7)}
    stored |= {name.replace("__", "."): tensor for name, tensor in changed.items()}
    save_file({name: tensor for name, tensor in stored.items() if tensor is not None}, file)
    return file


def linear(*files: Path, weights: tuple[float, ...] = (1.0, 3.0), **fields) -> dict:
    """A linear merge of weights files."""
    models = [{"model": str(f), "parameters": {"weight": w}} for f, w in zip(files, weights, strict=True)]
    return {"merge_method": "linear", "models": models, **fields}
