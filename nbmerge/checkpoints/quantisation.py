"""Quantised models whose tensors contain codes: recognised by config, files and names of tensors, and refused.

The average of codes is meaningless, and decoding them is up to the library that made them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import float8
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.errors import CheckpointError

REFUSED = {
    "gptq", "awq", "bitsandbytes", "hqq", "aqlm", "quanto", "eetq", "mxfp4", "torchao", "higgs", "vptq", "spqr", "bitnet", "quark",
    "auto-round", "fp_quant", "sinq",
}  # fmt: skip
"""Values of ``quant_method``."""
_NAMES = (
    ("GPTQ or AWQ", r"\.(qweight|qzeros|g_idx)$"),
    ("bitsandbytes", r"(\.weight\.(absmax|quant_map|nested_absmax|quant_state\.\w+)|\.(SCB|weight_format))$"),
    ("compressed-tensors", r"\.(weight_packed|weight_zero_point)$"),
    ("HQQ", r"\.(W_q|meta\.\w+)$"),
    ("AQLM or VPTQ", r"\.(codes|codebooks|centroids)$"),
    ("MXFP4", r"_(blocks|scales)$"),
    ("quanto", r"\.weight\._(data|scale|shift)$"),
    ("EETQ", r"\.weight_scales$"),
)
_HOW = "Merge the model it was made from, and quantise the result."
_FILES = {
    ".gguf": ("GGUF", "Merge the model it was converted from, and convert the result."),
    ".ggml": ("GGML", "Merge the model it was converted from, and convert the result."),
    ".onnx": ("ONNX", "Merge the model it was exported from, and export the result."),
    ".h5": ("TensorFlow", "Load it with transformers (from_tf=True) and save it with save_pretrained."),
    ".msgpack": ("Flax", "Load it with transformers (from_flax=True) and save it with save_pretrained."),
}


def refuse_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a model whose config names a quantisation method that cannot be merged.

    Raises
    ------
    CheckpointError
    """
    said = config.get("quantization_config")
    method = str(said.get("quant_method", "")) if isinstance(said, dict) else ""
    if method.lower() in REFUSED:
        raise _refused(folder, f"{method:.40}")


def refuse_tensors(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> None:
    """Refuse a model whose tensors contain codes, whatever its config says.

    Raises
    ------
    CheckpointError
    """
    whole = [n for n, t in tensors.items() if t.dtype.startswith(("int", "uint"))]
    for kind, names in _NAMES:
        if whole and any(re.search(names, n) for n in tensors):
            raise _refused(folder, kind)
    scaled = [n for n in whole if any(n + s in tensors for s in float8.SUFFIXES)]
    if scaled:
        raise _refused(folder, f"{scaled[0]:.200} is stored as {tensors[scaled[0]].dtype}")
    said = config.get("quantization_config")
    held = any(t.dtype in float8.WEIGHTS for t in tensors.values())
    if isinstance(said, dict) and said.get("quant_method") and not held:
        raise _refused(folder, f"{said['quant_method']!s:.40}")


def refuse_files(folder: Path, names: Iterable[str]) -> None:
    """Refuse a folder whose weights are in an unsupported format.

    Raises
    ------
    CheckpointError
    """
    for name in sorted(names):
        kind, how = _FILES.get(Path(name).suffix, (None, None))
        if kind:
            raise CheckpointError(f"cannot merge {folder}: its weights are in {kind} format ({name:.80}). {how}")


def _refused(folder: Path, what: str) -> CheckpointError:
    return CheckpointError(f"cannot merge {folder}: it is quantised ({what}). {_HOW}")
