"""Carry out a plan, or a part of it: workers take tensors, the largest first, and hand the blocks to a sink.

There is one executor, `execute`, for all that tensors are made for. What differs is who works (`Workers`: threads that
come for one run, or stay with all that they found) and where blocks go (`Sink`: a file, a model in memory, a statistic).
"""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import torch

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.device import DeviceWorkspace
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.input_files import Files
from nbmerge.engine.compute.malloc import keep_buffers
from nbmerge.engine.compute.nonfinite import guarded
from nbmerge.engine.compute.tensor import compute
from nbmerge.engine.compute.threads import Stop, parse_threads
from nbmerge.engine.compute.workspace import Emit, Open, Workspace
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeStopped
from nbmerge.progress import Listener, Reporter

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

Task = tuple[TensorPlan, slice]
"""A tensor, and which of its blocks."""
Sink = Callable[[TensorPlan, Blocks], Emit]
"""Called once per task, from a worker, before the task's first block; what it returns receives the blocks, in order."""


class Workers(Protocol):
    """Who carries out tasks."""

    def divide(self, tensors: Sequence[TensorPlan]) -> list[Task]:
        """Make tasks of tensors, in the order in which they are taken."""

    def work(self, do: Callable[[Callable[[], Workspace]], None], tasks: int, stop: Stop) -> None:
        """Let every worker call `do` with what makes its workspace, and wait for all; there are `tasks` in all."""

    def check_inputs(self) -> None:
        """Make sure that what was read is still as it was."""


def run(
    tensors: Sequence[TensorPlan],
    sink: Sink,
    *,
    progress: Listener | None = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    device: torch.device | None = None,
    kinds: Mapping[type, Open] | None = None,
) -> Counter[str]:
    """Compute tensors and hand their blocks to the sink, each tensor whole and in order.

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
    kinds : mapping of type to callable, optional
        Kinds of inputs and how they are opened, as `Workspace` takes them.

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
    with Files() as files:
        workers = _ThreadsForOneRun(files, threads, device, kinds)
        return execute(tensors, sink, workers, progress=progress, cancel=cancel, allow_nonfinite=allow_nonfinite)


def execute(
    tensors: Sequence[TensorPlan],
    sink: Sink,
    workers: Workers,
    *,
    progress: Listener | None = None,
    cancel: StopSignal | None = None,
    allow_nonfinite: bool = False,
) -> Counter[str]:
    """Let workers compute tensors; parameters, result and errors are those of `run`."""
    fetch(tensors, progress, cancel)
    report = Reporter(progress, len(tensors), sum(t.nbytes for t in tensors))
    report.tell("planned")
    tasks, stop = workers.divide(tensors), Stop(cancel)
    execution = _Execution(tasks, sink, report if progress is not None else None, stop, allow_nonfinite)
    try:
        with _threads_restored():
            workers.work(execution.do, len(tasks), stop)
        execution.raise_error()
        workers.check_inputs()
    except KeyboardInterrupt:
        report.tell("stopped", error="interrupted")
        raise
    except BaseException as error:
        report.tell("stopped" if isinstance(error, MergeStopped) else "failed", error=str(error))
        raise
    report.tell("finished")
    return Counter(execution.notes)


class _Execution:
    """Tasks that are left, shared by the workers of one run, with what they found out.

    The first error stops all; it is raised again where the run was asked for.
    """

    def __init__(
        self, tasks: Sequence[Task], sink: Sink, report: Reporter | None, stop: Stop, allow_nonfinite: bool
    ) -> None:
        self._todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            self._todo.put(task)
        self._left = Counter(tensor.name for tensor, _ in tasks)
        self._sink, self._report, self._stop, self._allow_nonfinite = sink, report, stop, allow_nonfinite
        self._lock = threading.Lock()
        self._errors: list[BaseException] = []
        self.notes: list[str] = []

    def do(self, make_workspace: Callable[[], Workspace]) -> None:
        """Take tasks until none is left; runs in every worker."""
        torch.set_num_threads(1)
        try:
            workspace = make_workspace()
            with torch.no_grad():
                while not self._errors:
                    self._compute(*self._todo.get_nowait(), workspace)
        except queue.Empty:
            pass
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()

    def raise_error(self) -> None:
        """Raise what ended the work, if anything did."""
        if self._errors:
            raise self._errors[0]

    def _compute(self, tensor: TensorPlan, span: slice, workspace: Workspace) -> None:
        blocks = Blocks(tensor, workspace.mixing(tensor))
        emit = self._sink(tensor, blocks)
        if self._report is not None:
            emit = _counted(emit, self._report)
        if not self._allow_nonfinite:
            emit = guarded(emit, tensor, blocks)
        note = compute(tensor, blocks, emit, span)
        with self._lock:
            self.notes += filter(None, (note, workspace.remark(tensor)))
            self._left[tensor.name] -= 1
            done = not self._left[tensor.name]
        if done and self._report is not None:
            self._report.tell("tensor", tensor.name)


def _counted(emit: Emit, report: Reporter) -> Emit:
    """The same receiver, with its bytes reported."""

    def counted(start: int, block: torch.Tensor) -> None:
        emit(start, block)
        report.add(block.numel() * block.element_size())

    return counted


class _ThreadsForOneRun:
    """Threads that end with the run; each takes whole tensors, so that a tensor's blocks come in order.

    They are daemons: a program that ends need not wait for a merge that nobody waits for.
    """

    def __init__(
        self, files: Files, threads: int | None, device: torch.device | None, kinds: Mapping[type, Open] | None
    ) -> None:
        self._files, self._device, self._kinds = files, device, kinds
        one_queue = device is not None and device.type == "mps"  # all threads would share its one queue of commands
        self._threads = 1 if one_queue else parse_threads(threads)

    def divide(self, tensors: Sequence[TensorPlan]) -> list[Task]:
        """Whole tensors, the largest first."""
        return [(tensor, slice(None)) for tensor in sorted(tensors, key=lambda t: -t.count)]

    def work(self, do: Callable[[Callable[[], Workspace]], None], tasks: int, stop: Stop) -> None:
        """Let the threads work; an interrupt stops them."""
        keep_buffers()

        def make_workspace() -> Workspace:
            if self._device is None:
                return Workspace(self._files, stop, self._kinds)
            return DeviceWorkspace(self._files, stop, self._device, self._kinds)

        count = max(1, min(self._threads, tasks))
        workers = [
            threading.Thread(target=do, args=(make_workspace,), name=f"nbmerge-{i}", daemon=True) for i in range(count)
        ]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except KeyboardInterrupt:
            stop.set()
            for worker in workers:
                worker.join()
            raise

    def check_inputs(self) -> None:
        """Make sure that all files that were read are still as they were."""
        self._files.unchanged()


@contextmanager
def _threads_restored() -> Iterator[None]:
    """Give torch its number of threads back: the workers set it to one, for the whole process in part."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
