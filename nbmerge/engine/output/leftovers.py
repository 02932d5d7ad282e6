"""What a killed merge left beside its output and nobody needs any more; any merge into the same folder removes it.

A kill while an older model was being removed leaves that model's remains, and maybe the journal. Both are recognised by the
journal: the merge is complete where the folder that it announced has the output's name. An unfinished merge is never touched,
nor is anything of another user's, or whose output is being written.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from nbmerge.engine.output.commit import beside, locked, recover, remove
from nbmerge.engine.output.journal import is_placed
from nbmerge.errors import OutputError

_NAME = re.compile(r"\.(.+)\.nbmerge-(partial|replaced|journal|journal-new)", re.DOTALL)


def remove_leftovers(folder: Path) -> None:
    """Remove what complete merges into this folder left behind, and give back models that were about to be replaced."""
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


def _has_leftovers(out: Path) -> bool:
    """Whether something is there that a merge at work, or one to go on with, would not leave."""
    if not all(map(_is_ours, _neighbours(out))):
        return False
    partial, replaced = beside(out, "partial"), beside(out, "replaced")
    given_back = os.path.lexists(replaced) and not os.path.lexists(out)
    return given_back or not os.path.lexists(partial) or is_placed(beside(out, "journal"), out)


def _remove(out: Path) -> None:
    """The same, once nobody else is at work there: the journal goes last, as it says what the others are."""
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
