"""A folder that is built in steps other than the tensors of a plan: locked, resumed and put in place as that of a merge."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nbmerge.engine.compute.arithmetic import arithmetic
from nbmerge.engine.output.commit import beside
from nbmerge.engine.output.folder import building, clear
from nbmerge.engine.output.journal import Journal, identity
from nbmerge.engine.output.leftovers import remove_leftovers
from nbmerge.engine.planning.plans import TensorPlan


@contextmanager
def building_in_steps(
    out: Path, overwrite: bool, inputs: Sequence[TensorPlan], settings: Mapping[str, str], steps: Collection[str]
) -> Iterator[tuple[Path, Journal]]:
    """Yield a folder to build in and its journal; rename the folder to `out` at the end.

    Parameters
    ----------
    out : Path
    overwrite : bool
    inputs : sequence of TensorPlan
        What is read: the journal of an earlier run continues only while these files are unchanged.
    settings : mapping of str to str
        What else determines the bytes.
    steps : collection of str
        Names of the files that an earlier run may have finished; they stay in the folder until the caller removes them.
    """
    remove_leftovers(out.parent)
    with building(out, overwrite) as folder:
        journal = Journal(beside(out, "journal"), identity(inputs, 0, settings), arithmetic())
        clear(folder, keep=steps if journal.continues else ())
        yield folder, journal
        journal.announce(folder)
