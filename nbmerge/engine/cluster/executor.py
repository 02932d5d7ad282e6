"""Run a plan on other processes and machines that share a filesystem: groups of tensors go out, checksums come back.

The coordinator lays out the files and keeps the journal; it writes no weights. Workers write and flush their tensors and
report checksums; only then a tensor counts as finished. So a worker may die at any time, and a merge that was stopped can be
resumed here or elsewhere. The bytes are those of a local run.
"""

from __future__ import annotations

import queue
import sys
from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError as Cancelled
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from nbmerge.arguments import parse_count_argument
from nbmerge.engine.cluster.task import Group, GroupResult, compute_group, divide_into_groups
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.output.lease import Lease
from nbmerge.engine.output.shards import ShardWriter
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import RESUME, MergeError, MergeStopped, NbmergeError
from nbmerge.progress import Listener, Reporter

if TYPE_CHECKING:
    from nbmerge.typing import StopSignal

GROUP = 128 << 20
"""Approximate bytes of the result in one task; more where tensors are larger."""
GROUPS_EACH = 8
"""Minimum number of tasks for each worker, if there are enough tensors: the workers then finish at about the same time."""
TRIES = 3
"""How often a group is tried when a disk or network fails."""
Submit = Callable[[Callable[[Group], GroupResult], Group], Any]
CancelAll = Callable[[list[Any]], Any]

POLL = 0.1
"""Seconds between two checks of the stop signal."""


def run_on(
    executor: Any,
    tensors: Sequence[TensorPlan],
    writer: ShardWriter,
    done: Callable[[str, str], None],
    *,
    known: Mapping[str, str] | None = None,
    progress: Listener | None = None,
    cancel: StopSignal | None = None,
    threads: int | None = None,
    allow_nonfinite: bool = False,
    device: str | None = None,
) -> Counter[str]:
    """Compute tensors on an executor's workers, into files that a writer has laid out.

    Parameters
    ----------
    executor : dask.distributed.Client or concurrent.futures.Executor
    tensors : sequence of TensorPlan
    writer : ShardWriter
    done : callable
        Called with the name and checksum of each tensor that is on disk.
    known : mapping of str to str, optional
        Checksums of tensors that may be finished; the workers check.
    progress, cancel, allow_nonfinite
        As in `run`.
    threads : int, optional
        Threads of each task; default 1, because a worker may run several tasks at a time.
    device : str, optional
        The device that each worker computes on.

    Raises
    ------
    MergeStopped
        When `cancel` was set. Running workers end within a block or half a second, by themselves.
    MergeError
        As in `run`; or when a worker has other inputs or software, or workers die repeatedly.
    """
    submit, cancel_all, workers = _interface_of(executor)
    fetch(tensors, progress, cancel)
    most = min(GROUP, max(1, sum(t.nbytes for t in tensors) // (GROUPS_EACH * workers)))
    options = {
        "threads": parse_count_argument("threads", threads, 1),
        "allow_nonfinite": allow_nonfinite,
        "device": device,
    }
    sizes = {t.name: t.nbytes for t in tensors}
    notes: Counter[str] = Counter()
    writer.sync()  # nothing of this process may reach the files after what the workers write
    with _reported(progress, tensors) as report, Lease.granted(writer.folder) as lease:
        work = sorted(divide_into_groups(tensors, writer, most, lease, known or {}, **options), key=lambda g: -g.nbytes)
        for result in _results(work, submit, cancel_all, cancel):
            for name, checksum in result.checksums.items():
                writer.checksums[name] = checksum
                done(name, checksum)
                report.tell("tensor", name, sizes[name])
            if isinstance(result.error, MergeStopped):
                raise MergeError(f"another merge is now writing to {writer.folder}. Wait for it to finish.")
            if result.error is not None:
                raise result.error
            notes += result.notes
    return notes


def _results(
    work: Iterable[Group], submit: Submit, cancel_all: CancelAll, cancel: StopSignal | None
) -> Iterator[GroupResult]:
    """Yield what workers return, as it arrives; groups that failed by a disk or network are tried again."""
    ended: queue.SimpleQueue[tuple[Any, GroupResult | None, BaseException | None]] = queue.SimpleQueue()
    waiting: dict[Any, Group] = {}
    tries: Counter[str] = Counter()

    def send(group: Group) -> None:
        tries[str(group)] += 1
        future = submit(compute_group, group)
        waiting[future] = group
        future.add_done_callback(lambda f: ended.put((f, *_outcome(f))))

    try:
        for group in work:
            send(group)
        while waiting:
            if cancel is not None and cancel.is_set():
                raise MergeStopped("The merge was stopped. Run again to resume.")
            try:
                future, result, error = ended.get(timeout=POLL)
            except queue.Empty:
                continue
            group = waiting.pop(future)
            if result is not None:
                yield result
            elif not isinstance(error, NbmergeError):
                raise MergeError(_failure(group, error)) from error
            elif tries[str(group)] == TRIES:
                raise error
            else:
                send(group)
    finally:
        cancel_all(list(waiting))


def _outcome(future: Any) -> tuple[GroupResult | None, BaseException | None]:
    """The result or error of a finished task. Fetching it can take long when its worker has died."""
    try:
        return future.result(), None
    except BaseException as error:
        return None, error


def _failure(group: Group, error: BaseException | None) -> str:
    if isinstance(error, Cancelled | CancelledError):
        return f"the cluster dropped the tasks of this merge. Check that its scheduler is running. {RESUME}"
    how = f"Check the logs and the memory of the workers. {RESUME}"
    if isinstance(error, ImportError | AttributeError):
        how = "Install the same version of nbmerge on every worker, and the packages that provide its merge methods."
    return f"no worker could compute {group}: {type(error).__name__}: {error}. {how}"


@contextmanager
def _reported(progress: Listener | None, tensors: Sequence[TensorPlan]) -> Iterator[Reporter]:
    """Report the start and the end."""
    report = Reporter(progress, len(tensors), sum(t.nbytes for t in tensors))
    report.tell("planned")
    try:
        yield report
    except BaseException as error:
        report.tell("stopped" if isinstance(error, MergeStopped | KeyboardInterrupt) else "failed", error=str(error))
        raise
    report.tell("finished")


def _interface_of(executor: Any) -> tuple[Submit, CancelAll, int]:
    """How to submit and cancel tasks on an executor, and how many run at a time.

    Raises
    ------
    TypeError
        For anything but a Dask client or an executor.
    """
    if isinstance(executor, Executor):
        return executor.submit, lambda futures: [f.cancel() for f in futures], getattr(executor, "_max_workers", 1)
    distributed = sys.modules.get("distributed")
    if distributed is None or not isinstance(executor, distributed.Client):
        raise TypeError(
            f"executor must be a dask.distributed.Client or concurrent.futures.Executor, not {executor!r:.200}."
        )
    if executor.asynchronous:
        raise TypeError("executor is an asynchronous Client. Create one without asynchronous=True.")
    submit = partial(executor.submit, pure=False)  # never the cached result of an earlier try
    return submit, executor.cancel, max(1, sum(executor.nthreads().values()))


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to the Dask scheduler at an address.

    Raises
    ------
    MergeError
        When Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MergeError('Dask is not installed: pip install "nbmerge[dask]"') from None
    try:
        client = Client(address, timeout=10, set_as_default=False)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError, ImportError) as error:
        raise MergeError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client
