"""Workers that persist between updates, with their buffers, the mapped parents and a cache of what methods found.

They compute into memory. For a change of a few tensors, starting new workers would take longer than the change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nbmerge.arguments import parse_count_argument
from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.compute.blocks import Blocks
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.loop_loading import load_loops
from nbmerge.engine.compute.pool import Sink, Task, execute
from nbmerge.engine.compute.tensor import without_unused_inputs
from nbmerge.engine.compute.threads import Stop, parse_threads
from nbmerge.engine.compute.workspace import BLOCK, Emit, Workspace
from nbmerge.engine.live.cache import FindingCache
from nbmerge.engine.live.mapped_files import MappedFiles
from nbmerge.engine.live.versions import follow
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeStopped
from nbmerge.methods import Combination
from nbmerge.progress import Listener

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

UPDATES = 10
"""How often tensors are expected to be computed again, for the choice of compiled loops."""
SPAN = 8
"""Blocks in a task: enough that the overhead of a task does not count, few enough that all workers end at about the same time."""


class PersistentWorkers:
    """Computes tensors in memory.

    Parameters
    ----------
    threads : int, optional
        Number of workers; results do not depend on it.
    """

    def __init__(self, threads: int | None = None):
        self.mapped = MappedFiles()
        self.findings = FindingCache(self.mapped)
        self.threads = parse_threads(threads)
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="nbmerge")
        self.pace = 1.0
        """Time of the last run as a multiple of `estimate_update_seconds`."""
        self.workspaces = [PersistentWorkspace(self.mapped, self.findings, self.threads) for _ in range(self.threads)]

    def compute_into(
        self,
        tensors: Sequence[TensorPlan],
        target: Callable[[TensorPlan], torch.Tensor],
        *,
        versions: Mapping[str, Sequence[TensorPlan]] | None = None,
        progress: Listener | None = None,
        cancel: StopSignal | None = None,
        threads: int | None = None,
    ) -> None:
        """Compute tensors into memory: `target` returns a flat tensor of the output's dtype for each of them.

        `versions` are other merges of some tensors, by their names, which are computed in the same pass.

        Raises
        ------
        MergeStopped, MergeError
            As in `run`. NaN and infinity are not errors: they become visible in the model.
        """
        others = versions or {}
        load_loops([*tensors, *(t for own in others.values() for t in own)], times=UPDATES)
        workers = _WorkersOfOneRun(self, parse_count_argument("threads", threads, self.threads))
        execute(tensors, _into(target, others), workers, progress=progress, cancel=cancel, allow_nonfinite=True)

    def close(self) -> None:
        """End the workers, and release the mapped files and the findings. Nothing can be run after that."""
        self.pool.shutdown(wait=False)  # a listener may close the merge that it listens to, from a worker
        self.workspaces = []
        self.findings.close()
        self.mapped.close()

    def gram(self, tensor: TensorPlan) -> np.ndarray:
        """The Gram matrix of a tensor's inputs, from the cache or else computed."""
        with torch.no_grad():
            return Blocks(tensor, self.workspaces[0]).gram()


