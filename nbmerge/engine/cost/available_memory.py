"""The memory that this process can still use: of the machine, and of the container if it runs in one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = 1 << 60
"""A limit above this means unlimited: version 1 of control groups writes its largest number."""


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be allocated without swapping, None where the system does not report it.

    Parameters
    ----------
    root : Path
        The folder with ``proc`` and ``sys``.
    """
    limits = [_left(*group) for group in _groups(root)]
    known = [x for x in (_machine(root / "proc/meminfo"), *limits) if x is not None]
    return min(known, default=None)


def used_memory(root: Path = Path("/")) -> int | None:
    """Resident memory of this process in bytes, None where the system does not report it."""
    try:
        return int((root / "proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.Process().memory_info().rss)


def _machine(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return _by_psutil()


def _by_psutil() -> int | None:
    try:
        import psutil  # not a dependency, but every Jupyter kernel installs it
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def _groups(root: Path) -> Iterator[tuple[Path, Path, Path, str]]:
    """Files of the control groups of this process, in both versions: limit, use, statistics, and the prefix of its keys."""
    try:
        lines = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:
        lines = []
    own = {kinds: path.strip("/") for _, kinds, path in (line for line in lines if len(line) == 3)}
    for path in dict.fromkeys((own.get("", ""), "")):  # in a container the group is often mounted as the root
        group = root / "sys/fs/cgroup" / path
        yield group / "memory.max", group / "memory.current", group / "memory.stat", ""
    for path in dict.fromkeys((own.get("memory", ""), "")):
        group = root / "sys/fs/cgroup/memory" / path
        files = group / "memory.limit_in_bytes", group / "memory.usage_in_bytes", group / "memory.stat"
        yield *files, "total_"


def _left(limit: Path, used: Path, stat: Path, prefix: str) -> int | None:
    """A group's limit less what is in use, except for file cache, which can be reclaimed; None without a limit."""
    try:
        most, taken = int(limit.read_text()), int(used.read_text())  # "max" is not a number
        counts = dict(map(str.split, stat.read_text().splitlines()))
        cache = sum(int(counts.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
    except (OSError, ValueError):
        return None
    return max(0, most - taken + cache) if most < UNLIMITED else None
