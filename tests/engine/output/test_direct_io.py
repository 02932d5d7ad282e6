import errno
import os
import threading
import time

import pytest

from nbmerge.engine.output import direct_io
from nbmerge.engine.output.direct_io import HELD, PAGE, OutputFile

DIRECT = hasattr(os, "O_DIRECT")


@pytest.fixture
def large(monkeypatch):
    """Every file counts as large enough to go past the page cache."""
    monkeypatch.setattr(direct_io, "WORTHWHILE", 0)


def _written(path, offset, data, step):
    file = OutputFile(path, create=True)
    os.ftruncate(file.descriptor, offset + len(data) + 5)
    stream = file.stream(offset)
    for start in range(0, len(data), step):
        stream.write(memoryview(data)[start : start + step])
    stream.close()
    file.sync()
    file.close()
    return path.read_bytes()


@pytest.mark.parametrize("offset", [0, 8, PAGE, PAGE - 1, 3 * PAGE + 17])
@pytest.mark.parametrize(("size", "step"), [(10, 10), (PAGE, PAGE), (3 * PAGE + 1, 1000), (2 * HELD + 5000, 1 << 19)])
def test_bytes_arrive_whatever_their_place_and_size(large, tmp_path, offset, size, step):
    data = os.urandom(size)

    assert _written(tmp_path / "file", offset, data, step) == bytes(offset) + data + bytes(5)


def test_neighbours_that_share_a_page_do_not_disturb_each_other(large, tmp_path):
    first, second = os.urandom(HELD + 100), os.urandom(HELD + 300)
    file = OutputFile(tmp_path / "file", create=True)
    os.ftruncate(file.descriptor, 8 + len(first) + len(second))
    streams = file.stream(8), file.stream(8 + len(first))
    for stream, data in zip(streams, (first, second), strict=True):
        stream.write(memoryview(data))
        stream.close()
    file.close()

    assert (tmp_path / "file").read_bytes() == bytes(8) + first + second


@pytest.mark.skipif(not DIRECT, reason="this system has no O_DIRECT")
@pytest.mark.parametrize("refuses", [False, True])
def test_workers_that_begin_at_once_open_it_once(large, tmp_path, monkeypatch, refuses):
    real, opened = os.open, []

    def slow(path, flags, *more):
        if flags & os.O_DIRECT == os.O_DIRECT:
            time.sleep(0.05)  # the other worker comes meanwhile
            opened.append(path)
            if refuses:
                raise OSError(errno.EINVAL, "Invalid argument")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", slow)
    file = OutputFile(tmp_path / "file", create=True)
    workers = [threading.Thread(target=file.stream, args=(0,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    file.close()

    assert len(opened) == 1
    assert not [d for d in os.listdir("/proc/self/fd") if _leads_to(d) == str(tmp_path / "file")]


def _leads_to(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # the one that lists them
        return ""


def test_a_link_in_the_place_of_an_output_file_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("years")
    (tmp_path / "file").symlink_to(tmp_path / "mine")

    with pytest.raises(OSError, match="symbolic link"):
        OutputFile(tmp_path / "file", create=True)
    assert (tmp_path / "mine").read_text() == "years"


@pytest.mark.skipif(not DIRECT, reason="this system has no O_DIRECT")
def test_a_file_system_that_refuses_gets_ordinary_writes(large, tmp_path, monkeypatch):
    real_pwrite, data = os.pwrite, os.urandom(2 * HELD)
    calls = []

    def refusing(descriptor, block, offset):
        calls.append(offset)
        if len(calls) == 1:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real_pwrite(descriptor, block, offset)

    monkeypatch.setattr(os, "pwrite", refusing)

    assert _written(tmp_path / "file", 0, data, 1 << 20) == data + bytes(5)


@pytest.mark.skipif(not DIRECT, reason="this system has no O_DIRECT")
def test_a_full_disk_is_not_taken_for_a_refusal(large, tmp_path, monkeypatch):
    def full(descriptor, block, offset):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)

    with pytest.raises(OSError, match="No space left"):
        _written(tmp_path / "file", 0, os.urandom(2 * HELD), 1 << 20)


@pytest.mark.skipif(not DIRECT, reason="this system has no O_DIRECT")
def test_the_next_bytes_are_taken_while_a_write_is_under_way(large, tmp_path, monkeypatch):
    real_pwrite, may_end, data = os.pwrite, threading.Event(), os.urandom(2 * HELD - 7)

    def slow(descriptor, block, offset):
        assert may_end.wait(60), "the writer waited for the disk"
        return real_pwrite(descriptor, block, offset)

    file = OutputFile(tmp_path / "file", create=True)
    os.ftruncate(file.descriptor, len(data))
    monkeypatch.setattr(os, "pwrite", slow)
    stream = file.stream(0)
    stream.write(memoryview(data))
    may_end.set()
    stream.close()
    file.close()

    assert (tmp_path / "file").read_bytes() == data


@pytest.mark.skipif(not DIRECT, reason="this system has no O_DIRECT")
def test_the_writes_of_an_abandoned_tensor_keep_their_bytes(large, tmp_path, monkeypatch):
    real_pwrite, may_end = os.pwrite, threading.Event()
    abandoned, data = os.urandom(HELD), os.urandom(3 * HELD)

    def slow(descriptor, block, offset):
        assert offset or may_end.wait(60)
        return real_pwrite(descriptor, block, offset)

    file = OutputFile(tmp_path / "file", create=True)
    os.ftruncate(file.descriptor, 4 * HELD)
    monkeypatch.setattr(os, "pwrite", slow)
    file.stream(0).write(memoryview(abandoned))
    timer = threading.Timer(0.1, may_end.set)
    timer.start()
    stream = file.stream(HELD)
    stream.write(memoryview(data))
    stream.close()
    timer.join()
    file.close()

    assert (tmp_path / "file").read_bytes() == abandoned + data


def test_small_files_stay_in_the_page_cache(tmp_path):
    file = OutputFile(tmp_path / "file", create=True)
    os.ftruncate(file.descriptor, 1000)

    assert file.stream(0)._direct is None
    file.close()