class _WorkersOfOneRun:
    """The number of persistent workers that one run uses."""

    def __init__(self, workers: PersistentWorkers, count: int):
        self._workers, self._count = workers, count
        self._expected = 0.0

    def divide(self, tensors: Sequence[TensorPlan]) -> list[Task]:
        """Divide tensors into spans of blocks; those whose inputs must be scanned first stay whole and come first."""
        self._workers.mapped.refresh()
        self._expected = sum(map(estimate_update_seconds, tensors))
        scanned = {t.name: self._needs_scan(t) for t in tensors}
        tasks: list[Task] = []
        for tensor in sorted(tensors, key=lambda t: (not scanned[t.name], -t.count)):
            blocks = max(1, len(self._blocks(tensor).starts()))
            step = blocks if scanned[tensor.name] else SPAN
            tasks += [(tensor, slice(first, first + step)) for first in range(0, blocks, step)]
        return tasks

    def work(self, do: Callable[[Callable[[], Workspace]], None], tasks: int, stop: Stop) -> None:
        """Run the workers in their own workspaces, and measure their pace."""
        began = time.perf_counter()
        spaces = self._workers.workspaces[: min(tasks, self._count)]
        for space in spaces:
            space.cancel = stop
        self._work(do, spaces or self._workers.workspaces[:1], stop)
        if self._expected > 1e-3 and not stop.is_set():
            self._workers.pace = (time.perf_counter() - began) / self._expected

    def _work(self, do: Callable[[Callable[[], Workspace]], None], spaces: Sequence[Workspace], stop: Stop) -> None:
        if len(spaces) < 2:  # another thread costs more than a small tensor
            do(_factory(spaces[0]))
            return
        waiting = [self._workers.pool.submit(do, _factory(space)) for space in spaces]
        try:
            for future in waiting:
                future.result()
        except KeyboardInterrupt:
            stop.set()
            for future in waiting:
                future.result()
            raise

    def check_inputs(self) -> None:
        """Do nothing: the next run maps files again that changed in the meantime."""

    def _blocks(self, tensor: TensorPlan) -> Blocks:
        return Blocks(tensor, self._workers.workspaces[0])

    def _needs_scan(self, tensor: TensorPlan) -> bool:
        """Whether a tensor's inputs must be scanned before its first block."""
        if not all(isinstance(i, StoredTensor) for i in tensor.inputs):
            return True
        method, known = tensor.how, self._workers.findings.contains
        if isinstance(method, Combination):
            return method.needs_gram and not known(("gram", BLOCK), tensor.inputs, None)
        if method.look is None:
            return False
        used = without_unused_inputs(tensor)
        return bool(used.inputs) and not known((method.look, self._blocks(used).step), used.inputs, used.values)


class PersistentWorkspace(Workspace):
    """Buffers of a persistent worker; inputs are read from mapped files, and findings are cached."""

    def __init__(self, mapped: MappedFiles, findings: FindingCache, threads: int):
        super().__init__(InputFiles(), threads=threads)
        self._mapped, self._findings = mapped, findings

    def nested(self) -> Workspace:
        """Buffers for a merge inside a merge."""
        nested = PersistentWorkspace(self._mapped, self._findings, self.threads)
        nested.cancel = self.cancel
        return nested

    def stored(self, slot: int, stored: StoredTensor, start: int, count: int) -> torch.Tensor:
        """Elements of a tensor in its mapped file."""
        if self.cancel is not None and self.cancel.is_set():
            raise MergeStopped("The update was stopped. Update again to complete it.")
        return self._mapped.flat(stored)[start : start + count]

    def recall(self, what: Hashable, inputs: tuple[Any, ...], values: Any, find: Callable[[Any], Any]) -> Any:
        """The finding from the cache, or else from ``find(values)``."""
        return self._findings.recall(what, inputs, values, find)


def _factory(workspace: Workspace) -> Callable[[], Workspace]:
    return lambda: workspace


def _into(target: Callable[[TensorPlan], torch.Tensor], versions: Mapping[str, Sequence[TensorPlan]]) -> Sink:
    """A sink that puts blocks in their places in memory; most are computed there already. Blocks of other versions follow."""

    def begin(tensor: TensorPlan, blocks: Blocks) -> Emit:
        blocks.target = whole = target(tensor)
        others = versions.get(tensor.name, ())
        following = follow(blocks, others, [target(t) for t in others]) if others else []

        def put(start: int, block: torch.Tensor) -> None:
            place = whole[start : start + block.numel()]
            if block.data_ptr() != place.data_ptr():
                place.copy_(block)
            for compute in following:
                compute(start)

        return put

    return begin


def estimate_update_seconds(tensor: TensorPlan) -> float:
    """Rough time of one tensor on the machine where this was measured; see `PersistentWorkers.pace`."""
    each = 0.1e-9 if isinstance(tensor.how, Combination) else 0.7e-9
    return tensor.count * len(tensor.inputs) * tensor.how.passes * each
