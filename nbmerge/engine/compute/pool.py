"""Run a plan, or a part of it: workers take tensors, the largest first, and pass their blocks to a sink.

One function, `execute`, serves all uses. They differ in their workers (`Workers`: threads for one run, or persistent ones with a
cache) and in where blocks go (`Sink`: a file, a model in memory, a statistic).
"""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch

from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.device import DeviceWorkspace
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.loop_loading import load_loops
from nbmerge.engine.compute.malloc import keep_buffers
from nbmerge.engine.compute.nonfinite import check_finite
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
GRACE = 0.25
"""Seconds that workers have to end after a stop."""
Sink = Callable[[TensorPlan, Blocks], Emit]
"""Called by a worker once per task, before its first block; the function that it returns receives the blocks in order."""


class Workers(Protocol):
    """The workers that run tasks."""

    def divide(self, tensors: Sequence[TensorPlan]) -> list[Task]:
        """Divide tensors into tasks, in the order in which they are run."""

    def work(self, do: Callable[[Callable[[], Workspace]], None], tasks: int, stop: Stop) -> None:
        """Let every worker call `do` with a function that creates its workspace, and wait for all; `tasks` is their number."""

    def check_inputs(self) -> None:
        """Check that the inputs were not modified during the run."""


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
    """Compute tensors and pass their blocks to the sink, each tensor complete and in order.

    Parameters
    ----------
    tensors : sequence of TensorPlan
    sink : callable
        See `Sink`.
    progress : callable, optional
        Takes an `Event`.
    cancel : threading.Event, optional
        Set it to stop; every worker stops at its next block. One that is inside a matrix, which cannot be interrupted, is
        left behind after `GRACE` seconds: it hands nothing on any more, and ends with its matrix.
    threads : int, optional
        Number of workers; results do not depend on it.
    allow_nonfinite : bool
        Let NaN and infinity pass instead of stopping.
    device : torch.device, optional
        Where blocks are mixed, see `nbmerge.engine.compute.device`; default the CPU.
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
    workers = _ThreadsForOneRun(InputFiles(), threads, device, kinds)
    try:
        return execute(tensors, sink, workers, progress=progress, cancel=cancel, allow_nonfinite=allow_nonfinite)
    finally:
        workers.close_files()


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
    load_loops(tensors)
    report = Reporter(progress, len(tensors), sum(t.nbytes for t in tensors))
    report.tell("planned")
    tasks, stop = workers.divide(tensors), Stop(cancel)
    execution = _Execution(tasks, sink, report if progress is not None else None, stop, allow_nonfinite)
    try:
        with _threads_restored():
            workers.work(execution.do, len(tasks), stop)
        execution.end()
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
    """The remaining tasks of one run, its errors and notes, shared by all workers.

    The first error stops all workers; `end` raises it in the thread that started the run.
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
        self._outlets: list[_Outlet] = []
        self.notes: list[str] = []

    def do(self, make_workspace: Callable[[], Workspace]) -> None:
        """Take tasks until none is left; runs in every worker."""
        torch.set_num_threads(1)
        outlet = _Outlet()
        self._outlets.append(outlet)
        try:
            workspace = make_workspace()
            with torch.no_grad():
                while not self._errors:
                    self._compute(*self._todo.get_nowait(), workspace, outlet)
        except queue.Empty:
            pass
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()

    def end(self) -> None:
        """Close the outlets, so that workers that have not ended pass nothing on, and raise the first error."""
        for outlet in self._outlets:
            outlet.shut()
        if self._errors:
            raise self._errors[0]
        if self._stop.is_set() and any(self._left.values()):
            raise MergeStopped("The merge was stopped. Run again to resume.")

    def _compute(self, tensor: TensorPlan, span: slice, workspace: Workspace, outlet: _Outlet) -> None:
        blocks = Blocks(tensor, workspace.choose_for(tensor))
        emit = outlet.open(self._sink, tensor, blocks)
        if self._report is not None:
            emit = _counted(emit, self._report)
        if not self._allow_nonfinite:
            emit = check_finite(emit, tensor, blocks)
        note = compute(tensor, blocks, emit, span)
        with self._lock:
            self.notes += filter(None, (note, workspace.describe_choice(tensor)))
            self._left[tensor.name] -= 1
            done = not self._left[tensor.name]
        if done and self._report is not None:
            self._report.tell("tensor", tensor.name)


