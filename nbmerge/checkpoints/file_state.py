"""The state of a file: what must be the same for the bytes at a place in it to be the same."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was at one moment.

    A date can be set back after a change; the number of a file that was replaced, and the time at which its date was set,
    cannot.

    Parameters
    ----------
    size : int
        In bytes.
    modified : int
        Time of the last change of its bytes, in nanoseconds.
    local : (int, int, int), optional
        Number of the device, number of the file on it, and time of the last change of anything about it, in nanoseconds.
        They are left out when a state is sent to another process, because machines that share a filesystem number its
        files each in their own way.
    """

    size: int
    modified: int
    local: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """The state by what the operating system reports."""
        return cls(status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino, status.st_ctime_ns))

    def agrees_with(self, other: FileState) -> bool:
        """Whether both are the same state, as far as both are known."""
        if (self.size, self.modified) != (other.size, other.modified):
            return False
        return self.local is None or other.local is None or self.local == other.local

    def __reduce__(self) -> tuple[type[FileState], tuple[int, int]]:
        return FileState, (self.size, self.modified)
