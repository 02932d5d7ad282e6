"""A small file in the folder being built that identifies the coordinator.

Workers on other machines read it: where they cannot see it, they do not share a filesystem with the coordinator; when it is
gone or belongs to another one, they stop. So stopping needs nothing but the shared filesystem.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "nbmerge_lease"
EVERY = 0.5
"""Seconds between two reads of the file, so that checking it for every block costs nothing."""


class Lease:
    """A worker's view of the lease file; it is a `StopSignal`.

    Parameters
    ----------
    folder : Path
        The folder being built.
    token : str
        Contents of the file as long as the work is to be done.
    """

    def __init__(self, folder: Path, token: str):
        self.folder, self.token = folder, token
        self._looked, self._set = 0.0, False

    @classmethod
    @contextmanager
    def granted(cls, folder: Path) -> Iterator[Lease]:
        """Become the coordinator of a folder; an earlier coordinator loses its workers."""
        lease = cls(folder, secrets.token_hex(16))
        (folder / FILE).write_text(lease.token, encoding="ascii")
        try:
            yield lease
        finally:
            if lease.held():
                (folder / FILE).unlink(missing_ok=True)

    def held(self) -> bool:
        """Whether the file exists and has this token."""
        for _ in range(2):
            try:
                # Opening the file, unlike stat, makes network filesystems ask their server.
                return (self.folder / FILE).read_text(encoding="ascii") == self.token
            except (OSError, ValueError):
                try:
                    os.listdir(self.folder)  # so that a cached negative lookup is discarded
                except OSError:
                    return False
        return False

    def is_set(self) -> bool:
        """Whether the work is to stop; at most half a second out of date."""
        now = time.monotonic()
        if not self._set and now - self._looked > EVERY:
            self._looked, self._set = now, not self.held()
        return self._set
