"""Files that a killed merge left next to its output and that are no longer needed; any merge into the same folder removes them.

A kill while an older model was being removed leaves the rest of that model, and perhaps the journal. The journal identifies
both: the merge is complete where the folder that it announced is at the output path. Unfinished merges, files of other users,
and outputs that are being written are never touched.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nbmerge.engine.output.commit import beside, lock_folder, locked, recover, remove
from nbmerge.engine.output.journal import is_placed
from nbmerge.errors import OutputError

_NAME = re.compile(r"\.(.+)\.nbmerge-(partial|replaced|journal|journal-new)", re.DOTALL)


_SCRATCH = ".nbmerge-scratch-"


@contextmanager
def scratch_folder(near: Path | None = None) -> Iterator[Path]:
    """Yield a hidden folder for temporary files, and remove it, also what earlier runs that were killed left there.

    Parameters
    ----------
    near : Path, optional
        Existing folder to create it in; default the folder for temporary files.
    """
    parent = Path(tempfile.gettempdir()) if near is None else near
    _remove_scratch(parent)
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=parent))
    try:
        with lock_folder(folder):
            yield folder
    finally:
        remove(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove what completed merges and killed runs left in this folder, and restore models that were about to be replaced."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted({found[1] for found in map(_NAME.fullmatch, names) if found}):
        out = folder / name
        with suppress(OSError, OutputError):
            if _has_leftovers(out):
                with locked(out):
                    _remove(out)
    _remove_scratch(folder)


def _remove_scratch(parent: Path) -> None:
    """Remove the scratch folders of killed runs."""
    with suppress(OSError):
        for folder in (parent / name for name in os.listdir(parent) if name.startswith(_SCRATCH)):
            with suppress(OSError):  # a running process has locked it
                if _is_ours(folder) and not folder.is_symlink():
                    with lock_folder(folder):
                        remove(folder)


def _has_leftovers(out: Path) -> bool:
    """Whether there is something that neither a running merge nor one to resume would leave."""
    if not all(map(_is_ours, _neighbours(out))):
        return False
    partial, replaced = beside(out, "partial"), beside(out, "replaced")
    to_restore = os.path.lexists(replaced) and not os.path.lexists(out)
    return to_restore or not os.path.lexists(partial) or is_placed(beside(out, "journal"), out)


def _remove(out: Path) -> None:
    """Remove it, with the output locked: the journal last, because it identifies the rest."""
    recover(out)
    journal = beside(out, "journal")
    if is_placed(journal, out):
        for what in ("partial", "replaced"):
            remove(beside(out, what))
    if not os.path.lexists(beside(out, "partial")):
        journal.unlink(missing_ok=True)
        beside(out, "journal-new").unlink(missing_ok=True)


def _neighbours(out: Path) -> list[Path]:
    return [
        p for p in (beside(out, w) for w in ("partial", "replaced", "journal", "journal-new")) if os.path.lexists(p)
    ]


def _is_ours(path: Path) -> bool:
    return os.name != "posix" or os.lstat(path).st_uid == os.getuid()
