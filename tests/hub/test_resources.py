"""Downloads keep no descriptor, connection or thread, also when the network breaks down on the way."""

import os
import shutil

import pytest

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints import hub as room
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


def test_a_download_that_breaks_down_and_is_gone_on_with(afresh, online, tmp_path):
    def work() -> None:
        afresh()
        Checkpoint.open("org/base")
        online.cut[SHARD] = [50_000, 30_000]
        nbm.merge(COPY, tmp_path / "out", overwrite=True)

    keeps_nothing(work, POOL)
