"""Safetensors headers: read without a library so that the exact place of every byte is known, and checked before use.

Format: 8 bytes length of the header, little endian; the header, a JSON object of name to dtype, shape and offsets; the
data. See https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmerge.errors import CheckpointError

MAX_HEADER = 100_000_000
"""The format's own limit, in bytes."""
MAX_DIMENSIONS = 32

ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1,
    "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8,
}  # fmt: skip
NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "C64": "complex64",
}  # fmt: skip
CODES = {name: code for code, name in NAMES.items()}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """Where a tensor lies on disk.

    Parameters
    ----------
    name : str
    dtype : str
        torch's name of the dtype, such as ``"bfloat16"``.
    shape : tuple of int
    file : Path
    start : int
        Offset of its first byte in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.count * ITEM_BYTES[CODES[self.dtype]]

    @property
    def is_float(self) -> bool:
        """Whether it can be merged by arithmetic."""
        return self.dtype in ("float64", "float32", "float16", "bfloat16")


def read_header(file: Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Read and check one safetensors file's header.

    Returns
    -------
    tensors : dict of str to StoredTensor
        In the order of the file.
    metadata : dict of str to str

    Raises
    ------
    CheckpointError
        When the file is no safetensors file, or any part of its header cannot be true.
    """
    try:
        with open(file, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            length = int.from_bytes(f.read(8), "little") if size >= 8 else -1
            if not 2 <= length <= min(size - 8, MAX_HEADER):
                raise _damaged(file, f"its header would be {length:,} bytes long in a file of {size:,}")
            raw = f.read(length)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror or error}.") from error
    header = _json_object(file, raw)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise _damaged(file, "its __metadata__ is not a mapping")
    tensors = {name: _tensor(file, name, entry, 8 + length) for name, entry in header.items()}
    _check_places(file, tensors, 8 + length, size)
    return tensors, {str(k): str(v) for k, v in metadata.items()}


def _json_object(file: Path, raw: bytes) -> dict[str, Any]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise _damaged(file, f"its header is not valid JSON ({error})") from error
    if not isinstance(header, dict):
        raise _damaged(file, "its header is not a JSON object")
    return header


def _tensor(file: Path, name: str, entry: Any, data_start: int) -> StoredTensor:
    try:
        code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(file, f"the entry of {name!r:.80} lacks dtype, shape or data_offsets") from error
    numbers = [*shape, begin, end] if isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS else [None]
    if not all(type(x) is int and 0 <= x < 2**62 for x in numbers) or math.prod(shape) >= 2**62:
        raise _damaged(file, f"the shape or offsets of {name!r:.80} are not whole numbers of a possible size")
    if not isinstance(code, str) or code not in NAMES:
        raise CheckpointError(
            f"{file.name}: tensor {name!r:.80} has the dtype {code!r:.20}, which cannot be merged ({file})."
        )
    tensor = StoredTensor(name, NAMES[code], tuple(shape), file, data_start + begin)
    if end - begin != tensor.nbytes:
        raise _damaged(file, f"{name!r:.80} needs {tensor.nbytes:,} bytes and is given {end - begin:,}")
    return tensor


def _check_places(file: Path, tensors: dict[str, StoredTensor], data_start: int, size: int) -> None:
    """Every tensor lies inside the file and none on another."""
    end = data_start
    for tensor in sorted(tensors.values(), key=lambda t: (t.start, t.nbytes)):
        if tensor.start < end and tensor.nbytes:
            raise _damaged(file, f"{tensor.name!r:.80} overlaps the tensor before it")
        end = max(end, tensor.start + tensor.nbytes)
    if end > size:
        raise CheckpointError(
            f"{file.name} is truncated: its tensors end at byte {end:,} and the file has {size:,}. "
            f"Download or copy it again ({file})."
        )


def _damaged(file: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{file.name} is not a sound safetensors file: {why}. Download or copy it again ({file}).")
