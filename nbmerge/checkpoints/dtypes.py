"""Dtypes of tensors: torch's names, the codes of the safetensors format, and sizes."""

from __future__ import annotations

NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "C64": "complex64",
}  # fmt: skip
"""torch's name for each code of the safetensors format."""
CODES = {name: code for code, name in NAMES.items()}
"""The code for each of torch's names."""
FLOATS = ("float64", "float32", "float16", "bfloat16")
"""Dtypes whose numbers can be merged by arithmetic."""

_ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1,
    "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8,
}  # fmt: skip


def item_bytes(dtype: str) -> int:
    """Size in bytes of one element of a dtype, given by torch's name."""
    return _ITEM_BYTES[CODES[dtype]]
