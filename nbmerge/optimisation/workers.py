"""Where trials are scored: in this process, or on the workers of an executor or a Dask cluster."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from nbmerge.errors import MergeError, NbmergeError
from nbmerge.optimisation.objective import Objective, Outcome, Request
from nbmerge.optimisation.trials import Trial

if TYPE_CHECKING:
    from types import TracebackType

    from nbmerge.typing import StopSignal


class Workers:
    """Scores trials.

    Parameters
    ----------
    objective : Objective
    executor : dask.distributed.Client, concurrent.futures.Executor or None
        None for this process.
    most : int
        Trials that are scored at the same time on an executor.
    cancel : StopSignal, optional
    """

    def __init__(self, objective: Objective, executor: Any, most: int, cancel: StopSignal | None):
        self._objective, self._cancel = objective, cancel
        self._submit = find_submit(executor)
        self._most = most if executor is not None else 1
        self._waiting: dict[int, tuple[Trial, Request, Any]] = {}
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for _, _, future in self._waiting.values():
            if future is not None:
                with suppress(Exception):  # the scheduler may be gone
                    future.cancel()
        _release_here(self._objective)

    @property
    def is_free(self) -> bool:
        """Whether it can take one more trial."""
        return len(self._waiting) < self._most

    @property
    def is_busy(self) -> bool:
        """Whether a trial has not been collected yet."""
        return bool(self._waiting)

    def submit(self, trial: Trial, request: Request) -> None:
        """Have a trial scored."""
        future = None
        if self._submit is not None:
            future = self._submit(_score_here, self._objective.described(), request)
            number = trial.number
            future.add_done_callback(lambda _: self._ended.put(number))
        self._waiting[trial.number] = trial, request, future

    def collect(self, timeout: float) -> Iterator[tuple[Trial, Outcome]]:
        """Trials that have been scored; it scores those of this process, and waits for others.

        Raises
        ------
        MergeStopped, TooLargeError
            As `Objective.evaluate`.
        MergeError
            When a worker died, or cannot load what the scores need.
        """
        if self._submit is None:
            if not self._waiting:
                time.sleep(timeout)
            for number, (trial, request, _) in list(self._waiting.items()):
                outcome = self._objective.evaluate(request, self._cancel)
                del self._waiting[number]
                yield trial, outcome
            return
        with suppress(queue.Empty):
            number = self._ended.get(timeout=timeout)
            trial, _, future = self._waiting.pop(number)
            yield trial, _result_of(future)


def _result_of(future: Any) -> Outcome:
    try:
        return future.result()
    except NbmergeError:
        raise
    except Exception as error:
        raise MergeError(
            f"A worker could not score a trial: {type(error).__name__}: {error}. Check its logs and memory, and that it can import "
            "what the scores need. Run again with the same storage to continue."
        ) from error


def find_submit(executor: Any) -> Any:
    """The function that submits work to an executor; None without one.

    Raises
    ------
    TypeError
        When it is neither a Dask client nor an executor of Python.
    """
    if executor is None:
        return None
    if isinstance(executor, Executor):
        return executor.submit
    if not hasattr(executor, "nthreads") or getattr(executor, "asynchronous", False):
        raise TypeError(
            f"executor must be a dask.distributed.Client or concurrent.futures.Executor, not {executor!r:.200}."
        )
    return partial(executor.submit, pure=False)  # never the cached result of an earlier search


_here: dict[str, tuple[Any, Objective]] = {}
_busy = threading.Lock()


def _score_here(described: Any, request: Request) -> Outcome:
    """Score a request in a worker, whose live merge is kept for the next one of the same search."""
    with _busy:
        key, arguments = described
        if key not in _here:
            for _, objective in _here.values():
                objective.close()
            _here.clear()
            _here[key] = arguments, Objective(*arguments)
        return _here[key][1].evaluate(request)


def _release_here(objective: Objective) -> None:
    """Release the live merge that threads of this process have made for an objective, unless one of them still uses it."""
    key, _ = objective.described()
    if key in _here and _busy.acquire(timeout=0):
        try:
            _, known = _here.pop(key)
            known.close()
        finally:
            _busy.release()
