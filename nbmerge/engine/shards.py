"""Safetensors files laid out before a weight is read: sizes follow from the plan, so every block has its place at once.

No shard is ever held in memory, and blocks may arrive in any order from any worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from nbmerge.checkpoints.checkpoint import INDEX, SINGLE
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.engine.plan import TensorPlan
from nbmerge.errors import MergeError

MAX_SHARD = 5_000_000_000
"""Default size of a shard in bytes, as transformers has it."""


@dataclass(frozen=True, slots=True)
class _Spot:
    file: int
    offset: int


class ShardWriter:
    """Writes the tensors of a plan into a folder.

    Parameters
    ----------
    folder : Path
        Existing and empty of weights.
    tensors : sequence of TensorPlan
    metadata : mapping of str to str
        For each file's header.
    max_shard : int
        Most bytes of tensors in a file; a larger tensor has a file of its own.
    """

    def __init__(self, folder: Path, tensors: Sequence[TensorPlan], metadata: Mapping[str, str], max_shard: int = MAX_SHARD):
        self.folder = folder
        shards = _divide(tensors, max_shard)
        names = [SINGLE] if len(shards) == 1 else [
            f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i in range(1, len(shards) + 1)
        ]  # fmt: skip
        self._spots: dict[str, _Spot] = {}
        self._files: list[int] = []
        try:
            for i, (name, shard) in enumerate(zip(names, shards, strict=True)):
                self._create(i, folder / name, shard, metadata)
            if len(shards) > 1:
                self._write_index(names, shards)
        except BaseException:
            self.close()
            raise

    def _create(self, i: int, path: Path, shard: list[TensorPlan], metadata: Mapping[str, str]) -> None:
        """Write the header and reserve the whole file, so that a full disk shows now and not at the end."""
        entries, end = {"__metadata__": {"format": "pt", **metadata}}, 0
        for tensor in shard:
            entries[tensor.name] = {
                "dtype": CODES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [end, end + tensor.nbytes],
            }  # fmt: skip
            end += tensor.nbytes
        header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
        header += b" " * (-len(header) % 8)
        with _disk_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            self._files.append(descriptor)
            _write(descriptor, len(header).to_bytes(8, "little") + header, 0)
            if end and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, 8 + len(header) + end)
            else:
                os.ftruncate(descriptor, 8 + len(header) + end)
        for tensor in shard:
            self._spots[tensor.name] = _Spot(i, 8 + len(header) + entries[tensor.name]["data_offsets"][0])

    def _write_index(self, names: list[str], shards: list[list[TensorPlan]]) -> None:
        index = {
            "metadata": {"total_size": sum(t.nbytes for s in shards for t in s)},
            "weight_map": {t.name: name for name, shard in zip(names, shards, strict=True) for t in shard},
        }
        with _disk_errors(self.folder / INDEX):
            (self.folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")

    def write(self, tensor: TensorPlan, start: int, block: torch.Tensor) -> None:
        """Write a block of a tensor, its elements from `start` on."""
        spot = self._spots[tensor.name]
        offset = spot.offset + start * ITEM_BYTES[CODES[tensor.dtype]]
        with _disk_errors(self.folder):
            _write(self._files[spot.file], memoryview(block.contiguous().view(torch.uint8).numpy()), offset)

    def finish(self) -> None:
        """Bring everything to the disk and close."""
        with _disk_errors(self.folder):
            for descriptor in self._files:
                os.fsync(descriptor)
        self.close()

    def close(self) -> None:
        """Close the files, finished or not."""
        while self._files:
            os.close(self._files.pop())


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


def _write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data).cast("B")
    done = 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset + done)


@contextmanager
def _disk_errors(path: Path):
    """Say in words what the operating system refused."""
    try:
        yield
    except OSError as error:
        how = "Free some space or choose another disk." if error.errno in (28, 122) else "Check the disk and its permissions."
        raise MergeError(f"writing to {path} failed: {error.strerror or error}. {how}") from error
