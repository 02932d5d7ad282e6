"""Every system call of a merge goes wrong once: said in words, nothing lost, nothing under the name, and the next run is right."""

import errno
import itertools
import os
import signal
import subprocess
from pathlib import Path

import pytest

from nbmerge.engine.merge import merge
from nbmerge.errors import CheckpointError, MergeError, OutputError
from nbmerge.recipe import Recipe
from tests.engine.output.faults import Calls, contents, failing, untouched

pytestmark = pytest.mark.unloadable("a look at the output is a system call that would be counted and go wrong")
OURS = (OutputError, MergeError, CheckpointError)
SHARD = 6000

MATRIX = {
    "open": (errno.EIO, errno.EACCES, errno.ENOSPC, errno.EMFILE, errno.EROFS),
    "open text": (errno.EACCES, errno.ENOSPC, errno.EROFS),
    "preadv": (errno.EIO, errno.EINTR, errno.ESTALE),
    "pwrite": (errno.EIO, errno.ENOSPC, errno.EINTR, errno.EROFS, errno.EDQUOT),
    "fallocate": (errno.ENOSPC, errno.EIO, errno.EINTR),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EROFS),
    "rename": (errno.EACCES, errno.EIO, errno.EROFS, errno.ENOSPC),
    "mkdir": (errno.EACCES, errno.ENOSPC, errno.EROFS),
    "unlink": (errno.EACCES, errno.EROFS, errno.EIO),
    "scandir": (errno.EACCES, errno.EIO),
    "stat": (errno.EACCES, errno.EIO),
}
"""System calls, and what each of them can answer."""


@pytest.fixture(scope="module")
def small(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory) -> dict[str, bytes]:
    return contents(merge(small, tmp_path_factory.mktemp("whole") / "out", max_shard_size=SHARD).path)


def within(root: Path):
    """Whether a call concerns the place of the merge; calls on descriptors, which have no name, all do."""

    def concerns(*arguments) -> bool:
        first = arguments[0] if arguments else None
        return isinstance(first, int) or (isinstance(first, (str, os.PathLike)) and str(first).startswith(str(root)))

    return concerns


def counted(call: str, small: Recipe, root: Path) -> int:
    """How often a merge makes a call."""
    with Calls(call, concerns=within(root)) as calls:
        merge(small, root / "counted" / "out", max_shard_size=SHARD, threads=1)
    return calls.count


FEW = [(call, numbers[:1]) for call, numbers in MATRIX.items()]
REST = [(call, numbers[1:]) for call, numbers in MATRIX.items()]


@pytest.mark.parametrize(("call", "numbers"), FEW, ids=list(MATRIX))
@pytest.mark.rest_is_slow(keep=3)
def test_a_call_that_fails(call, numbers, small, whole, family, tmp_path):
    everywhere(call, numbers, small, whole, family, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("call", "numbers"), REST, ids=list(MATRIX))
def test_a_call_that_fails_with_any_error(call, numbers, small, whole, family, tmp_path):
    everywhere(call, numbers, small, whole, family, tmp_path)


