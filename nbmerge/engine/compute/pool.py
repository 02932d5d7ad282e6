"""Run a plan, or a part of it: workers take tensors, the largest first, and hand the blocks to a sink."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager

import torch

from nbmerge.engine.compute import read_float8, read_lora, read_rows  # noqa: F401  (register how these inputs are read)
from nbmerge.engine.compute.blocks import Blocks, Files, Workspace
from nbmerge.engine.compute.device import DeviceWorkspace, why_not
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.malloc import keep_buffers
from nbmerge.engine.compute.nonfinite import guarded
from nbmerge.engine.compute.tensor import Emit, compute
from nbmerge.engine.compute.threads import default_threads
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError, MergeStopped
from nbmerge.progress import Listener, Reporter

Sink = Callable[[TensorPlan, Blocks], Emit]
"""Called once per tensor, from a worker; what it returns receives the blocks."""


def run(
    tensors: Sequence[TensorPlan],
    sink: Sink,
    *,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    device: torch.device | None = None,
) -> Counter[str]:
    """Compute tensors and hand their blocks to the sink.

    Parameters
    ----------
    tensors : sequence of TensorPlan
    sink : callable
        See `Sink`.
    progress : callable, optional
        Takes an `Event`.
    cancel : threading.Event, optional
        Set it to stop; every worker ends at its next block.
    threads : int, optional
        Number of workers; results do not depend on it.
    allow_nonfinite : bool
        Let NaN and infinity pass instead of stopping.
    device : torch.device, optional
        Where blocks are mixed, see `nbmerge.engine.compute.device`; default the processor, without a detour.

    Returns
    -------
    Counter
        How often each special case occurred, see `Combination.note`.

    Raises
    ------
    MergeStopped
        When `cancel` was set.
    MergeError
        When an input cannot be read, or the result is not finite.
    """
    threads = max(1, min(threads or default_threads(), len(tensors) or 1))
    if device is not None and device.type == "mps":
        threads = 1  # all threads would share its one queue of commands
    fetch(tensors, progress, cancel)
    report = Reporter(progress, len(tensors), sum(t.nbytes for t in tensors))
    report.tell("planned")
    stop = _Stop(cancel)
    keep_buffers()
    todo: queue.SimpleQueue[TensorPlan] = queue.SimpleQueue()
    for tensor in sorted(tensors, key=lambda t: -t.count):
        todo.put(tensor)
    notes: list[str] = []
    errors: list[BaseException] = []

    def work() -> None:
        torch.set_num_threads(1)
        workspace = Workspace(files, stop) if device is None else DeviceWorkspace(files, stop, device)
        try:
            while not errors:
                tensor = todo.get_nowait()
                blocks = workspace.blocks(tensor)
                emit = sink(tensor, blocks)
                emit = emit if progress is None else _counted(emit, report)
                if note := compute(tensor, blocks, emit if allow_nonfinite else guarded(emit, tensor, blocks)):
                    notes.append(note)
                if device is not None and tensor.is_float and (note := why_not(tensor, device)):
                    notes.append(note)
                report.tell("tensor", tensor.name)
        except queue.Empty:
            pass
        except BaseException as error:
            errors.append(error)
            stop.set()

    with Files() as files, _threads_restored():
        workers = [threading.Thread(target=work, name=f"nbmerge-{i}", daemon=True) for i in range(threads)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except KeyboardInterrupt:
            stop.set()
            for worker in workers:
                worker.join()
            report.tell("stopped", error="interrupted")
            raise
        if not errors:
            try:
                files.unchanged()
            except MergeError as error:
                errors.append(error)
    if errors:
        stopped = isinstance(errors[0], MergeStopped)
        report.tell("stopped" if stopped else "failed", error=str(errors[0]))
        raise errors[0]
    report.tell("finished")
    return Counter(notes)


def _counted(emit: Emit, report: Reporter) -> Emit:
    """The same receiver, with its bytes reported."""

    def counted(start: int, block: torch.Tensor) -> None:
        emit(start, block)
        report.add(block.numel() * block.element_size())

    return counted


class _Stop:
    """The caller's stop signal or our own, whichever is set first."""

    def __init__(self, outer: threading.Event | None):
        self._outer, self._own = outer, threading.Event()

    def set(self) -> None:
        self._own.set()

    def is_set(self) -> bool:
        return self._own.is_set() or (self._outer is not None and self._outer.is_set())


@contextmanager
def _threads_restored():
    """Give torch its number of threads back: the workers set it to one, for the whole process in part."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
