"""Ground that all tests stand on: one thread, no network, nobody's own Hugging Face cache, and tiny models."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Read by huggingface_hub when it is imported, so before anything else; an empty cache makes every machine equal.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_CACHE"] = str(Path(__file__).parent / "no-hub-cache-here")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two workers on two cores; read by torch and numpy, here and in children
os.environ["NBMERGE_CACHE"] = ""  # statistics are measured, not remembered from another run
os.environ["NBMERGE_KERNELS"] = (
    "0"  # only tests/kernels uses compiled loops: others replace functions that loops do not call
)

import pytest

if TYPE_CHECKING:  # what imports torch is imported where tests run, and not by the process that distributes them
    from tests.judgement import OutputJudge
    from tests.models import Family

if sys.version_info < (3, 11):  # where pathlib keeps the functions of os that it finds when it is imported
    from tests import old_pathlib  # noqa: F401

gc.disable()  # until the tests are collected: all that is made before then stays
JUDGED = os.environ.get("NBMERGE_JUDGE_OUTPUTS") == "1"


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the cases of a large grid slow, but for some that are spread evenly over it (``rest_is_slow(keep=...)``)."""
    grids: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("rest_is_slow"):
            grids.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in grids.values():
        keep = cases[0].get_closest_marker("rest_is_slow").kwargs["keep"]
        kept = {i * len(cases) // keep for i in range(keep)}
        for i, case in enumerate(cases):
            if i not in kept:
                case.add_marker("slow")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep libraries and thousands of collected tests out of every later collection of garbage: they stay until the end."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def libraries_that_tests_imported() -> Iterator[None]:
    """Keep those out as well, after each module: every collection would take 0.1 s for transformers alone."""
    yield
    gc.collect()
    gc.freeze()


def check_is_open(file: Any) -> None:
    """All that is left of fsync."""
    os.fstat(file if isinstance(file, int) else file.fileno())


@pytest.fixture(scope="session", autouse=True)
def one_thread_and_no_wait_for_the_disk() -> Iterator[None]:
    """No test's files have to survive a power cut; that every file is synced, and when, is tested by the calls."""
    import torch

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", check_is_open)
        yield


@pytest.fixture(scope="session")
def written_outputs() -> Iterator[OutputJudge]:
    """Looks at every model folder that this process writes."""
    from nbmerge.engine.output import folder
    from tests.judgement import OutputJudge

    outputs, real = OutputJudge(), folder.put_in_place

    def put_in_place(partial: Path, out: Path, *more: Any) -> None:
        real(partial, out, *more)
        outputs.note(out)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "put_in_place", put_in_place)
        yield outputs


@pytest.fixture(autouse=JUDGED)
def what_is_written_loads(request: pytest.FixtureRequest, written_outputs: OutputJudge) -> Iterator[None]:
    """With NBMERGE_JUDGE_OUTPUTS=1, a test fails that writes a model folder which transformers does not load."""
    from tests.judgement import is_judged

    written_outputs.looking = is_judged(request)
    yield
    assert (wrong := written_outputs.wrong()) == [], f"transformers does not load what this test wrote: {wrong}"


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """A base and two fine-tunes of 3 layers; shared by all tests, so never written to."""
    from tests.models import make_family

    return make_family(tmp_path_factory.mktemp("family"))


@pytest.fixture(scope="session")
def deep_family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """The same with 6 layers."""
    from tests.models import make_family

    return make_family(tmp_path_factory.mktemp("deep-family"), layers=6)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where whoever started the tests ignores it (``nohup make test &``).

    Python leaves an ignored signal ignored, so a test that sends SIGINT says what it stands for.
    """
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)
