"""A safetensors file that is written tensor by tensor, so that no more than one of them is in memory."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.errors import OutputError
from nbmerge.methods.numerics.gathered import ALIASES

if TYPE_CHECKING:
    from typing_extensions import Self

NAMES = {torch.float32: "F32", torch.bfloat16: "BF16"}
ENTRY = 512
"""Bytes of the header that are reserved for each tensor; the format allows spaces after the header."""


class StatisticsFile:
    """Statistics by the names of tensors; the file is there as a whole or not at all.

    Parameters
    ----------
    file : Path
    tensors : int
        The most tensors and aliases that will be added.
    """

    def __init__(self, file: Path, tensors: int):
        self.file = file
        self._room = 4096 + ENTRY * tensors
        self._entries: dict[str, Any] = {}
        self._aliases: dict[str, str] = {}
        self._end = 0

    def __enter__(self) -> Self:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle, self._name = tempfile.mkstemp(dir=self.file.parent, prefix=self.file.stem, suffix=".part")
        except OSError as error:
            raise OutputError(f"{self.file.parent} cannot be written: {error.strerror or error}.") from error
        self._opened = os.fdopen(handle, "wb")
        self._opened.seek(8 + self._room)
        return self

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Write the statistics of one tensor.

        Raises
        ------
        OutputError
            When the disk is full or fails.
        """
        raw = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
        try:
            self._opened.write(raw)
        except OSError as error:
            raise OutputError(f"{self.file} cannot be written: {error.strerror or error}.") from error
        place = [self._end, self._end + raw.nbytes]
        self._entries[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": place}
        self._end = place[1]

    def add_alias(self, name: str, owner: str) -> None:
        """Let a tensor have the statistics of another one."""
        self._aliases[name] = owner

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                header = {"__metadata__": {ALIASES: json.dumps(self._aliases)}} | self._entries
                text = json.dumps(header, ensure_ascii=True).encode().ljust(self._room)
                self._opened.seek(0)
                self._opened.write(len(text).to_bytes(8, "little") + text)
            self._opened.close()
            if kind is None:
                os.replace(self._name, self.file)
        except OSError as error:
            raise OutputError(f"{self.file} cannot be written: {error.strerror or error}.") from error
        finally:
            self._opened.close()
            Path(self._name).unlink(missing_ok=True)
