"""Arithmetic on an accelerator: blocks go up, are mixed there, and come down while the next ones are on their way.

Only the mixing moves. Reading, looking at tensors (angles, thresholds), merges inside merges, rounding's check and writing
stay on the processor, and so do methods that do not say that their mix works anywhere. So coefficients and thresholds are
those of a run on the processor, and results agree to one unit in the last place.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from nbmerge.engine.compute.input_files import Files
from nbmerge.engine.compute.workspace import BlockAt, Emit, Open, Workspace
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError
from nbmerge.methods import Combination

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

DEVICE = "nbmerge_device"
"""Under which a weights file's header says where it was mixed."""
AHEAD = 2
"""Blocks under way at a time: one is read while the one before it is copied and mixed."""


def find_device(name: str | None) -> torch.device | None:
    """The accelerator of that name, any with "auto"; None for the processor.

    Raises
    ------
    MergeError
        When there is none of that name here.
    """
    if name is None:
        return None
    have = available_devices()
    if name == "auto":
        return torch.device(have[1]) if len(have) > 1 else None
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is not None and device.type == "cpu":
        return None
    if device is None or device.type not in ("cuda", "mps") or not any(_is(device, there) for there in have):
        raise MergeError(f"device {name!r} is not available on {socket.gethostname()}: there is {', '.join(have)}.")
    return device


def available_devices() -> list[str]:
    """Names of the devices that this process can use."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def _is(device: torch.device, name: str) -> bool:
    return str(device) == name or (device.index is None and name.startswith(device.type))


class DeviceWorkspace(Workspace):
    """One worker's buffers, here and on the device, and its ways there and back.

    Parameters
    ----------
    files, cancel, kinds
        As in `Workspace`.
    device : torch.device
    """

    def __init__(
        self, files: Files, cancel: StopSignal | None, device: torch.device, kinds: Mapping[type, Open] | None = None
    ):
        super().__init__(files, cancel, kinds)
        self.device = device
        self._host = self.another()
        self.slot = 0
        """Which of the blocks under way the buffers are for."""
        self._cuda = device.type == "cuda"
        self._up = torch.cuda.Stream(device) if self._cuda else None
        self._work = torch.cuda.Stream(device) if self._cuda else None
        self._pairs: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor]] = {}
        self._down: dict[tuple[Any, ...], torch.Tensor] = {}

    @property
    def host(self) -> Workspace:
        """Where inputs are read and looked at: on the processor."""
        return self._host

    def mixing(self, tensor: TensorPlan) -> Workspace:
        """Itself where a tensor can be mixed on the device, else its host."""
        return self._host if why_not(tensor, self.device) else self

    def remark(self, tensor: TensorPlan) -> str | None:
        """Why a tensor was mixed on the processor all the same."""
        return why_not(tensor, self.device) if tensor.is_float else None

    def bring(self, slot: int, block: torch.Tensor) -> torch.Tensor:
        """A block that was read, on the device."""
        return self.up(slot, block)

    def deliver(self, starts: Iterable[int], block_at: BlockAt, emit: Emit) -> None:
        """Hand blocks on in order, each while the next is made."""
        under_way: deque[tuple[int, Callable[[], torch.Tensor]]] = deque()
        with self.at_work():
            for k, start in enumerate(starts):
                if len(under_way) == AHEAD:
                    _land(under_way, emit)
                self.slot = k % AHEAD
                under_way.append((start, self.down(block_at(start))))
            while under_way:
                _land(under_way, emit)

    def working(self, dtype: torch.dtype, rows: int, count: int) -> torch.Tensor:
        """Scratch on the device."""
        held = self._working.get(dtype)
        if held is None or held.shape[0] < rows or held.shape[1] < count:
            self.wait()  # the old scratch may be in use
            held = self._working[dtype] = torch.empty(rows, count, dtype=dtype, device=self.device)
        return held[:rows, :count]

    def up(self, i: int, block: torch.Tensor) -> torch.Tensor:
        """A copy on the device, on its way while the processor goes on; valid as long as the slot is.

        The block itself is copied at once to memory that the device can reach by itself.
        """
        key, count = (self.slot, i, block.dtype), block.numel()
        if key not in self._pairs or self._pairs[key][0].numel() < count:
            self.wait()
            here = torch.empty(count, dtype=block.dtype, pin_memory=self._cuda)
            with self._copying():  # memory belongs to the stream that it is taken in, and this one writes to it first
                self._pairs[key] = here, torch.empty(count, dtype=block.dtype, device=self.device)
        here, there = (buffer[:count] for buffer in self._pairs[key])
        here.copy_(block)
        with self._copying():
            there.copy_(here, non_blocking=self._cuda)
        if self._cuda:
            self._work.wait_stream(self._up)
        return there

    def _copying(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self._up) if self._cuda else nullcontext()

    def down(self, block: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Start a block on its way back; calling the answer waits for it. Valid as long as the slot is."""
        key, count = (self.slot, block.dtype), block.numel()
        if key not in self._down or self._down[key].numel() < count:
            self.wait()
            self._down[key] = torch.empty(count, dtype=block.dtype, pin_memory=self._cuda)
        here = self._down[key][:count]
        here.copy_(block.reshape(-1), non_blocking=self._cuda)
        if not self._cuda:
            return lambda: here
        arrived = torch.cuda.Event()
        arrived.record(self._work)

        def landed() -> torch.Tensor:
            arrived.synchronize()
            return here

        return landed

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let the device do what is asked inside in this worker's own order, beside the other workers."""
        if not self._cuda:
            yield
            return
        try:
            with torch.cuda.device(self.device), torch.cuda.stream(self._work):
                yield
        finally:
            self.wait()

    def wait(self) -> None:
        """Wait until nothing is under way."""
        if self._cuda:
            self._up.synchronize()
            self._work.synchronize()


def _land(under_way: deque[tuple[int, Callable[[], torch.Tensor]]], emit: Emit) -> None:
    start, landed = under_way.popleft()
    emit(start, landed())


def why_not(tensor: TensorPlan, device: torch.device) -> str | None:
    """Why a tensor is mixed on the processor all the same, in words; None where the device mixes it."""
    method = tensor.how
    if not isinstance(method, Combination) and not method.anywhere:
        return f"mixed on the processor: {method.name} does not run on {device.type}"
    dtypes = {i.dtype for i in tensor.inputs} | {tensor.dtype}
    if device.type == "mps" and "float64" in dtypes:
        return "mixed on the processor: mps has no float64"
    if not dtypes <= {"float64", "float32", "float16", "bfloat16"}:
        return "mixed on the processor: not of a floating dtype that all devices have"
    return None
