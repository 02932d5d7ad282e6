"""What a stopped merge keeps beside its output folder, and free names for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbmerge.engine.output.commit import beside, locked, remove
from nbmerge.errors import OutputError

MOST_NAMES = 10_000


@dataclass(frozen=True)
class UnfinishedMerge:
    """Finished tensors of a merge that was stopped; the same merge into the same folder resumes from them.

    Parameters
    ----------
    out : Path
        Its output folder, which does not exist yet.
    bytes : int
        Size on disk.
    """

    out: Path
    bytes: int


def find_unfinished(out: Path) -> UnfinishedMerge | None:
    """The unfinished merge into an output folder, if there is one."""
    partial = beside(out, "partial")
    try:
        if partial.is_symlink() or not partial.is_dir():
            return None
        size = sum(_size_on_disk(file) for file in partial.iterdir() if file.is_file() and not file.is_symlink())
    except OSError:
        return None
    return UnfinishedMerge(out, size)


def discard_unfinished(out: Path) -> int:
    """Remove what an unfinished merge keeps; returns the number of bytes.

    Raises
    ------
    OutputError
        When a merge is writing to it, or it cannot be removed.
    """
    kept = find_unfinished(out)
    if kept is None:
        return 0
    with locked(out):
        remove(beside(out, "partial"))
        for what in ("journal", "journal-new"):
            beside(out, what).unlink(missing_ok=True)
    if (left := find_unfinished(out)) is not None and left.bytes:
        raise OutputError(f"{beside(out, 'partial')} cannot be removed. Check its permissions.")
    return kept.bytes


def propose_output(wanted: Path) -> Path:
    """A path at which nothing is: the wanted one, or the first of ``wanted-2``, ``wanted-3`` and so on."""
    stem, _, number = wanted.name.rpartition("-")
    stem = stem if stem and number.isdecimal() and len(number) < 6 else wanted.name
    for i in range(1, MOST_NAMES):
        path = wanted if i == 1 else wanted.with_name(f"{stem}-{i}")
        if _is_free(path):
            return path
    return wanted


def _is_free(path: Path) -> bool:
    try:
        return not path.is_symlink() and (not path.exists() or (path.is_dir() and not any(path.iterdir())))
    except OSError:
        return False


def _size_on_disk(file: Path) -> int:
    status = file.stat()
    return int(getattr(status, "st_blocks", status.st_size // 512) * 512)
