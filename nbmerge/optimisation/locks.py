"""Who works on which trial: locks beside the database that the system releases when their process dies."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nbmerge.errors import OutputError

PATIENCE = 60.0
"""Seconds to wait for another process that is choosing its next trial, which takes milliseconds."""


class Locks:
    """The locks of one process at one database.

    Parameters
    ----------
    database : Path

    Attributes
    ----------
    owner : str
        Name of this process, noted with the trials that it works on.
    """

    def __init__(self, database: Path):
        self._database = database
        self.owner = secrets.token_hex(8)
        self._own = FileLock(self._file(self.owner))
        self._common = FileLock(self._file("lock"))
        with self.alone():  # so that no other process takes the file for one that was left behind
            self._acquire(self._own, 0)
            self._sweep()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all other processes from choosing trials.

        Raises
        ------
        OutputError
            When another process does not end its choice.
        """
        self._acquire(self._common, PATIENCE)
        try:
            yield
        finally:
            self._common.release()

    def is_alive(self, owner: str) -> bool:
        """Whether the process of that name still runs; if not, its lock is removed."""
        if owner == self.owner:
            return True
        file = self._file(owner)
        if not owner.isalnum() or not file.exists():
            return False
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        file.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """Give up everything that this process works on."""
        self._own.release()
        with suppress(OSError):
            self._file(self.owner).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove locks of processes that died before they had a trial."""
        start = f".{self._database.name}."
        for file in self._database.parent.glob(f"{start}*"):
            if len(name := file.name.removeprefix(start)) == len(self.owner):
                self.is_alive(name)

    def _file(self, name: str) -> Path:
        return self._database.with_name(f".{self._database.name}.{name}")

    def _acquire(self, lock: FileLock, timeout: float) -> None:
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise OutputError(
                f"{self._database} is in use: another process has not released {lock.lock_file} for {timeout:.0f} s. "
                "End that process, or choose another storage."
            ) from None
        except OSError as error:
            raise OutputError(
                f"{self._database} cannot be locked ({error.strerror or error}). Choose a folder that you can write to."
            ) from error
