"""Workers that stay between updates, with their buffers, mapped parents and all that methods found before.

They compute into memory: for a change of a few tensors, starting anew would cost more than the change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbmerge.arguments import parse_count_argument
from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.input_files import Files
from nbmerge.engine.compute.pool import Sink, Task, execute
from nbmerge.engine.compute.tensor import restricted
from nbmerge.engine.compute.threads import Stop, parse_threads
from nbmerge.engine.compute.workspace import BLOCK, Emit, Workspace
from nbmerge.engine.live.cache import Remembered
from nbmerge.engine.live.mapped_files import Mapped
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeStopped
from nbmerge.methods import Combination
from nbmerge.progress import Listener

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

SPAN = 8
"""Blocks in a task: enough that handing it out costs nothing, few enough that workers end together."""


class LastingWorkers:
    """Computes tensors in memory.

    Parameters
    ----------
    threads : int, optional
        Number of workers; results do not depend on it.
    """

    def __init__(self, threads: int | None = None):
        self.mapped = Mapped()
        self.remembered = Remembered(self.mapped)
        self.threads = parse_threads(threads)
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="nbmerge")
        self.pace = 1.0
        """How much longer work took, the last time, than `expected_seconds`."""
        self.workspaces = [LastingWorkspace(self.mapped, self.remembered) for _ in range(self.threads)]

    def compute_into(
        self,
        tensors: Sequence[TensorPlan],
        target: Callable[[TensorPlan], torch.Tensor],
        *,
        progress: Listener | None = None,
        cancel: StopSignal | None = None,
        threads: int | None = None,
    ) -> None:
        """Compute tensors into their places, flat tensors of the output's dtype.

        Raises
        ------
        MergeStopped, MergeError
            As `run` does; NaN and infinity pass, so that they can be seen in the model.
        """
        workers = _Some(self, parse_count_argument("threads", threads, self.threads))
        execute(tensors, _into(target), workers, progress=progress, cancel=cancel, allow_nonfinite=True)

    def close(self) -> None:
        """End the workers, and let go of mapped files and of what was found in them. Nothing can be run after that."""
        self.pool.shutdown(wait=False)  # a listener may close what it listens to, in a worker
        self.workspaces = []
        self.remembered.close()
        self.mapped.close()

    def gram(self, tensor: TensorPlan) -> np.ndarray:
        """The Gram matrix of a tensor's inputs, from what is remembered or by going through them."""
        with torch.no_grad():
            return Blocks(tensor, self.workspaces[0]).gram()


class _Some:
    """So many of the workers that stay, for one run."""

    def __init__(self, workers: LastingWorkers, count: int):
        self._workers, self._count = workers, count
        self._expected = 0.0

    def divide(self, tensors: Sequence[TensorPlan]) -> list[Task]:
        """Tensors in spans of blocks, those that must be looked at first whole and at the front."""
        self._workers.mapped.refresh()
        self._expected = sum(map(expected_seconds, tensors))
        looks = {t.name: self._looks(t) for t in tensors}
        tasks: list[Task] = []
        for tensor in sorted(tensors, key=lambda t: (not looks[t.name], -t.count)):
            blocks = max(1, len(self._blocks(tensor).starts()))
            step = blocks if looks[tensor.name] else SPAN
            tasks += [(tensor, slice(first, first + step)) for first in range(0, blocks, step)]
        return tasks

    def work(self, do: Callable[[Callable[[], Workspace]], None], tasks: int, stop: Stop) -> None:
        """Let the workers work, in their own workspaces, and keep their pace."""
        began = time.perf_counter()
        spaces = self._workers.workspaces[: min(tasks, self._count)]
        for space in spaces:
            space.cancel = stop
        self._work(do, spaces or self._workers.workspaces[:1], stop)
        if self._expected > 1e-3 and not stop.is_set():
            self._workers.pace = (time.perf_counter() - began) / self._expected

    def _work(self, do: Callable[[Callable[[], Workspace]], None], spaces: Sequence[Workspace], stop: Stop) -> None:
        if len(spaces) < 2:  # a hand-over costs more than a small tensor
            do(lambda: spaces[0])
            return
        waiting = [self._workers.pool.submit(do, lambda space=space: space) for space in spaces]
        try:
            for future in waiting:
                future.result()
        except KeyboardInterrupt:
            stop.set()
            for future in waiting:
                future.result()
            raise

    def check_inputs(self) -> None:
        """Files that changed meanwhile are mapped anew by the next run."""

    def _blocks(self, tensor: TensorPlan) -> Blocks:
        return Blocks(tensor, self._workers.workspaces[0])

    def _looks(self, tensor: TensorPlan) -> bool:
        """Whether a tensor's inputs must be gone through before its first block."""
        if not all(isinstance(i, StoredTensor) for i in tensor.inputs):
            return True
        method, known = tensor.how, self._workers.remembered.knows
        if isinstance(method, Combination):
            return method.needs_gram and not known(("gram", BLOCK), tensor.inputs, None)
        if method.look is None:
            return False
        used = restricted(tensor)
        return bool(used.inputs) and not known((method.look, self._blocks(used).step), used.inputs, used.values)


class LastingWorkspace(Workspace):
    """A worker's buffers that last; inputs are seen where they are mapped, and findings are remembered."""

    def __init__(self, mapped: Mapped, remembered: Remembered):
        super().__init__(Files())
        self._mapped, self._remembered = mapped, remembered

    def another(self) -> Workspace:
        """Buffers for a merge inside a merge."""
        made = LastingWorkspace(self._mapped, self._remembered)
        made.cancel = self.cancel
        return made

    def stored(self, slot: int, stored: StoredTensor, start: int, count: int) -> torch.Tensor:
        """Elements of a tensor where they are mapped."""
        if self.cancel is not None and self.cancel.is_set():
            raise MergeStopped("The update was stopped. Update again to go on.")
        return self._mapped.flat(stored)[start : start + count]

    def recall(self, what: Hashable, inputs: tuple[Any, ...], values: Any, find: Callable[[Any], Any]) -> Any:
        """What was found before, or is found now."""
        return self._remembered.recall(what, inputs, values, find)


def _into(target: Callable[[TensorPlan], torch.Tensor]) -> Sink:
    """Blocks go to their places in memory; most are computed there."""

    def begin(tensor: TensorPlan, blocks: Blocks) -> Emit:
        blocks.target = target(tensor)

        def put(start: int, block: torch.Tensor) -> None:
            place = blocks.target[start : start + block.numel()]
            if block.data_ptr() != place.data_ptr():
                place.copy_(block)

        return put

    return begin


def expected_seconds(tensor: TensorPlan) -> float:
    """Rough time of one tensor with two workers, on the machine this was written on; see `LastingWorkers.pace`."""
    each = 0.1e-9 if isinstance(tensor.how, Combination) else 0.7e-9
    return tensor.count * len(tensor.inputs) * tensor.how.passes * each
