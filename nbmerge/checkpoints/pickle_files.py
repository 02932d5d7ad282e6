"""Weights in torch's own files, read in place: archives whose pickle is read as data and never executed.

`nbmerge.checkpoints.pickles` reads the pickle. The position of every tensor is checked against the directory of the archive;
after that, tensors are read like those of any other file.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from nbmerge.checkpoints import hub
from nbmerge.checkpoints.dtypes import CODES
from nbmerge.checkpoints.file_state import FileState
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.checkpoints.pickles import (
    MAX_BYTES,
    ForeignImport,
    Other,
    PickledTensor,
    UnpicklingError,
    foreign_import,
    unpickle,
)  # fmt: skip
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import open_model_file
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

INDEX = "pytorch_model.bin.index.json"
SINGLES = ("pytorch_model.bin", "pytorch_model.pt", "pytorch_model.pth", "model.pt", "model.pth")
LOCAL_HEADER = 30
"""Bytes of an archive member's own header before its name."""
MAX_DIRECTORY = 4_000_000
"""Maximum bytes of the archive's directory: 40,000 storages. Longer ones are refused, because each entry takes time."""


def read_pickled(file: Path, nested: str | None = None) -> dict[str, StoredTensor]:
    """Find every tensor of a file.

    Parameters
    ----------
    file : Path
    nested : str, optional
        Read the tensors below this name, if the file has a mapping there; what stands beside it is left out.

    Raises
    ------
    CheckpointError
        When it contains anything but tensors by name, is damaged, compressed, in the format before torch 1.6, or in another byte
        order.
    """
    if not file.is_file() and hub.held(file):
        raise CheckpointError(
            f"{file.name} of {file.parent} has not been downloaded, and its tensors cannot be located remotely. Download the model "
            "with 'hf download', or use one with safetensors."
        )
    state, pickle, members = _contents(file)
    try:
        contents = unpickle(pickle)
    except ForeignImport as error:
        raise _foreign(file, str(error)) from error
    except UnpicklingError as error:
        raise _damaged(file, str(error)) from error
    if nested is not None and isinstance(contents, dict) and isinstance(contents.get(nested), dict):
        contents = contents[nested]
    if not isinstance(contents, dict) or not all(isinstance(name, str) for name in contents):
        raise CheckpointError(f"{file} contains a {_kind(contents)}, not tensors by name. {_ANOTHER_WAY}")
    if name := next((n for n in contents if any("\ud800" <= c <= "\udfff" for c in n)), None):
        raise _damaged(file, f"the name {name!r:.80} contains an unpaired surrogate")
    return {name: replace(_place(file, name, value, members), state=state) for name, value in contents.items()}


_ANOTHER_WAY = "If you trust it, load it with transformers and save it with save_pretrained, which writes safetensors."


def _contents(file: Path) -> tuple[FileState, bytes, dict[str, tuple[int, int]]]:
    """The file's state, its pickle, and first byte and size of every storage by its key."""
    try:
        with open_model_file(file) as descriptor, open(descriptor, "rb", closefd=False) as raw:
            status = os.fstat(descriptor)
            if not zipfile.is_zipfile(raw):
                raise _no_archive(file, raw)
            with zipfile.ZipFile(_Short(raw)) as archive:
                members = _members(archive)
                found = {key: _stored(file, raw, member) for key, member in members.items()}
            pickle = _pickle(file, descriptor, found)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, OSError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(file, f"{error!s:.200}") from error
    storages = {k.removeprefix("data/"): place for k, place in found.items() if k.startswith("data/")}
    return FileState.of(status), pickle, storages


def _pickle(file: Path, descriptor: int, members: Mapping[str, tuple[int, int]]) -> bytes:
    """The archive's pickle, where it is of this machine's byte order."""
    if "data.pkl" not in members:
        raise _damaged(file, "the archive has no data.pkl")
    if "byteorder" in members and _part(descriptor, members["byteorder"], 16) != b"little":
        raise CheckpointError(f"{file} is in the byte order of another machine. {_ANOTHER_WAY}")
    return _part(descriptor, members["data.pkl"], MAX_BYTES + 1)


