"""Some tensors of a plan as one task: what a worker on any machine is sent, does, and answers."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from nbmerge.engine.compute.arithmetic import arithmetic, describe
from nbmerge.engine.compute.device import found
from nbmerge.engine.compute.pool import run
from nbmerge.engine.output.direct_io import PAGE
from nbmerge.engine.output.lease import Lease
from nbmerge.engine.output.shard_part import ShardPart
from nbmerge.engine.output.shards import Place, ShardWriter
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import MergeError, NbmergeError
from nbmerge.methods import methods

State = tuple[int, int]
"""Size and time of the last change (ns) of a file."""


@dataclass(frozen=True)
class Group:
    """What one task makes; plain data, a few kilobytes when pickled.

    Parameters
    ----------
    tensors : tuple of TensorPlan
    places : mapping of str to Place
    known : mapping of str to str
        Checksums of tensors that an earlier run has noted as finished: looked at, and only made where they are not there.
    inputs : mapping of Path to (int, int)
        State of the files that are read, as the lead sees them.
    lease : Lease
    threads : int
    allow_nonfinite : bool
    device : str, optional
    versions : mapping of str to str
        What computes the same bytes everywhere only where it is the same.
    """

    tensors: tuple[TensorPlan, ...]
    places: Mapping[str, Place]
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
class Made:
    """A worker's answer.

    Parameters
    ----------
    checksums : dict of str to str
        Of the tensors that lie in their places now, synced to the disk.
    notes : Counter
    error : NbmergeError, optional
        What trying again would not change.
    """

    checksums: dict[str, str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    error: NbmergeError | None = None


def groups(
    tensors: Sequence[TensorPlan], writer: ShardWriter, most: int, lease: Lease, known: Mapping[str, str], **how
) -> Iterator[Group]:
    """Divide tensors, neighbours together, into groups of about `most` bytes.

    A tensor is never divided, and neither is a page of a file between two groups.
    """
    versions, states = arithmetic(), {file: _state(file) for file in _files(tensors)}
    for some in _divide(tensors, writer.places(tensors), most):
        lean = tuple(replace(t, decided={}) for t in some)
        noted = {t.name: known[t.name] for t in some if t.name in known}
        yield Group(
            lean, writer.places(some), noted, {f: states[f] for f in _files(some)}, lease, versions=versions, **how
        )  # fmt: skip


def make(group: Group) -> Made:
    """Make a group's tensors in their places; runs in the worker.

    Doing it twice writes the same bytes to the same places, so a group may be tried again at any time, anywhere.

    Raises
    ------
    MergeError
        When a disk or network failed, which may be better the next time. Other errors are part of the answer.
    """
    made = Made()
    try:
        _check(group)
        device = found(group.device)
        with closing(ShardPart(group.lease.folder, group.places)) as part:
            left = [t for t in group.tensors if not (t.name in group.known and part.holds(t, group.known[t.name]))]
            try:
                made.notes = run(
                    left, lambda tensor, _: part.emit(tensor),
                    cancel=group.lease, threads=group.threads, allow_nonfinite=group.allow_nonfinite,
                    device=device,
                )  # fmt: skip
            finally:
                part.finish()  # what is reported is on the disk, whatever becomes of this machine
                made.checksums = part.checksums
    except NbmergeError as error:
        if isinstance(error.__cause__, OSError):
            raise
        made.error = error
    return made


def _check(group: Group) -> None:
    """Be sure that this worker has the lead's program, inputs and output."""
    here, folder = f"the worker on {socket.gethostname()} (process {os.getpid()})", group.lease.folder
    if group.versions != arithmetic():
        raise MergeError(
            f"{here} has {describe(arithmetic())}, and the process that leads this merge {describe(group.versions)}. "
            "Install the same versions; where processors differ, set ATEN_CPU_CAPABILITY (and MKL_CBWR) to the same everywhere."
        )
    if lacking := {t.method for t in group.tensors} - methods().keys():
        raise MergeError(f"{here} knows no method {min(lacking)!r}. Install there the package that brings it.")
    for file, state in group.inputs.items():
        try:
            found = _state(file)
        except MergeError:
            raise MergeError(f"{here} sees no {file}. All workers must see the inputs under the same paths.") from None
        if found != state:
            what = f"{found[0]:,} bytes changed at {found[1]}, not {state[0]:,} at {state[1]} ns"
            raise MergeError(f"{here} sees another {file}: {what}. All workers must see the same files.")
    if not group.lease.held():
        raise MergeError(
            f"{here} does not see {folder}, where the result is built, as the process that leads this merge does; or another "
            "process leads it now. Choose an output on a filesystem that all workers share."
        )


def _files(tensors: Iterable[TensorPlan]) -> set[Path]:
    return {leaf.file for tensor in tensors for leaf in tensor.leaves()}


def _state(file: Path) -> State:
    try:
        found = file.stat()
    except OSError as error:
        raise MergeError(f"the input {file} is gone: {error.strerror or error}. Put it back and go on.") from error
    return found.st_size, found.st_mtime_ns


def _divide(tensors: Sequence[TensorPlan], places: Mapping[str, Place], most: int) -> Iterator[list[TensorPlan]]:
    """Cut where the files allow it.

    Network filesystems move whole pages: of two machines that write into one page, the later may undo what the other wrote.
    """
    some: list[TensorPlan] = []
    size, file = 0, None
    for tensor in tensors:
        place = places[tensor.name]
        if some and size >= most and (place.file != file or place.offset % PAGE == 0):
            yield some
            some, size = [], 0
        some.append(tensor)
        size, file = size + tensor.nbytes, place.file
    if some:
        yield some
