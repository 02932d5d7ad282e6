"""Arithmetic on an accelerator: blocks are uploaded, mixed, and downloaded while the next ones are uploaded.

Only mixing is done on the device. Reading, scanning (angles, thresholds), nested merges, the check for NaN, and writing stay on
the CPU, and so do methods that are not declared to run `anywhere`. Coefficients and thresholds are therefore those of a run on
the CPU, and results agree to one unit in the last place.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.workspace import BlockAt, Emit, Open, Workspace
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError
from nbmerge.methods import Combination

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

DEVICE = "nbmerge_device"
"""Key in the header of a weights file: the device it was mixed on."""
AHEAD = 2
"""Blocks in flight at a time: one is read while the previous one is copied and mixed."""


def find_device(name: str | None) -> torch.device | None:
    """The accelerator of that name, or the first one with "auto"; None for the CPU.

    Raises
    ------
    MergeError
        When this machine has no device of that name.
    """
    if name is None:
        return None
    names = available_devices()
    if name == "auto":
        return torch.device(names[1]) if len(names) > 1 else None
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is not None and device.type == "cpu":
        return None
    if device is None or device.type not in ("cuda", "mps") or not any(_has_name(device, n) for n in names):
        raise MergeError(f"device {name!r} is not available on {socket.gethostname()}. Available: {', '.join(names)}.")
    return device


def available_devices() -> list[str]:
    """Names of the devices that this process can use."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def _has_name(device: torch.device, name: str) -> bool:
    return str(device) == name or (device.index is None and name.startswith(device.type))


class _Streams(NamedTuple):
    """The two CUDA streams of a worker: blocks are copied to the device in one while others are mixed in the other."""

    copy: torch.cuda.Stream
    mix: torch.cuda.Stream


class DeviceWorkspace(Workspace):
    """Buffers of one worker on the CPU and on the device, with asynchronous copies between them.

    Parameters
    ----------
    files, cancel, kinds, threads
        As in `Workspace`.
    device : torch.device
    """

    def __init__(
        self,
        files: InputFiles,
        cancel: StopSignal | None,
        device: torch.device,
        kinds: Mapping[type, Open] | None = None,
        threads: int = 1,
    ):
        super().__init__(files, cancel, kinds, threads)
        self.device = device
        self._host = self.nested()
        self.slot = 0
        """The block in flight that the buffers are for."""
        self._cuda = device.type == "cuda"
        self._streams = _Streams(torch.cuda.Stream(device), torch.cuda.Stream(device)) if self._cuda else None
        self._pairs: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor]] = {}
        self._down: dict[tuple[Any, ...], torch.Tensor] = {}

    @property
    def host(self) -> Workspace:
        """The workspace on the CPU, where inputs are read and scanned."""
        return self._host

    def choose_for(self, tensor: TensorPlan) -> Workspace:
        """The workspace itself if the device can mix the tensor, else its host."""
        return self._host if explain_cpu(tensor, self.device) else self

    def describe_choice(self, tensor: TensorPlan) -> str | None:
        """Why a tensor was mixed on the CPU instead."""
        return explain_cpu(tensor, self.device) if tensor.is_float else None

    def to_device(self, slot: int, block: torch.Tensor) -> torch.Tensor:
        """Copy a block that was read to the device."""
        return self.upload(slot, block)

    def deliver(self, starts: Iterable[int], block_at: BlockAt, emit: Emit) -> None:
        """Pass blocks on in order, each while the next is computed."""
        in_flight: deque[tuple[int, Callable[[], torch.Tensor]]] = deque()
        with self.streaming():
            for k, start in enumerate(starts):
                if len(in_flight) == AHEAD:
                    _emit_first(in_flight, emit)
                self.slot = k % AHEAD
                in_flight.append((start, self.download(block_at(start))))
            while in_flight:
                _emit_first(in_flight, emit)

    def scratch(self, dtype: torch.dtype, rows: int, count: int) -> torch.Tensor:
        """Scratch memory on the device."""
        buffer = self._scratch.get(dtype)
        if buffer is None or buffer.shape[0] < rows or buffer.shape[1] < count:
            self.wait()  # the old buffer may be in use
            buffer = self._scratch[dtype] = torch.empty(rows, count, dtype=dtype, device=self.device)
        return buffer[:rows, :count]

    def upload(self, i: int, block: torch.Tensor) -> torch.Tensor:
        """Start copying a block to the device; the result is valid as long as the slot.

        The block is first copied to pinned memory, from which the device copies asynchronously.
        """
        key, count = (self.slot, i, block.dtype), block.numel()
        if key not in self._pairs or self._pairs[key][0].numel() < count:
            self.wait()
            here = torch.empty(count, dtype=block.dtype, pin_memory=self._cuda)
            with self._copying():  # allocated in the stream that writes to it first
                self._pairs[key] = here, torch.empty(count, dtype=block.dtype, device=self.device)
        here, there = (buffer[:count] for buffer in self._pairs[key])
        here.copy_(block)
        with self._copying():
            there.copy_(here, non_blocking=self._cuda)
        if self._streams is not None:
            self._streams.mix.wait_stream(self._streams.copy)
        return there

    def _copying(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._streams is None else torch.cuda.stream(self._streams.copy)

    def download(self, block: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Start copying a block to the CPU; the returned function waits for it. Valid as long as the slot."""
        key, count = (self.slot, block.dtype), block.numel()
        if key not in self._down or self._down[key].numel() < count:
            self.wait()
            self._down[key] = torch.empty(count, dtype=block.dtype, pin_memory=self._cuda)
        here = self._down[key][:count]
        here.copy_(block.reshape(-1), non_blocking=self._cuda)
        if self._streams is None:
            return lambda: here
        arrived = torch.cuda.Event()
        arrived.record(self._streams.mix)

        def wait_for_copy() -> torch.Tensor:
            arrived.synchronize()
            return here

        return wait_for_copy

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Run the block's operations in this worker's own streams, in parallel with other workers."""
        if self._streams is None:
            yield
            return
        try:
            with torch.cuda.device(self.device), torch.cuda.stream(self._streams.mix):
                yield
        finally:
            self.wait()

    def wait(self) -> None:
        """Wait until all copies and operations are done."""
        if self._streams is not None:
            self._streams.copy.synchronize()
            self._streams.mix.synchronize()


def _emit_first(in_flight: deque[tuple[int, Callable[[], torch.Tensor]]], emit: Emit) -> None:
    start, wait_for_copy = in_flight.popleft()
    emit(start, wait_for_copy())


def explain_cpu(tensor: TensorPlan, device: torch.device) -> str | None:
    """Why a tensor is mixed on the CPU instead of the device; None if it is mixed on the device."""
    method = tensor.how
    if not isinstance(method, Combination) and not method.anywhere:
        return f"mixed on the CPU: {method.name} does not run on {device.type}"
    dtypes = {i.dtype for i in tensor.inputs} | {tensor.dtype}
    if device.type == "mps" and "float64" in dtypes:
        return "mixed on the CPU: mps has no float64"
    if not dtypes <= {"float64", "float32", "float16", "bfloat16"}:
        return "mixed on the CPU: not all devices support its dtype"
    return None
