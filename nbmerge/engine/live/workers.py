"""Workers that stay between updates, with their buffers, mapped parents and all that methods found before.

They do what `run` does, into memory: for a change of a few tensors, starting anew would cost more than the change.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.compute import read_rows  # noqa: F401  (registers how rows are read)
from nbmerge.engine.compute.blocks import BLOCK, Blocks, Files, Workspace
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.compute.pool import _Stop, _threads_restored
from nbmerge.engine.compute.tensor import prepare, restricted
from nbmerge.engine.compute.threads import default_threads
from nbmerge.engine.live.cache import Remembered
from nbmerge.engine.live.mapped_files import Mapped
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeStopped
from nbmerge.methods import Combination
from nbmerge.progress import Listener, Reporter

SPAN = 8
"""Blocks in a task: enough that handing it out costs nothing, few enough that workers end together."""

Task = tuple[TensorPlan, slice]


class Crew:
    """Computes tensors in memory.

    Parameters
    ----------
    threads : int, optional
        Number of workers; results do not depend on it.
    """

    def __init__(self, threads: int | None = None):
        self.mapped = Mapped()
        self.remembered = Remembered(self.mapped)
        self._threads = threads or default_threads()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="nbmerge")
        self.pace = 1.0
        """How much longer work took, the last time, than `expected_seconds`."""
        self._workspaces = [_Lasting(self.mapped, self.remembered) for _ in range(self._threads)]

    def run(
        self,
        tensors: Sequence[TensorPlan],
        target: Callable[[TensorPlan], torch.Tensor],
        *,
        progress: Listener | None = None,
        cancel: threading.Event | None = None,
        threads: int | None = None,
    ) -> None:
        """Compute tensors into their places, flat tensors of the output's dtype.

        Raises
        ------
        MergeStopped, MergeError
            As `run` does; NaN and infinity pass, so that they can be seen in the model.
        """
        fetch(tensors, progress, cancel)
        report = Reporter(progress, len(tensors), sum(t.nbytes for t in tensors))
        report.tell("planned")
        self.mapped.refresh()
        todo, left = self._tasks(tensors)
        stop, errors, lock = _Stop(cancel), [], threading.Lock()

        def work(workspace: _Lasting) -> None:
            torch.set_num_threads(1)
            workspace.cancel_with(stop)
            try:
                while not errors:
                    tensor, span = todo.get_nowait()
                    _fill(tensor, span, workspace, target(tensor))
                    with lock:
                        left[tensor.name] -= 1
                        done = not left[tensor.name]
                    if done:
                        report.tell("tensor", tensor.name, tensor.nbytes)
            except queue.Empty:
                pass
            except BaseException as error:
                errors.append(error)
                stop.set()

        began = time.perf_counter()
        self._together(work, min(todo.qsize(), threads or self._threads), stop)
        if errors:
            stopped = isinstance(errors[0], MergeStopped)
            report.tell("stopped" if stopped else "failed", error=str(errors[0]))
            raise errors[0]
        if (expected := sum(map(expected_seconds, tensors))) > 1e-3:
            self.pace = (time.perf_counter() - began) / expected
        report.tell("finished")

    def close(self) -> None:
        """End the workers, and let go of mapped files and of what was found in them. Nothing can be run after that."""
        self._pool.shutdown(wait=False)  # a listener may close what it listens to, in a worker
        self._workspaces = []
        self.remembered.close()
        self.mapped.close()

    def gram(self, tensor: TensorPlan) -> np.ndarray:
        """The Gram matrix of a tensor's inputs, from what is remembered or by going through them."""
        with torch.no_grad():
            return Blocks(tensor, self._workspaces[0]).gram()

    def _together(self, work: Callable, workers: int, stop: Any) -> None:
        with _threads_restored(), torch.no_grad():
            if workers < 2:  # a hand-over costs more than a small tensor
                work(self._workspaces[0])
                return
            waiting = [self._pool.submit(work, w) for w in self._workspaces[:workers]]
            try:
                for future in waiting:
                    future.result()
            except KeyboardInterrupt:
                stop.set()
                for future in waiting:
                    future.result()
                raise

    def _tasks(self, tensors: Sequence[TensorPlan]) -> tuple[queue.SimpleQueue[Task], dict[str, int]]:
        """Tensors in spans of blocks, those that must be looked at first whole and at the front."""
        todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
        left: dict[str, int] = {}
        looks = {t.name: self._looks(t) for t in tensors}
        for tensor in sorted(tensors, key=lambda t: (not looks[t.name], -t.count)):
            blocks = max(1, len(Blocks(tensor, self._workspaces[0]).starts()))
            step = blocks if looks[tensor.name] else SPAN
            spans = [slice(first, first + step) for first in range(0, blocks, step)]
            left[tensor.name] = len(spans)
            for span in spans:
                todo.put((tensor, span))
        return todo, left

    def _looks(self, tensor: TensorPlan) -> bool:
        """Whether a tensor's inputs must be gone through before its first block."""
        if not all(isinstance(i, StoredTensor) for i in tensor.inputs):
            return True
        method, known = tensor.how, self.remembered.knows
        if isinstance(method, Combination):
            return method.needs_gram and not known(("gram", BLOCK), tensor.inputs, None)
        if method.look is None:
            return False
        used = restricted(tensor)
        step = Blocks(used, self._workspaces[0]).step
        return bool(used.inputs) and not known((method.look, step), used.inputs, used.values)


def expected_seconds(tensor: TensorPlan) -> float:
    """Rough time of one tensor with two workers, on the machine this was written on; see `Crew.pace`."""
    each = 0.1e-9 if isinstance(tensor.how, Combination) else 0.7e-9
    return tensor.count * len(tensor.inputs) * tensor.how.passes * each


def _fill(tensor: TensorPlan, span: slice, workspace: Workspace, flat: torch.Tensor) -> None:
    blocks = Blocks(tensor, workspace)
    blocks.target = flat
    block_at, _ = prepare(tensor, blocks)
    for start in blocks.starts()[span]:
        block, place = block_at(start), blocks.place(start)
        if block.data_ptr() != place.data_ptr():
            place.copy_(block)


class _Lasting(Workspace):
    """A worker's buffers that last; inputs are seen where they are mapped, and findings are remembered."""

    def __init__(self, mapped: Mapped, remembered: Remembered):
        super().__init__(Files())
        self._mapped, self._remembered = mapped, remembered
        self._others: list[_Lasting] = []

    def cancel_with(self, stop: Any) -> None:
        """Listen to another stop signal."""
        self._cancel = stop

    def another(self) -> Workspace:
        made = _Lasting(self._mapped, self._remembered)
        made.cancel_with(self._cancel)
        return made

    def stored(self, slot, stored, start: int, count: int) -> torch.Tensor:
        if self._cancel is not None and self._cancel.is_set():
            raise MergeStopped("The update was stopped. Update again to go on.")
        return self._mapped.flat(stored)[start : start + count]

    def recall(self, what, inputs: tuple, values, find):
        return self._remembered.recall(what, inputs, values, find)
