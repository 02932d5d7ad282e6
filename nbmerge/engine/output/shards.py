"""Safetensors files laid out before a weight is read: sizes follow from the plan, so every block has a fixed position.

No shard is ever held in memory, and blocks may arrive in any order from any worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import xxhash

from nbmerge.checkpoints.checkpoint import INDEX, SINGLE
from nbmerge.checkpoints.dtypes import CODES
from nbmerge.engine.compute.positioned_io import read_into, reserve, write_all
from nbmerge.engine.compute.workspace import Emit
from nbmerge.engine.output.direct_io import PAGE, OutputFile
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import RESUME, MergeError, MergeStopped, advice

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

MAX_SHARD = 5_000_000_000
"""Default size of a shard in bytes, as transformers has it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The bytes that a tensor of the result takes in its file.

    Parameters
    ----------
    file : str
        Name in the folder.
    offset, end : int
        Its first byte, and the byte after its last.
    """

    file: str
    offset: int
    end: int


class ShardWriter:
    """Writes the tensors of a plan into a folder.

    Parameters
    ----------
    folder : Path
        An existing folder; files of an earlier, unfinished run are continued.
    tensors : sequence of TensorPlan
    metadata : mapping of str to str
        Metadata for the header of each file.
    max_shard : int
        Maximum size of the tensors in one file, in bytes; a larger tensor gets a file of its own.
    direct_from : int, optional
        See `OutputFile`.
    single : str
        Name of the file, if there is only one.

    Attributes
    ----------
    checksums : dict of str to str
        XXH3 (64 bits, hexadecimal) of every tensor written so far.
    """

    def __init__(
        self,
        folder: Path,
        tensors: Sequence[TensorPlan],
        metadata: Mapping[str, str],
        max_shard: int = MAX_SHARD,
        direct_from: int | None = None,
        single: str = SINGLE,
    ):
        self.folder = folder
        self._direct_from = direct_from
        self.checksums: dict[str, str] = {}
        shards = _divide(tensors, max_shard)
        names = _names(shards, single)
        self._extents: dict[str, Extent] = {}
        self._files: dict[str, OutputFile] = {}
        try:
            for name, shard in zip(names, shards, strict=True):
                self._open(folder / name, shard, metadata)
            if len(shards) > 1:
                self._write_index(names, shards)
        except BaseException:
            self.close()
            raise

    def _open(self, path: Path, shard: list[TensorPlan], metadata: Mapping[str, str]) -> None:
        """Write the header and reserve the whole file, so that a full disk shows now and not at the end."""
        entries: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
        size = 0
        for tensor in shard:
            entries[tensor.name] = {
                "dtype": CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [size, size + tensor.nbytes],
            }  # fmt: skip
            size += tensor.nbytes
        header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
        header += b" " * (-(8 + len(header)) % PAGE)  # tensors of whole pages then begin with a page
        with _disk_errors(path):
            file = self._files[path.name] = OutputFile(path, create=True, direct_from=self._direct_from)
            write_all(file.descriptor, len(header).to_bytes(8, "little") + header, 0)
            reserve(file.descriptor, 8 + len(header) + size)
        for tensor in shard:
            begin, end = (8 + len(header) + offset for offset in entries[tensor.name]["data_offsets"])
            self._extents[tensor.name] = Extent(path.name, begin, end)

    def _write_index(self, names: list[str], shards: list[list[TensorPlan]]) -> None:
        index = {
            "metadata": {"total_size": sum(t.nbytes for s in shards for t in s)},
            "weight_map": {t.name: name for name, shard in zip(names, shards, strict=True) for t in shard},
        }
        with _disk_errors(self.folder / INDEX):
            (self.folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def emit(self, tensor: TensorPlan, done: Callable[[str, str], None] | None = None) -> Emit:
        """Return the function that takes the blocks of one tensor, in order.

        When the tensor is complete, `done` is called with its name and checksum.
        """
        extent, digest = self._extents[tensor.name], xxhash.xxh3_64()
        with _disk_errors(self.folder):
            stream = self._files[extent.file].stream(extent.offset)

        def write(start: int, block: torch.Tensor) -> None:
            data = bytes_of(block)
            digest.update(data)  # while it is still in the processor's cache
            with _disk_errors(self.folder):
                stream.write(data)
            if start + block.numel() == tensor.count:
                complete()

        def complete() -> None:
            with _disk_errors(self.folder):
                stream.close()
            self.checksums[tensor.name] = digest.hexdigest()
            if done is not None:
                done(tensor.name, digest.hexdigest())

        if not tensor.count:  # no block will come
            complete()
        return write

    def extents(self, tensors: Sequence[TensorPlan]) -> dict[str, Extent]:
        """Return the extents of some tensors, for a `ShardPart` in another process."""
        return {t.name: self._extents[t.name] for t in tensors}

    def holds(self, tensor: TensorPlan, checksum: str, cancel: StopSignal | None = None) -> bool:
        """Whether a tensor is already complete and undamaged in its file; it then counts as written."""
        extent = self._extents[tensor.name]
        try:
            sound = checksum_at(self._files[extent.file].descriptor, extent.offset, tensor.nbytes, cancel) == checksum
        except OSError:  # what cannot be read is computed again
            return False
        if sound:
            self.checksums[tensor.name] = checksum
        return sound

    def sync(self) -> None:
        """Flush everything to disk."""
        with _disk_errors(self.folder):
            for file in self._files.values():
                file.sync()

    def finish(self) -> None:
        """Flush everything to disk and close."""
        with _disk_errors(self.folder):
            for name, file in self._files.items():
                file.sync()
                if not os.path.samestat(os.fstat(file.descriptor), os.stat(self.folder / name)):
                    raise MergeError(
                        f"{self.folder / name} was replaced while it was being written. Run the merge again."
                    )
        self.close()

    def close(self) -> None:
        """Close the files, finished or not."""
        while self._files:
            self._files.popitem()[1].close()


def _divide(tensors: Sequence[TensorPlan], max_shard: int) -> list[list[TensorPlan]]:
    shards: list[list[TensorPlan]] = [[]]
    size = 0
    for tensor in tensors:
        if shards[-1] and size + tensor.nbytes > max_shard:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.nbytes
    return shards


def bytes_of(block: torch.Tensor) -> memoryview:
    """View the bytes of a tensor, in row-major order."""
    return memoryview(block.contiguous().view(torch.uint8).numpy())  # type: ignore[arg-type]  # arrays are buffers


def _names(shards: list[list[TensorPlan]], single: str = SINGLE) -> list[str]:
    if len(shards) == 1:
        return [single]
    return [f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i in range(1, len(shards) + 1)]


def shard_names(tensors: Sequence[TensorPlan], max_shard: int) -> list[str]:
    """Names of the files that a `ShardWriter` writes."""
    return _names(_divide(tensors, max_shard))


def checksum_at(descriptor: int, offset: int, nbytes: int, cancel: StopSignal | None = None) -> str:
    """XXH3 (64 bits) of a part of a file, as `ShardWriter` computes it while writing; MergeStopped if `cancel` is set."""
    digest, buffer = xxhash.xxh3_64(), memoryview(bytearray(min(nbytes, 1 << 22)))
    done = 0
    while done < nbytes:
        if cancel is not None and cancel.is_set():
            raise MergeStopped("The merge was stopped. Run again to resume.")
        got = read_into(descriptor, buffer[: nbytes - done], offset + done)
        if got == 0:
            break
        digest.update(buffer[:got])
        done += got
    return digest.hexdigest()


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into errors of ours."""
    try:
        yield
    except OSError as error:
        raise MergeError(f"cannot write to {path}: {advice(error)} {RESUME}") from error
