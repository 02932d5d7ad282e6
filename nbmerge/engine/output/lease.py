"""A small file in the folder being built that says which process leads the work there.

Workers on other machines look at it: where it is not to be seen, they do not share the lead's files; when it is gone or
another's, they are no longer wanted and stop. So a stop needs nothing but the shared filesystem, whoever runs the workers.
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
"""Seconds between two looks, so that a look for every block costs nothing."""


class Lease:
    """What a worker holds; it has the `is_set` of a stop signal.

    Parameters
    ----------
    folder : Path
        Where the merge is being built.
    token : str
        What the file says as long as the work is wanted.
    """

    def __init__(self, folder: Path, token: str):
        self.folder, self.token = folder, token
        self._looked, self._set = 0.0, False

    @classmethod
    @contextmanager
    def granted(cls, folder: Path) -> Iterator[Lease]:
        """Be the lead in a folder; a lead before this one loses its workers."""
        lease = cls(folder, secrets.token_hex(16))
        (folder / FILE).write_text(lease.token, encoding="ascii")
        try:
            yield lease
        finally:
            if lease.held():
                (folder / FILE).unlink(missing_ok=True)

    def held(self) -> bool:
        """Whether the file is there and says the same."""
        for _ in range(2):
            try:
                # Opening, unlike a look at times and sizes, makes network filesystems ask their server.
                return (self.folder / FILE).read_text(encoding="ascii") == self.token
            except (OSError, ValueError):
                try:
                    os.listdir(self.folder)  # so that a name remembered as missing is asked for again
                except OSError:
                    return False
        return False

    def is_set(self) -> bool:
        """Whether the work is no longer wanted, as known half a second ago at most."""
        now = time.monotonic()
        if not self._set and now - self._looked > EVERY:
            self._looked, self._set = now, not self.held()
        return self._set
