"""Weights that torch pickled (``.bin``, ``.pt``, ``.pth``): where their tensors lie in the file, without loading one.

Such a file is a zip archive of uncompressed storages and one small pickle that says which tensor is which part of which
storage. The pickle is read by ``torch.load(weights_only=True)``, which builds tensors and nothing else, on the device
``meta``, which holds no numbers; torch then notes where each storage lies [1]_. What is kept is the place of every tensor,
checked against the archive's directory, so that from here on it is read like any other.

.. [1] ``UntypedStorage._checkpoint_offset``, torch 2.6 and later.
"""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import hub
from nbmerge.checkpoints.header import CODES, StoredTensor
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import open_model_file

if TYPE_CHECKING:
    import torch

INDEX = "pytorch_model.bin.index.json"
SINGLES = ("pytorch_model.bin", "pytorch_model.pt", "pytorch_model.pth", "model.pt", "model.pth")
LOCAL_HEADER = 30
"""Bytes of an archive member's own header before its name."""
SAFE_TORCH = (2, 6)
"""The first version whose ``weights_only`` keeps its promise; it also notes where storages lie, which is needed here."""
MAX_PICKLE = 64_000_000
"""Most bytes of the pickle, which holds names and shapes; real ones have some hundred kilobytes."""


def read_pickled(file: Path) -> dict[str, StoredTensor]:
    """Find every tensor of a file.

    Raises
    ------
    CheckpointError
        When it holds anything but tensors by name, is damaged, compressed, of the format before torch 1.6, or of another
        machine's byte order.
    """
    if not file.is_file() and hub.held(file):
        raise CheckpointError(
            f"{file.name} of {file.parent} is not here, and where its tensors lie cannot be read from afar. Download it: "
            "hf download, with the model's id. A model that has safetensors as well needs no such step."
        )
    state, members = _members(file)
    held = _unpickled(file)
    if not isinstance(held, dict) or not all(isinstance(name, str) for name in held):
        raise CheckpointError(f"{file} holds a {type(held).__name__}, not tensors by name. {_ANOTHER_WAY}")
    return {name: replace(_place(file, name, value, members), state=state) for name, value in held.items()}


_ANOTHER_WAY = "Load it once where you trust it, and save the model with save_pretrained, which writes safetensors."


def _members(file: Path) -> tuple[tuple[int, int], dict[int, int]]:
    """The file's size and time of change, and first byte and size of every storage in the archive."""
    found = {}
    try:
        with open_model_file(file) as descriptor, open(descriptor, "rb", closefd=False) as raw:
            status = os.fstat(descriptor)
            if not zipfile.is_zipfile(raw):
                what = "is no archive of torch: it was written before torch 1.6, is cut short, or is something else"
                raise CheckpointError(f"{file} {what}. {_ANOTHER_WAY} Or download it again.")
            with zipfile.ZipFile(raw) as archive:
                for member in archive.infolist():
                    inside = member.filename.partition("/")[2]
                    if inside == "data.pkl" and member.file_size > MAX_PICKLE:
                        raise _damaged(file, f"its pickle has {member.file_size:,} bytes, which no model needs")
                    if inside == "byteorder" and _beginning(archive, member) != b"little":
                        raise CheckpointError(f"{file} was written on a machine of other byte order. {_ANOTHER_WAY}")
                    if inside.startswith("data/"):
                        raw.seek(member.header_offset)
                        local = raw.read(LOCAL_HEADER)
                        names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
                        start = member.header_offset + LOCAL_HEADER + names
                        stored = member.compress_type == zipfile.ZIP_STORED and member.flag_bits & 1 == 0
                        if not stored or start + member.file_size > raw.seek(0, 2):
                            raise _damaged(file, f"{member.filename!r:.80} is compressed or ends behind the file")
                        found[start] = member.file_size
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, OSError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(file, f"{error!s:.200}") from error
    return (status.st_size, status.st_mtime_ns), found


def _beginning(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as inside:
        return inside.read(6)


def _unpickled(file: Path) -> Any:
    """The state that the pickle describes, its tensors without numbers."""
    import torch

    if torch.__version__ < SAFE_TORCH:
        raise CheckpointError(
            f"{file} is not opened with torch {torch.__version__}: before 2.6 such a file can run code on this machine, also "
            f"with weights_only=True (CVE-2025-32434). Update torch. {_ANOTHER_WAY}"
        )
    try:
        with (
            warnings.catch_warnings(),
            open_model_file(file) as descriptor,
            open(descriptor, "rb", closefd=False) as raw,
        ):
            warnings.simplefilter("ignore")
            return torch.load(raw, map_location="meta", weights_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a file that is no model may trip over; nothing in it was run
        text = str(error)
        if match := re.search(r"GLOBAL (\S+)", text):
            raise CheckpointError(
                f"{file} holds more than tensors: it would have Python load {match[1]!r:.80}, which can do anything to "
                f"this machine. It is not opened. {_ANOTHER_WAY}"
            ) from error
        raise _damaged(file, f"{type(error).__name__}: {text[:160]}") from error


def _place(file: Path, name: str, value: Any, members: Mapping[int, int]) -> StoredTensor:
    import torch

    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided or value.is_quantized:
        kind = f"{value.layout} or quantised" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
        raise CheckpointError(f"{file}: {name!r:.80} is {kind}, not an ordinary tensor. {_ANOTHER_WAY}")
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in CODES:
        raise CheckpointError(f"{file}: {name!r:.80} has the dtype {dtype}, which cannot be merged.")
    if not value.is_contiguous():
        raise CheckpointError(
            f"{file}: the numbers of {name!r:.80} do not lie one behind the other (shape {tuple(value.shape)}, strides "
            f"{value.stride()}). {_ANOTHER_WAY}"
        )
    start = _start(file, name, value, members)
    return StoredTensor(name, dtype, tuple(value.shape), file, start)


def _start(file: Path, name: str, value: torch.Tensor, members: Mapping[int, int]) -> int:
    """Where a tensor's bytes begin in the file, which must be inside a storage."""
    offset = getattr(value.untyped_storage(), "_checkpoint_offset", None)
    if offset is None:
        raise _damaged(file, f"torch does not say where {name!r:.80} lies in it")
    before = value.storage_offset() * value.element_size()
    if offset not in members or before + value.numel() * value.element_size() > members[offset]:
        raise _damaged(file, f"{name!r:.80} does not lie inside its storage")
    return offset + before


def without_copies(tensors: dict[str, Any], heads: list[str], embeddings: list[str]) -> dict[str, Any]:
    """The tensors without heads that are an embedding under another name, as safetensors files leave them out.

    Pickled files of models with tied weights hold both names and one storage.
    """
    places = {_lies(tensors[n]) for n in embeddings}
    copies = {n for n in heads if _lies(tensors[n]) in places}
    return {n: t for n, t in tensors.items() if n not in copies}


def _lies(tensor: Any) -> tuple:
    return tensor.shape, *((leaf.file, leaf.start) for leaf in tensor.leaves())


def _damaged(file: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{file} is not a sound file of torch: {why}. Download or copy it again.")
