"""A Hub for each test, and huggingface_hub pointed at it: its endpoint, an empty cache, no login, no Xet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbmerge.checkpoints import hub as hub_room
from tests.hub.server import Hub
from tests.models import Family, make_family


@pytest.fixture(scope="session")
def sharded(tmp_path_factory) -> Family:
    """A base and two fine-tunes of four shards each, of about 100 kB a shard."""
    return make_family(tmp_path_factory.mktemp("sharded"), layers=4, hidden=64, intermediate=96, shards=4)


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "hf" / "hub"


@pytest.fixture
def online(hub, cache, monkeypatch) -> Hub:
    """This process, with that Hub. The constants are what the environment would have set them to."""
    from huggingface_hub import constants

    settings = {
        "ENDPOINT": hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(cache.parent / "token"),
    }
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    hub_room.forget()
    yield hub
    hub_room.forget()


@pytest.fixture
def env(hub, cache) -> dict[str, str]:
    """The environment of another process with that Hub."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return kept | {
        "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(cache.parent), "HF_HUB_DISABLE_XET": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip


@pytest.fixture
def command(env):
    """Run ``nbmerge ...`` in a process of its own."""

    def run(*words, **more) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "nbmerge", *map(str, words)],
            capture_output=True, text=True, env=env | more, check=False, timeout=300,
        )  # fmt: skip

    return run
