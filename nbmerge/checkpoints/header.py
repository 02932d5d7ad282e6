"""Safetensors headers: parsed here, so that the exact position of every byte is known, and checked before use.

Format: 8 bytes length of the header, little endian; the header, a JSON object of name to dtype, shape and offsets; the
data. See https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbmerge.bounded import parsed
from nbmerge.checkpoints.dtypes import NAMES
from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.tensor_base import TensorBase
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import open_model_file, read_all

MAX_HEADER = 100_000_000
"""The format's own limit, in bytes."""
MAX_DIMENSIONS = 32


@dataclass(frozen=True, slots=True)
class StoredTensor(TensorBase):
    """A tensor on disk: its dtype, shape and position.

    Parameters
    ----------
    name : str
    dtype : str
        torch's name of the dtype, such as ``"bfloat16"``.
    shape : tuple of int
    file : Path
    start : int
        Offset of its first byte in the file.
    state : FileState, optional
        State of the file when its header was read; the position is valid as long as the file is in this state.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    state: FileState | None = field(default=None, repr=False, compare=False)

    @property
    def output_dtype(self) -> str:
        """The dtype of the result where the recipe sets none."""
        return self.dtype

    def leaves(self) -> Iterator[StoredTensor]:
        """The stored tensors that it is made from: itself."""
        yield self


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
        When it is not a valid safetensors file.
    """
    with open_model_file(file) as descriptor:
        try:
            found = os.fstat(descriptor)
            length = data_start(file, read_all(descriptor, 8), found.st_size) - 8
            raw = read_all(descriptor, length)
        except OSError as error:
            raise CheckpointError(f"{file} cannot be read: {error.strerror or error}.") from error
    return parse_header(file, raw, found.st_size, FileState.of(found))


def data_start(file: Path, first: bytes | bytearray, size: int) -> int:
    """Offset of a file's data, by the file's first 8 bytes and its size.

    Raises
    ------
    CheckpointError
        When the length of the header is impossible.
    """
    length = int.from_bytes(first, "little") if len(first) == 8 else -1
    if not 2 <= length <= min(size - 8, MAX_HEADER):
        raise _damaged(file, f"its header would be {length:,} bytes long in a file of {size:,} bytes")
    return 8 + length


def parse_header(
    file: Path, raw: bytes | bytearray, size: int, state: FileState | None = None
) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Parse and check a header, the bytes after the first 8, as `read_header` does; `size` is that of the whole file."""
    try:
        header = parsed(raw)
    except ValueError as error:
        raise _damaged(file, f"its header is not valid JSON ({error})") from error
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise _damaged(file, "its __metadata__ is not a mapping")
    start = 8 + len(raw)
    tensors = {name: _tensor(file, name, entry, start, state) for name, entry in header.items()}
    _check_places(file, tensors, start, size)
    return tensors, {str(k): str(v) for k, v in metadata.items()}


def _tensor(file: Path, name: str, entry: Any, data_start: int, state: FileState | None) -> StoredTensor:
    try:
        code, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(file, f"the entry of {name!r:.80} has no dtype, shape or data_offsets") from error
    numbers = [*shape, begin, end] if isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS else [None]
    if not all(type(x) is int and 0 <= x < 2**62 for x in numbers) or math.prod(shape) >= 2**62:
        raise _damaged(file, f"the shape or offsets of {name!r:.80} are not valid integers")
    if not isinstance(code, str) or code not in NAMES:
        raise CheckpointError(f"cannot merge {file}: tensor {name!r:.80} has the unsupported dtype {code!r:.20}.")
    tensor = StoredTensor(name, NAMES[code], tuple(shape), file, data_start + begin, state)
    if end - begin != tensor.nbytes:
        raise _damaged(file, f"{name!r:.80} needs {tensor.nbytes:,} bytes, but its offsets span {end - begin:,}")
    return tensor


def _check_places(file: Path, tensors: dict[str, StoredTensor], data_start: int, size: int) -> None:
    """Check that the tensors fill the file from the header to its end without gaps, as the format requires.

    The safetensors library also refuses files with bytes that belong to no tensor.
    """
    end = max((t.start + t.nbytes for t in tensors.values()), default=data_start)
    if end > size:
        raise CheckpointError(
            f"{file.name} is truncated: its tensors end at byte {end:,}, but the file has {size:,} bytes. "
            f"Download or copy it again ({file})."
        )
    end = data_start
    for tensor in sorted(tensors.values(), key=lambda t: (t.start, t.nbytes)):
        if tensor.start < end:
            raise _damaged(file, f"{tensor.name!r:.80} overlaps the tensor before it")
        if tensor.start > end:
            raise _damaged(file, f"{tensor.start - end:,} bytes before {tensor.name!r:.80} belong to no tensor")
        end = tensor.start + tensor.nbytes
    if end < size:
        raise _damaged(file, f"{size - end:,} bytes after the last tensor belong to no tensor")


def _damaged(file: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{file.name} is not a valid safetensors file: {why}. Download or copy it again ({file}).")
