"""A task for a worker on any machine: a group of tensors, and what the worker returns."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbmerge.engine.compute.arithmetic import arithmetic, describe
from nbmerge.engine.compute.device import find_device
from nbmerge.engine.compute.pool import run
from nbmerge.engine.output.direct_io import PAGE
from nbmerge.engine.output.lease import Lease
from nbmerge.engine.output.shard_part import ShardPart
from nbmerge.engine.output.shards import Extent, ShardWriter
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError, NbmergeError
from nbmerge.methods import methods

State = tuple[int, int]
"""Size and modification time (ns) of a file: what all machines agree on."""


@dataclass(frozen=True)
class Group:
    """The tensors of one task; plain data, a few kilobytes when pickled.

    Parameters
    ----------
    tensors : tuple of TensorPlan
    extents : mapping of str to Extent
    known : mapping of str to str
        Checksums of tensors that an earlier run finished: they are checked, and computed only where they do not match.
    inputs : mapping of Path to (int, int)
        State of the input files on the coordinator.
    lease : Lease
    threads : int
    allow_nonfinite : bool
    device : str, optional
    versions : mapping of str to str
        Versions and instruction sets, which must be equal for equal bytes.
    """

    tensors: tuple[TensorPlan, ...]
    extents: Mapping[str, Extent]
    known: Mapping[str, str]
    inputs: Mapping[Path, State]
    lease: Lease
    threads: int
    allow_nonfinite: bool
    device: str | None
    versions: Mapping[str, str]

    @property
    def nbytes(self) -> int:
        """Bytes of the result."""
        return sum(t.nbytes for t in self.tensors)

    def __str__(self) -> str:
        first, more = self.tensors[0].name, len(self.tensors) - 1
        return first + (f" and {more} more" if more else "")


@dataclass
class GroupResult:
    """What a worker returns.

    Parameters
    ----------
    checksums : dict of str to str
        Checksums of the tensors that are now on disk.
    notes : Counter
    error : NbmergeError, optional
        An error that trying again would not fix.
    """

    checksums: dict[str, str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    error: NbmergeError | None = None


def divide_into_groups(
    tensors: Sequence[TensorPlan],
    writer: ShardWriter,
    most: int,
    lease: Lease,
    known: Mapping[str, str],
    **options: Any,
) -> Iterator[Group]:
    """Divide tensors, neighbours together, into groups of about `most` bytes.

    Neither a tensor nor a page of a file is divided between two groups.
    """
    states = {file: _state(file) for file in _files(tensors)}
    for some in _divide(tensors, writer.extents(tensors), most):
        lean = tuple(replace(t, decided={}) for t in some)
        noted = {t.name: known[t.name] for t in some if t.name in known}
        yield Group(
            lean, writer.extents(some), noted, {f: states[f] for f in _files(some)}, lease,
            versions=arithmetic(some), **options
        )  # fmt: skip


def compute_group(group: Group) -> GroupResult:
    """Compute and write the tensors of a group; runs in the worker.

    Doing it twice writes the same bytes to the same positions, so a group may be tried again at any time, anywhere.

    Raises
    ------
    MergeError
        When a disk or network failed, which may work the next time. Other errors are part of the result.
    """
    result = GroupResult()
    try:
        _check(group)
        device = find_device(group.device)
        with closing(ShardPart(group.lease.folder, group.extents)) as part:
            left = [t for t in group.tensors if not (t.name in group.known and part.holds(t, group.known[t.name]))]
            try:
                result.notes = run(
                    left, lambda tensor, _: part.emit(tensor),
                    cancel=group.lease, threads=group.threads, allow_nonfinite=group.allow_nonfinite,
                    device=device,
                )  # fmt: skip
            finally:
                part.finish()  # what is reported is on disk, even if this machine fails now
                result.checksums = part.checksums
    except NbmergeError as error:
        if isinstance(error.__cause__, OSError):
            raise
        result.error = error
    return result


def _check(group: Group) -> None:
    """Refuse to work with other software, inputs or output than the coordinator."""
    here, folder = f"the worker on {socket.gethostname()} (process {os.getpid()})", group.lease.folder
    if missing := {t.method for t in group.tensors} - methods().keys():
        raise MergeError(
            f"{here} does not have the merge method {min(missing)!r}. Install the package that provides it there."
        )
    if group.versions != (own := arithmetic(group.tensors)):
        raise MergeError(
            f"{here} has {describe(own)}, and the coordinator has {describe(group.versions)}. Install the same versions; "
            "where processors differ, set ATEN_CPU_CAPABILITY (and MKL_CBWR) to the same value on all machines."
        )
    for file, state in group.inputs.items():
        try:
            seen = _state(file)
        except MergeError:
            raise MergeError(
                f"{here} cannot find {file}. All workers must see the inputs under the same paths."
            ) from None
        if seen != state:
            what = (
                f"{seen[0]:,} bytes, modified at {seen[1]} ns, instead of {state[0]:,} bytes, modified at {state[1]} ns"
            )
            raise MergeError(f"{here} sees a different {file}: {what}. All workers must see the same files.")
    if not group.lease.held():
        raise MergeError(
            f"{here} does not see the coordinator's lease in {folder}: either the folder is not shared, or another merge into it has "
            "started. Choose an output folder on a filesystem that all workers share."
        )


def _files(tensors: Iterable[TensorPlan]) -> set[Path]:
    return {leaf.file for tensor in tensors for leaf in tensor.leaves()}


def _state(file: Path) -> State:
    try:
        status = file.stat()
    except OSError as error:
        raise MergeError(
            f"the input {file} cannot be read: {error.strerror or error}. Restore it and run the merge again."
        ) from error
    return status.st_size, status.st_mtime_ns


def _divide(tensors: Sequence[TensorPlan], extents: Mapping[str, Extent], most: int) -> Iterator[list[TensorPlan]]:
    """Divide at page boundaries of the files.

    Network filesystems transfer whole pages: of two machines that write into one page, the later may undo what the other wrote.
    """
    some: list[TensorPlan] = []
    size, file = 0, None
    for tensor in tensors:
        extent = extents[tensor.name]
        if some and size >= most and (extent.file != file or extent.offset % PAGE == 0):
            yield some
            some, size = [], 0
        some.append(tensor)
        size, file = size + tensor.nbytes, extent.file
    if some:
        yield some
