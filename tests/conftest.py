"""Ground that all tests stand on: one thread, no network, nobody's own Hugging Face cache, and tiny models."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# Read by huggingface_hub when it is imported, so before anything else; an empty cache makes every machine equal.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_CACHE"] = str(Path(__file__).parent / "no-hub-cache-here")
os.environ["NBMERGE_CACHE"] = ""  # statistics are measured, not remembered from another run

import pytest
import torch

from tests.models import Family, make_family

torch.set_num_threads(1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep libraries and 7,000 collected tests out of every later collection of garbage: they stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """A base and two fine-tunes of 3 layers; shared by all tests, so never written to."""
    return make_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="session")
def deep_family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """The same with 6 layers."""
    return make_family(tmp_path_factory.mktemp("deep-family"), layers=6)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where whoever started the tests ignores it (``nohup make test &``).

    Python leaves an ignored signal ignored, so a test that sends SIGINT says what it stands for.
    """
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)
