"""Float8 checkpoints: which tensor holds the scales of which, and how they are laid out.

Known are the layouts of DeepSeek (``weight_scale_inv``, blocks of 128 × 128), of FBGEMM and of compressed-tensors
(``weight_scale``, one for a tensor or for each row, or blocks); what such models hold about activations is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.scaled_tensor import Scaled
from nbmerge.errors import CheckpointError

SUFFIXES = ("_scale_inv", "_scale")
WEIGHTS = ("float8_e4m3fn", "float8_e5m2")
_ACTIVATIONS = (
    "input_scale", "input_scale_ub", "activation_scale", "output_scale", "k_scale", "v_scale", "q_scale", "kv_scale",
)  # fmt: skip
_FLOATS = ("bfloat16", "float16", "float32")


def weights_of(
    folder: Path, config: dict[str, Any], tensors: dict[str, StoredTensor]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and tensors with float8 numbers and scales replaced by the weights that they represent.

    Raises
    ------
    CheckpointError
        When scales are missing or do not fit.
    """
    scales = {n: _scale_name(n, tensors) for n, t in tensors.items() if t.dtype in WEIGHTS}
    if not scales:
        return config, tensors
    dtype = _said(config)
    if not dtype.startswith("float8"):
        _refuse_missing_scales(folder, tensors, scales)
    out, blocks = dtype if dtype in _FLOATS else "bfloat16", _blocks(config)
    made: dict[str, Any] = {}
    for name, tensor in tensors.items():
        if name in scales:
            scale_name = scales[name]
            scale = tensors[scale_name] if scale_name else None
            made[name] = Scaled(tensor, scale, _block(folder, tensor, scale, blocks), out)
        elif name not in scales.values() and not _is_about_activations(tensor):
            made[name] = tensor
    return _without_quantisation(config), made


def _without_quantisation(config: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in config.items() if k != "quantization_config"}


def _scale_name(name: str, tensors: Mapping[str, StoredTensor]) -> str | None:
    """Name of the tensor with the scales of another."""
    return next((name + s for s in SUFFIXES if name + s in tensors), None)


def _is_about_activations(tensor: StoredTensor) -> bool:
    return tensor.count == 1 and tensor.name.endswith(_ACTIVATIONS)


def _refuse_missing_scales(folder: Path, tensors: Mapping[str, StoredTensor], scales: Mapping[str, str | None]) -> None:
    """Refuse codes without scales."""
    lacking = [n for n, s in scales.items() if s is None]
    if lacking:
        raise CheckpointError(
            f"{folder}: {lacking[0]:.200} is stored as {tensors[lacking[0]].dtype} and has no scales: neither "
            f"'{lacking[0]:.200}_scale_inv' nor '{lacking[0]:.200}_scale' is there ({len(lacking)} such). Download the model "
            "again, or save it in bfloat16 with what made it."
        )


def _said(config: Mapping[str, Any]) -> str:
    text = config.get("text_config")
    parts = (config, text) if isinstance(text, dict) else (config,)
    found = (part.get(key) for part in parts for key in ("dtype", "torch_dtype"))
    return next((d.removeprefix("torch.") for d in found if isinstance(d, str)), "")


def _blocks(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Block sizes in the config."""
    quantisation = config.get("quantization_config")
    if not isinstance(quantisation, dict):
        return []
    groups = quantisation.get("config_groups")
    groups = groups.values() if isinstance(groups, dict) else ()
    inner = (g.get("weights") for g in groups if isinstance(g, dict))
    sizes = [quantisation.get("weight_block_size"), *(w.get("block_structure") for w in inner if isinstance(w, dict))]
    return [
        (s[0], s[1]) for s in sizes if isinstance(s, list) and len(s) == 2 and all(type(n) is int and n > 0 for n in s)
    ]


def _block(
    folder: Path, tensor: StoredTensor, scale: StoredTensor | None, blocks: list[tuple[int, int]]
) -> tuple[int, int]:
    """Rows and columns that share a scale."""
    outer, rows, columns = tensor.shape[:-2], math.prod(tensor.shape[-2:-1]), math.prod(tensor.shape[-1:])
    if scale is None or scale.count == 1:
        return max(1, rows), max(1, columns)
    if not scale.is_float and scale.dtype != "float8_e8m0fnu":
        raise CheckpointError(f"{folder}: the scales {scale.name:.200} are stored as {scale.dtype}.")
    known: dict[tuple[int, ...], tuple[int, int]] = {
        (rows, 1): (1, columns),
        (1, columns): (rows, 1),
        (1, 1): (rows, columns),
    }
    known |= {(-(-rows // height), -(-columns // width)): (height, width) for height, width in blocks}
    if scale.shape == (*outer, rows):
        return 1, columns
    if scale.shape[:-2] == outer and scale.shape[-2:] in known:
        return known[scale.shape[-2:]]
    said = f"{' or '.join('×'.join(map(str, b)) for b in blocks)}" if blocks else "none (weight_block_size)"
    raise CheckpointError(
        f"{folder}: the scales {scale.name:.200} of shape {scale.shape} fit {tensor.shape} neither by tensor nor by row, "
        f"nor by blocks of the size that the config says: {said}. Download config and weights again."
    )
