"""Run a plan on other processes and machines that share a filesystem: groups of tensors go out, checksums come back.

The lead lays out the files, keeps the journal and writes no weight. Workers write their tensors into place, sync them,
and report checksums; only then a tensor counts as finished. So a worker may die at any instant, and a merge that was
stopped goes on later, here or there. Bytes are those of a local run.
"""

from __future__ import annotations

import queue
import sys
import threading
from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError as Cancelled
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from typing import Any

from nbmerge.arguments import parse_count_argument
from nbmerge.engine.cluster.task import Group, Made, groups, make
from nbmerge.engine.compute.download import fetch
from nbmerge.engine.output.lease import Lease
from nbmerge.engine.output.shards import ShardWriter
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError, MergeStopped, NbmergeError
from nbmerge.progress import Listener, Reporter

GROUP = 128 << 20
"""Bytes of the result in one task, about; more where tensors are larger."""
GROUPS_EACH = 8
"""Tasks for each worker at least, where there are tensors enough: the last ones then end at about the same time."""
TRIES = 3
"""How often a group is tried that fails by its disk or network."""
POLL = 0.1
"""Seconds between two looks at the stop signal."""


def run_on(
    executor: Any,
    tensors: Sequence[TensorPlan],
    writer: ShardWriter,
    done: Callable[[str, str], None],
    *,
    known: Mapping[str, str] | None = None,
    progress: Listener | None = None,
    cancel: threading.Event | None = None,
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
        Told the name and checksum of each tensor that lies in its place, synced.
    known : mapping of str to str, optional
        Checksums of tensors that may be there already; the workers look.
    progress, cancel, allow_nonfinite
        As in `run`.
    threads : int, optional
        Threads of each task; default 1, because a worker may run several tasks at a time.
    device : str, optional
        Of each worker, where blocks are mixed.

    Raises
    ------
    MergeStopped
        When `cancel` was set. Workers at work end within a block or half a second, unwatched.
    MergeError
        As in `run`; or when a worker has other inputs or programs, or workers die again and again.
    """
    submit, give_up, workers = _seam(executor)
    fetch(tensors, progress, cancel)
    most = min(GROUP, max(1, sum(t.nbytes for t in tensors) // (GROUPS_EACH * workers)))
    how = {"threads": parse_count_argument("threads", threads, 1), "allow_nonfinite": allow_nonfinite, "device": device}
    sizes, notes = {t.name: t.nbytes for t in tensors}, Counter()
    writer.sync()  # nothing of ours may reach the files after what the workers write
    with _reported(progress, tensors) as report, Lease.granted(writer.folder) as lease:
        work = sorted(groups(tensors, writer, most, lease, known or {}, **how), key=lambda g: -g.nbytes)
        for made in _answers(work, submit, give_up, cancel):
            for name, checksum in made.checksums.items():
                writer.checksums[name] = checksum
                done(name, checksum)
                report.tell("tensor", name, sizes[name])
            if isinstance(made.error, MergeStopped):
                raise MergeError(
                    f"{writer.folder} is being built by another process now. Wait for it, then look there."
                )
            if made.error is not None:
                raise made.error
            notes += made.notes
    return notes


def _answers(work: Iterable[Group], submit, give_up, cancel: threading.Event | None) -> Iterator[Made]:
    """What workers answer, as it comes; groups that a disk or network failed are tried again."""
    ended: queue.SimpleQueue = queue.SimpleQueue()
    waiting: dict[Any, Group] = {}
    tries: Counter[str] = Counter()

    def send(group: Group) -> None:
        tries[str(group)] += 1
        future = submit(make, group)
        waiting[future] = group
        future.add_done_callback(lambda f: ended.put((f, *_outcome(f))))

    try:
        for group in work:
            send(group)
        while waiting:
            if cancel is not None and cancel.is_set():
                raise MergeStopped("The merge was stopped. Run it again to go on from here.")
            try:
                future, made, error = ended.get(timeout=POLL)
            except queue.Empty:
                continue
            group = waiting.pop(future)
            if error is None:
                yield made
            elif not isinstance(error, NbmergeError):
                raise MergeError(_died(group, error)) from error
            elif tries[str(group)] == TRIES:
                raise error
            else:
                send(group)
    finally:
        give_up(list(waiting))


def _outcome(future: Any) -> tuple[Made | None, BaseException | None]:
    """A finished task's answer. Fetching it can take long, when its worker has died meanwhile, so that nobody waits here."""
    try:
        return future.result(), None
    except BaseException as error:
        return None, error


def _died(group: Group, error: BaseException) -> str:
    if isinstance(error, Cancelled | CancelledError):
        return "the cluster dropped the merge's tasks; is its scheduler still there? What is finished is kept."
    how = "Look at the workers' logs and memory; what is finished is kept, and the next run goes on from it."
    if isinstance(error, ImportError | AttributeError):
        how = "Every worker needs the same nbmerge as here, with the packages that bring its merge methods."
    return f"no worker could make {group}: {type(error).__name__}: {error}. {how}"


@contextmanager
def _reported(progress: Listener | None, tensors: Sequence[TensorPlan]) -> Iterator[Reporter]:
    """Tell how it begins and ends."""
    report = Reporter(progress, len(tensors), sum(t.nbytes for t in tensors))
    report.tell("planned")
    try:
        yield report
    except BaseException as error:
        report.tell("stopped" if isinstance(error, MergeStopped | KeyboardInterrupt) else "failed", error=str(error))
        raise
    report.tell("finished")


def _seam(executor: Any) -> tuple[Callable, Callable[[list], Any], int]:
    """How to submit and to give up tasks, and how many run at a time: all that is asked of whatever runs them.

    Raises
    ------
    TypeError
        For anything but a Dask client or an executor.
    """
    if isinstance(executor, Executor):
        return executor.submit, lambda futures: [f.cancel() for f in futures], getattr(executor, "_max_workers", 1)
    distributed = sys.modules.get("distributed")
    if distributed is None or not isinstance(executor, distributed.Client):
        raise TypeError(f"executor is a dask.distributed.Client or concurrent.futures.Executor, not {executor!r:.200}.")
    if executor.asynchronous:
        raise TypeError("executor is an asynchronous Client. Make one without asynchronous=True.")
    submit = partial(executor.submit, pure=False)  # never the answer of an earlier try
    return submit, executor.cancel, max(1, sum(executor.nthreads().values()))


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the Dask scheduler at an address.

    Raises
    ------
    MergeError
        When Dask is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MergeError('Dask is not installed here: pip install "nbmerge[dask]"') from None
    try:
        client = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise MergeError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client
