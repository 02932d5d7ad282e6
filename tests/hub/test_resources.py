"""Downloads keep no descriptor, connection or thread, also when the network breaks down on the way."""

import os
import shutil
import threading

import pytest

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints import hub as room
from nbmerge.errors import CheckpointError, MergeStopped
from tests.resources import keeps_nothing

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")

COPY = {"merge_method": "passthrough", "models": ["org/base"]}
POOL = 8
"""Sockets that the client keeps open for later, and the test's server with it."""
SHARD = "model-00002-of-00004.safetensors"


@pytest.fixture
def afresh(online, sharded, cache):
    """Forget what was downloaded."""
    online.add("org/base", sharded.base)

    def forget() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        room.forget()

    return forget


def test_a_download(afresh, tmp_path):
    def work() -> None:
        afresh()
        nbm.merge(COPY, tmp_path / "out", overwrite=True)

    keeps_nothing(work, POOL)


@pytest.mark.slow
def test_an_interrupted_download_is_resumed(afresh, online, tmp_path):
    def work() -> None:
        afresh()
        Checkpoint.open("org/base")
        online.cut[SHARD] = [50_000, 30_000]
        nbm.merge(COPY, tmp_path / "out", overwrite=True)

    keeps_nothing(work, POOL)


@pytest.mark.slow
def test_a_download_that_is_stopped_while_weights_arrive(afresh, online, tmp_path):
    """The thread that waits for the network ends with its connection, and what it holds is given back."""

    def work() -> None:
        afresh()
        Checkpoint.open("org/base")
        cancel, release = threading.Event(), threading.Event()

        def stall(name: str) -> None:
            if name == SHARD:
                cancel.set()
                release.wait(20)

        online.pace = stall
        with pytest.raises(MergeStopped):
            nbm.merge(COPY, tmp_path / "out", overwrite=True, cancel=cancel)
        release.set()
        online.pace = None

    keeps_nothing(work, POOL)


@pytest.mark.slow  # a download is tried again after pauses
def test_a_download_that_fails_for_good(afresh, online, tmp_path):
    def work() -> None:
        afresh()
        Checkpoint.open("org/base")
        online.cut[SHARD] = [0] * 50
        with pytest.raises(CheckpointError):
            nbm.merge(COPY, tmp_path / "out", overwrite=True)
        online.cut.clear()

    keeps_nothing(work, POOL)
