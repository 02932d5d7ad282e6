"""The buffers of a worker, and how it reads its inputs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.dtypes import item_bytes
from nbmerge.engine.compute.input_files import InputFiles
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
"""Returns the block of the result that begins at an element, in the output's dtype; valid until the next call."""
Open = Callable[[Any, "Workspace", int], Read]
"""``(input, workspace, slot)``: opens one kind of input; see `nbmerge.engine.compute.input_kinds`."""


class Workspace:
    """Buffers of one worker.

    Subclasses read from elsewhere, cache findings, or mix on a device; tensors are computed by the same code in all of them.

    Parameters
    ----------
    files : InputFiles
    cancel : object with ``is_set()``, optional
        Set to stop at the next block.
    kinds : mapping of type to callable, optional
        Kinds of inputs and how they are opened; default all of the engine's.
    threads : int
        Number of threads that an input which takes long to compute may use.
    """

    def __init__(
        self,
        files: InputFiles,
        cancel: StopSignal | None = None,
        kinds: Mapping[type, Open] | None = None,
        threads: int = 1,
    ):
        self.files = files
        self.cancel = cancel
        self.kinds = kinds if kinds is not None else _all_kinds()
        self.threads = threads
        self._raw: list[bytearray] = []
        self._scratch: dict[torch.dtype, torch.Tensor] = {}
        self.finite_at: int | None = None
        """First element of the block of the result that is known to be finite, until it is checked."""
        self._results: dict[torch.dtype, torch.Tensor] = {}

    @property
    def host(self) -> Workspace:
        """The workspace on the CPU, where inputs are read and scanned; this one unless a subclass mixes on a device."""
        return self

    def nested(self) -> Workspace:
        """Create buffers for a nested merge."""
        return Workspace(self.files, self.cancel, self.kinds, self.threads)

    def open(self, source: Any, slot: int) -> Read:
        """Open an input for reading.

        An input has the fields of a `StoredTensor`: name, dtype, shape, count, nbytes, is_float.
        """
        open_source = self.kinds.get(type(source)) or self._find_base(type(source))
        return open_source(source, self, slot)

    def _find_base(self, kind: type) -> Open:
        for base in kind.__mro__:
            if base in self.kinds:
                return self.kinds[base]
        raise TypeError(f"{kind.__name__} is not an input of a merge")

    def stored(self, slot: int, stored: StoredTensor, start: int, count: int) -> torch.Tensor:
        """Elements ``start … start + count`` in the dtype they are stored in; valid until the slot's next use."""
        if self.cancel is not None and self.cancel.is_set():
            raise MergeStopped("The merge was stopped. Run again to resume.")
        while len(self._raw) <= slot:
            self._raw.append(bytearray(BLOCK * 2))
        nbytes = count * item_bytes(stored.dtype)
        if nbytes > len(self._raw[slot]):  # a row or matrix that must not be split
            self._raw[slot] = bytearray(nbytes)
        view = memoryview(self._raw[slot])[:nbytes]
        self.files.read(stored, start, view)
        return torch.frombuffer(self._raw[slot], dtype=getattr(torch, stored.dtype), count=count)

    def to_device(self, slot: int, block: torch.Tensor) -> torch.Tensor:
        """Copy a block to the device where it is mixed, if that is not the CPU; valid until the slot's next use."""
        return block

    def scratch(self, dtype: torch.dtype, rows: int, count: int) -> torch.Tensor:
        """Scratch memory of shape (rows, count) on the device where blocks are mixed; valid until the next call."""
        buffer = self._scratch.get(dtype)
        if buffer is None or buffer.shape[0] < rows or buffer.shape[1] < count:
            buffer = self._scratch[dtype] = torch.empty(rows, max(BLOCK, count), dtype=dtype)
        return buffer[:rows, :count]

    def result(self, dtype: torch.dtype, count: int) -> torch.Tensor:
        """Memory for a block of the result on the CPU; valid until the next call."""
        buffer = self._results.get(dtype)
        if buffer is None or buffer.numel() < count:
            buffer = self._results[dtype] = torch.empty(max(BLOCK, count), dtype=dtype)
        return buffer[:count]

    def recall(self, what: Hashable, inputs: tuple[Any, ...], values: Any, find: Callable[[Any], Any]) -> Any:
        """Return ``find(values)``; persistent workspaces cache it by inputs and values."""
        return find(values)

    def choose_for(self, tensor: TensorPlan) -> Workspace:
        """The workspace that a tensor is mixed in: this one, or its host if this one cannot mix it."""
        return self

    def describe_choice(self, tensor: TensorPlan) -> str | None:
        """A note on where a tensor was mixed, if that was not as requested."""
        return None

    def deliver(self, starts: Iterable[int], block_at: BlockAt, emit: Emit) -> None:
        """Pass blocks of a result on, in order."""
        for start in starts:
            emit(start, block_at(start))


def _all_kinds() -> Mapping[type, Open]:
    from nbmerge.engine.compute.input_kinds import KINDS  # deferred: these modules import this one

    return KINDS
