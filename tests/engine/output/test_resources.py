"""Descriptors and threads: none is kept by any kind of merge, live model or measurement, ended in whatever way."""

import errno
import itertools
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import nbmerge as nbm
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.merge import merge
from nbmerge.engine.output import direct_io
from nbmerge.engine.transplant import transplant
from nbmerge.engine.verify import verify
from nbmerge.errors import MergeError, MergeStopped, OutputError
from nbmerge.methods import methods
from tests.costs import rest_is_slow
from tests.engine.compute.test_stops import recipe
from tests.models import Family, make_family, make_model
from tests.resources import keeps_nothing

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Family:
    return make_family(tmp_path_factory.mktemp("family"), layers=2, shards=3)


@pytest.fixture(autouse=True)
def past_the_cache(monkeypatch):
    """Files are written directly, as large ones are."""
    monkeypatch.setattr(direct_io, "WORTHWHILE", 0)


@pytest.fixture
def places(tmp_path):
    """Names that are free."""
    return (tmp_path / f"out-{i}" for i in itertools.count())


@pytest.mark.parametrize("method", rest_is_slow(methods(), ("ties", "slerp", "tsv_m")))
def test_a_merge_by_any_method(method, family, places):
    keeps_nothing(lambda: merge(recipe(method, family), next(places), threads=2))


WAYS = {
    "one thread": {"threads": 1},
    "many threads": {"threads": 8},
    "shards": {"max_shard_size": 4000, "threads": 3},
    "progress": {"progress": lambda event: None},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.rest_is_slow(keep=2)
def test_a_merge_in_any_way(way, family, places):
    keeps_nothing(lambda: shutil.rmtree(merge(recipe("linear", family), next(places), **WAYS[way]).path))


def test_replacing(family, tmp_path):
    keeps_nothing(lambda: merge(recipe("linear", family), tmp_path / "out", overwrite=True))


def test_an_executor_of_the_caller_leaves_nothing_open(family, places):
    def work() -> None:
        with ThreadPoolExecutor(2) as pool:
            merge(recipe("ties", family), next(places), executor=pool)

    keeps_nothing(work)


@pytest.mark.slow
def test_a_resumed_merge_leaves_nothing_open(family, places):
    def work() -> None:
        stop, out = threading.Event(), next(places)
        with pytest.raises(MergeStopped):
            merge(
                recipe("ties", family), out, cancel=stop, progress=lambda e: stop.set() if e.tensors_done > 3 else None
            )
        merge(recipe("ties", family), out)

    keeps_nothing(work)


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite", "fsync", "preadv"])
def test_a_merge_that_failed(call, family, places, monkeypatch):
    def fails(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, call, fails)

    def work() -> None:
        with pytest.raises(MergeError):
            merge(recipe("ties", family), next(places), threads=2, max_shard_size=4000)

    keeps_nothing(work)


def test_a_merge_that_was_refused(family, tmp_path):
    (tmp_path / "thesis.tex").write_text("years")

    def work() -> None:
        with pytest.raises(OutputError):
            merge(recipe("linear", family), tmp_path, overwrite=True)

    keeps_nothing(work)


def test_a_transplant(family, tmp_path, places):
    donor = make_model(tmp_path / "donor", vocab=60, seed=9)
    keeps_nothing(lambda: transplant(family.base, donor, next(places)))


@pytest.mark.slow
def test_a_live_model_with_pins_and_saves(family, places):
    def work() -> None:
        merged = live(recipe("ties", family), threads=2)
        merged.update(recipe("linear", family))
        merged.pin()
        merged.update(recipe("ties", family))
        with torch.no_grad():
            merged.model(torch.zeros(1, 3, dtype=torch.long))
        merged.save(next(places))

    keeps_nothing(work)


ASKED = {
    "plan": lambda family, out: nbm.plan(recipe("ties", family)),
    "check": lambda family, out: nbm.check(recipe("ties", family), out.parent / "new"),
    "verify": lambda family, out: verify(out, derive=True),
    "measure_models": lambda family, out: nbm.measure_models(str(family.base), str(family.ft1), str(family.ft2)),
    "measure_merge": lambda family, out: nbm.measure_merge(recipe("ties", family)),
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.rest_is_slow(keep=3)
def test_sampling_and_scoring_leave_nothing_open(what, family, tmp_path):
    out = merge(recipe("ties", family), tmp_path / "out").path
    keeps_nothing(lambda: ASKED[what](family, out))