def _counted(emit: Emit, report: Reporter) -> Emit:
    """Wrap a receiver to report its bytes."""

    def counted(start: int, block: torch.Tensor) -> None:
        emit(start, block)
        report.add(block.numel() * block.element_size())

    return counted


class _ThreadsForOneRun:
    """Threads for one run; each takes whole tensors, so that the blocks of a tensor arrive in order.

    They are daemons, so that a program can exit during a merge.
    """

    def __init__(
        self, files: InputFiles, threads: int | None, device: torch.device | None, kinds: Mapping[type, Open] | None
    ) -> None:
        self._files, self._device, self._kinds = files, device, kinds
        one_queue = device is not None and device.type == "mps"  # all threads would share its only command queue
        self._threads = 1 if one_queue else parse_threads(threads)
        self._workers: list[threading.Thread] = []

    def divide(self, tensors: Sequence[TensorPlan]) -> list[Task]:
        """Whole tensors, those that take longest first: a router may evaluate a model, others take as long as they are large."""
        slow = {id(t) for t in tensors if any(getattr(i, "slow", False) for i in t.inputs)}
        return [(tensor, slice(None)) for tensor in sorted(tensors, key=lambda t: (id(t) not in slow, -t.count))]

    def work(self, do: Callable[[Callable[[], Workspace]], None], tasks: int, stop: Stop) -> None:
        """Run the threads; an interrupt stops them. Threads that do not end within `GRACE` are abandoned."""
        keep_buffers()

        def make_workspace() -> Workspace:
            if self._device is None:
                return Workspace(self._files, stop, self._kinds, self._threads)
            return DeviceWorkspace(self._files, stop, self._device, self._kinds, self._threads)

        count = max(1, min(self._threads, tasks))
        self._workers = [
            threading.Thread(target=do, args=(make_workspace,), name=f"nbmerge-{i}", daemon=True) for i in range(count)
        ]
        for worker in self._workers:
            worker.start()
        try:
            while not stop.is_set() and any(worker.is_alive() for worker in self._workers):
                for worker in self._workers:
                    worker.join(0.05)
        except KeyboardInterrupt:
            stop.set()
            self._await_end()
            raise
        self._await_end()

    def _await_end(self) -> None:
        """Wait for the threads after a stop, for at most `GRACE` seconds."""
        end = time.monotonic() + GRACE
        for worker in self._workers:
            worker.join(max(0.0, end - time.monotonic()))

    def close_files(self) -> None:
        """Close the input files once no thread reads them."""
        running = [worker for worker in self._workers if worker.is_alive()]

        def close() -> None:
            for worker in running:
                worker.join()
            self._files.close()

        if not running:
            close()
            return
        closing = threading.Thread(target=close, name="nbmerge files", daemon=True)
        closing.start()
        atexit.register(closing.join)  # Python must not end while a thread is inside torch

    def check_inputs(self) -> None:
        """Check that no input file was modified during the run."""
        self._files.check_unchanged()


@contextmanager
def _threads_restored() -> Iterator[None]:
    """Restore torch's number of threads, which the workers set to one, partly for the whole process."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Outlet:
    """Passes the blocks of one worker to sinks until it is shut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_shut = False

    def shut(self) -> None:
        """Pass nothing on from now on; waits for a block that is being passed on."""
        with self._lock:
            self._is_shut = True

    def open(self, sink: Sink, tensor: TensorPlan, blocks: Blocks) -> Emit:
        """Call a sink for a tensor; the returned receiver works until the outlet is shut."""
        emit = self._pass(sink, tensor, blocks)

        def pass_on(start: int, block: torch.Tensor) -> None:
            self._pass(emit, start, block)

        return pass_on

    def _pass(self, receiver: Callable[..., Any], *what: Any) -> Any:
        with self._lock:
            if self._is_shut:
                raise MergeStopped("Stopped.")
            return receiver(*what)