def everywhere(call: str, numbers: tuple[int, ...], small, whole, family, root: Path) -> None:
    """Let a call fail at the first, second, middle and last two of its times, with each of these errors."""
    times = counted(call, small, root)
    places = sorted({0, 1, times // 2, times - 2, times - 1} & set(range(times)))
    assert places
    for number, nth in itertools.product(numbers, places):
        place = root / f"{number}-{nth}"
        out = place / "out"
        complete = False
        with untouched(family.base, family.ft1), Calls(call, nth, failing(number), within(root)) as calls:
            try:
                merge(small, out, max_shard_size=SHARD, threads=1)
                complete = True  # it got over it
            except OURS as error:
                said = str(error)
                assert os.strerror(number) in said or "another merge" in said, said
                assert str(place) in said or str(family.base.parent) in said, said
                assert said.endswith("."), said
                assert ". " in said, said  # what happened, and what to do
                complete = f"{out} is complete" in said
        assert calls.count > nth
        assert out.exists() == complete or not any(out.iterdir())
        if not complete:
            merge(small, out, max_shard_size=SHARD)
        assert contents(out) == whole, (call, errno.errorcode[number], nth)
        assert {f.name for f in place.iterdir()} <= {"out", ".out.nbmerge-journal"} if complete else {"out"}


@pytest.mark.parametrize("call", ["preadv", "pwrite"])
@pytest.mark.parametrize("most", [1, 7, 100])
def test_calls_that_do_only_a_part(call, most, small, whole, family, tmp_path, monkeypatch):
    real = getattr(os, call)
    if call == "pwrite":
        short = lambda fd, data, offset: real(fd, memoryview(data)[: max(1, min(most * 40, len(data)))], offset)  # noqa: E731
    else:
        short = lambda fd, buffers, offset: real(fd, [buffers[0][: most * 40]], offset)  # noqa: E731
    monkeypatch.setattr(os, call, short)
    with untouched(family.base, family.ft1):
        assert contents(merge(small, tmp_path / "out", max_shard_size=SHARD).path) == whole


def test_a_write_of_zero_bytes_is_an_error(small, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0)
    with pytest.raises(MergeError, match="the system wrote no bytes"):
        merge(small, tmp_path / "out")


def test_signals_between_all_system_calls_change_nothing(small, whole, tmp_path):
    """What the system interrupts (EINTR) is done again by Python; a timer interrupts every millisecond."""
    rang = []
    kept = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        out = merge(small, tmp_path / "out", max_shard_size=SHARD).path
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)
    assert rang
    assert contents(out) == whole


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_reserve(number, small, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: failing(number)(None))
    assert contents(merge(small, tmp_path / "out", max_shard_size=SHARD).path) == whole


def test_a_file_system_that_cannot_sync_folders(small, whole, tmp_path, monkeypatch):
    real = os.fsync
    folder = lambda fd: os.path.isdir(f"/proc/self/fd/{fd}")  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda fd: failing(errno.EINVAL)(None) if folder(fd) else real(fd))
    assert contents(merge(small, tmp_path / "out", max_shard_size=SHARD).path) == whole


def test_files_are_synced_before_they_are_renamed(small, tmp_path, monkeypatch):
    """fsync of every file and of their folder, then the rename, then the fsync of the folder around."""
    log: list[tuple[str, str]] = []
    real, rename = os.fsync, os.rename
    where = lambda fd: os.readlink(f"/proc/self/fd/{fd}")  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda fd: (log.append(("fsync", where(fd))), real(fd)))
    monkeypatch.setattr(os, "rename", lambda a, b: (log.append(("rename", str(a))), rename(a, b)))
    merge(small, tmp_path / "out", max_shard_size=SHARD)
    partial = tmp_path / ".out.nbmerge-partial"
    named = log.index(("rename", str(partial)))
    synced = {path for what, path in log[:named] if what == "fsync"}
    assert synced >= {str(partial / f.name) for f in (tmp_path / "out").iterdir()} | {str(partial)}
    assert ("fsync", str(tmp_path)) in log[named:]


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 128 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(small, whole, tiny_disk, family, tmp_path, monkeypatch):
    filler = tiny_disk / "filler"
    filler.write_bytes(bytes(100_000))
    with untouched(family.base, family.ft1):
        with pytest.raises(OutputError, match="not enough disk space"):
            merge(small, tiny_disk / "out", max_shard_size=SHARD)
        monkeypatch.setattr("nbmerge.engine.output.folder.RESERVE", -(10**9))  # as if it filled up after the check
        with pytest.raises(MergeError, match=r"No space left.*Free some space"):
            merge(small, tiny_disk / "out", max_shard_size=SHARD)
        assert not (tiny_disk / "out").exists()
        filler.unlink()
        assert contents(merge(small, tiny_disk / "out", max_shard_size=SHARD).path) == whole


def test_a_disk_that_is_read_only(small, tiny_disk):
    subprocess.run(["mount", "-o", "remount,ro", tiny_disk], check=True)
    with pytest.raises(OutputError, match="is not writable"):
        merge(small, tiny_disk / "out")


def test_space_of_an_unfinished_merge_counts_as_free(small, tmp_path, monkeypatch):
    """Going on needs no second place for what lies there already."""
    with Calls("rename", 1, failing(errno.EIO), within(tmp_path)), pytest.raises(MergeError):
        merge(small, tmp_path / "out")
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("nbmerge.engine.output.folder.RESERVE", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    assert merge(small, tmp_path / "out").path.is_dir()