class _Short:
    """A file that limits the size of a read: `zipfile` reads the whole directory at once."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count > MAX_DIRECTORY:
            raise ValueError(f"its directory is {human(count)} long, more than any model needs")
        return self._file.read(count if count >= 0 else MAX_DIRECTORY)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive that are needed, by name without the folder that torch puts around everything."""
    inside = ((m.filename.partition("/")[2], m) for m in archive.infolist())
    return {name: m for name, m in inside if name in ("data.pkl", "byteorder") or name.startswith("data/")}


def _stored(file: Path, raw: IO[bytes], member: zipfile.ZipInfo) -> tuple[int, int]:
    """First byte and size of a member, which must not be compressed."""
    raw.seek(member.header_offset)
    local = raw.read(LOCAL_HEADER)
    names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
    start = member.header_offset + LOCAL_HEADER + names
    stored = member.compress_type == zipfile.ZIP_STORED and member.flag_bits & 1 == 0
    if not stored or start + member.file_size > raw.seek(0, 2):
        what = "is compressed, which torch never does, or extends beyond the end of the file"
        raise _damaged(file, f"{member.filename!r:.80} {what}")
    return start, member.file_size


def _part(descriptor: int, place: tuple[int, int], most: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(place[0])
        return file.read(min(place[1], most))


def _no_archive(file: Path, raw: IO[bytes]) -> CheckpointError:
    """The error for a file that is not an archive: it may be a pickle that would run code."""
    raw.seek(0)
    if name := foreign_import(raw.read(MAX_BYTES)):
        return _foreign(file, name)
    what = "is not a torch archive: it was written before torch 1.6, is truncated, or is something else"
    return CheckpointError(f"{file} {what}. {_ANOTHER_WAY} Or download it again.")


def _foreign(file: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{file} contains more than tensors: loading it would import {name!r:.80}, which can run any code. "
        f"It was not loaded. {_ANOTHER_WAY}"
    )


def _kind(value: Any) -> str:
    """The kind of a value, in words."""
    if isinstance(value, Other):
        return value.kind.removeprefix("a ")
    return "Tensor" if isinstance(value, PickledTensor) else type(value).__name__


def _place(file: Path, name: str, value: Any, members: Mapping[str, tuple[int, int]]) -> StoredTensor:
    if not isinstance(value, PickledTensor):
        raise CheckpointError(f"{file}: {name!r:.80} is a {_kind(value)}, not an ordinary tensor. {_ANOTHER_WAY}")
    if value.dtype not in CODES:
        raise CheckpointError(f"cannot merge {file}: {name!r:.80} has the unsupported dtype {value.dtype}.")
    if not value.is_contiguous:
        raise CheckpointError(
            f"{file}: {name!r:.80} is not contiguous (shape {value.shape}, strides {value.strides}). {_ANOTHER_WAY}"
        )
    start, size = members.get(value.storage.key, (0, -1))
    tensor = StoredTensor(name, value.dtype, value.shape, file, start + value.offset * value.element_bytes)
    if value.offset * value.element_bytes + tensor.nbytes > size:
        raise _damaged(file, f"{name!r:.80} extends beyond its storage")
    return tensor


def without_copies(
    tensors: Mapping[str, TensorInput], heads: Iterable[str], embeddings: Iterable[str]
) -> dict[str, TensorInput]:
    """The tensors without heads that share their storage with an embedding, which safetensors files leave out.

    Pickled files of models with tied weights contain both names and one storage.
    """
    places = {_storage_of(tensors[n]) for n in embeddings}
    copies = {n for n in heads if _storage_of(tensors[n]) in places}
    return {n: t for n, t in tensors.items() if n not in copies}


def _storage_of(tensor: TensorInput) -> tuple[Any, ...]:
    """What two names of one storage have in common: shape, file and position."""
    return tensor.shape, *((leaf.file, leaf.start) for leaf in tensor.leaves())


def _damaged(file: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{file} is not a valid torch file: {why}. Download or copy it again.")
