"""Merge hand-written tensors through the real engine: each becomes a model of one tensor."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nbmerge.engine.compute.pool import run
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe

NAME = "model.layers.0.mlp.up_proj.weight"
_numbers = itertools.count()


def tensor(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return values if isinstance(values, torch.Tensor) else torch.tensor(values, dtype=dtype)


def model(folder: Path, values: Any, label: str) -> str:
    """A model folder with one tensor; its place tells nothing to the merge."""
    path = folder / f"{next(_numbers):04d}" / label
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"model_type": "toy", "num_hidden_layers": 1}))
    save_file({NAME: tensor(values)}, path / "model.safetensors")
    return str(path)


def recipe_of(
    folder: Path,
    method: str,
    inputs: Sequence[Any],
    base: Any = None,
    each: Mapping[str, Sequence] | None = None,
    **more: Any,
) -> Recipe:
    """A recipe over tensors.

    Parameters
    ----------
    inputs, base
        Tensors or nested lists of numbers.
    each
        Per-input parameters: name to one value per input.
    more
        ``dtype``, ``out_dtype`` and ``random_seed`` are the recipe's; the rest are parameters of the whole merge.
    """
    models = []
    for i, values in enumerate(inputs):
        own = {name: row[i] for name, row in (each or {}).items() if row[i] is not None}
        models.append({"model": model(folder, values, f"m{i}"), "parameters": own})
    data = {k: more.pop(k) for k in ("dtype", "out_dtype", "random_seed") if k in more}
    if base is not None:
        data["base_model"] = model(folder, base, "base")
    return Recipe.of({"merge_method": method, "models": models, "parameters": more} | data)


def carried_out(recipe: Recipe, threads: int = 1) -> tuple[torch.Tensor, Mapping[str, int]]:
    """The result of a recipe over tensors, and its notes."""
    (planned,) = plan(recipe).tensors
    out = torch.empty(planned.count, dtype=getattr(torch, planned.dtype))

    def sink(_tensor, _blocks):
        def emit(start: int, block: torch.Tensor) -> None:
            out[start : start + block.numel()] = block

        return emit

    notes = run([planned], sink, threads=threads, allow_nonfinite=True)
    return out.view(planned.shape), notes


def merged(folder: Path, method: str, inputs: Sequence[Any], base: Any = None, **more: Any) -> torch.Tensor:
    """The merge of some tensors; see `recipe_of`."""
    return carried_out(recipe_of(folder, method, inputs, base, **more))[0]


def same_bytes(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and bytes(a.view(torch.uint8).numpy()) == bytes(b.view(torch.uint8).numpy())
    )
