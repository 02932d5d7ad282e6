"""A worker's buffers, and its way to the elements of inputs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.header import CODES, ITEM_BYTES
from nbmerge.engine.compute.input_files import Files
from nbmerge.errors import MergeStopped

if TYPE_CHECKING:
    from nbmerge.engine.planning.plans import TensorPlan
    from nbmerge.typing import StopSignal

BLOCK = 1 << 18
"""Elements in a block: 1 MiB in float32."""

Read = Callable[[int, int], torch.Tensor]
"""``(start, count)``: elements of an input in its stored dtype, valid until the next call."""
Emit = Callable[[int, torch.Tensor], None]
"""Takes (start, block): elements from `start` on, in the output's dtype; the block is only valid during the call."""
BlockAt = Callable[[int], torch.Tensor]
"""Gives the block of the result that begins at an element, in the output's dtype; valid until the next call."""
Open = Callable[[Any, "Workspace", int], Read]
"""``(input, workspace, slot)``: how the elements of a kind of input are had; see `nbmerge.engine.compute.input_kinds`."""


class Workspace:
    """One worker's buffers.

    Another kind of workspace reads elsewhere, remembers what was found, or mixes on a device: tensors are made in the same
    way in all of them.

    Parameters
    ----------
    files : Files
    cancel : object with ``is_set()``, optional
        Set to stop at the next block.
    kinds : mapping of type to callable, optional
        Kinds of inputs and how they are opened; default all of the engine's.
    """

    def __init__(self, files: Files, cancel: StopSignal | None = None, kinds: Mapping[type, Open] | None = None):
        self.files = files
        self.cancel = cancel
        self.kinds = kinds if kinds is not None else _all_kinds()
        self._raw: list[bytearray] = []
        self._working: dict[torch.dtype, torch.Tensor] = {}

    @property
    def host(self) -> Workspace:
        """Where inputs are read and looked at: here, also for a workspace that mixes elsewhere."""
        return self

    def another(self) -> Workspace:
        """Buffers for a merge inside a merge."""
        return Workspace(self.files, self.cancel, self.kinds)

    def open(self, source: Any, slot: int) -> Read:
        """Begin to read an input.

        An input has the fields of a `StoredTensor`: name, dtype, shape, count, nbytes, is_float.
        """
        begin = self.kinds.get(type(source)) or self._begin_of_base(type(source))
        return begin(source, self, slot)

    def _begin_of_base(self, kind: type) -> Open:
        for base in kind.__mro__:
            if base in self.kinds:
                return self.kinds[base]
        raise TypeError(f"{kind.__name__} is not an input of a merge")

    def stored(self, slot: int, stored: StoredTensor, start: int, count: int) -> torch.Tensor:
        """Elements ``start … start + count`` in the dtype they are stored in; valid until the slot's next use."""
        if self.cancel is not None and self.cancel.is_set():
            raise MergeStopped("The merge was stopped. Run it again to go on from here.")
        while len(self._raw) <= slot:
            self._raw.append(bytearray(BLOCK * 2))
        nbytes = count * ITEM_BYTES[CODES[stored.dtype]]
        if nbytes > len(self._raw[slot]):  # a row or matrix that must stay whole
            self._raw[slot] = bytearray(nbytes)
        view = memoryview(self._raw[slot])[:nbytes]
        self.files.read(stored, start, view)
        return torch.frombuffer(self._raw[slot], dtype=getattr(torch, stored.dtype), count=count)

    def bring(self, slot: int, block: torch.Tensor) -> torch.Tensor:
        """A block that was read, where it is mixed; valid until the slot's next use."""
        return block

    def working(self, dtype: torch.dtype, rows: int, count: int) -> torch.Tensor:
        """Scratch of shape (rows, count) where blocks are mixed; valid until the next call."""
        held = self._working.get(dtype)
        if held is None or held.shape[0] < rows or held.shape[1] < count:
            held = self._working[dtype] = torch.empty(rows, max(BLOCK, count), dtype=dtype)
        return held[:rows, :count]

    def recall(self, what: Hashable, inputs: tuple[Any, ...], values: Any, find: Callable[[Any], Any]) -> Any:
        """What `find(values)` says about inputs; a workspace that lasts may remember it."""
        return find(values)

    def mixing(self, tensor: TensorPlan) -> Workspace:
        """The workspace that a tensor is mixed in: this one, or its host where it cannot be mixed here."""
        return self

    def remark(self, tensor: TensorPlan) -> str | None:
        """What is to be said of how a tensor was mixed here."""
        return None

    def deliver(self, starts: Iterable[int], block_at: BlockAt, emit: Emit) -> None:
        """Hand blocks of a result on, in order."""
        for start in starts:
            emit(start, block_at(start))


def _all_kinds() -> Mapping[type, Open]:
    from nbmerge.engine.compute.input_kinds import KINDS  # these open workspaces themselves

    return KINDS
