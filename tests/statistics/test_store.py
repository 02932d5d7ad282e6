"""Statistics on disk: found again for the same files, never for others, and never in the way."""

import os
import threading

import numpy as np
import pytest
from platformdirs import user_cache_path

from nbmerge.errors import MergeStopped
from nbmerge.statistics import measure_models, store
from nbmerge.statistics.tally import FIELDS
from tests.models import make_family, make_model


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path):
    return make_family(tmp_path / "own", layers=1)


def equal(a, b) -> bool:
    return all(np.array_equal(getattr(a.tally, f), getattr(b.tally, f)) for f in FIELDS)


def test_a_second_measurement_reads_nothing_and_says_the_same(own, cache):
    first = measure_models(own.base, own.ft1, own.ft2, cache=cache)
    second = measure_models(own.base, own.ft1, own.ft2, cache=cache)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert equal(first, second)
    assert first.table.equals(second.table)
    assert not measure_models(own.base, own.ft2, own.ft1, cache=cache).from_cache  # another order of models
    assert not measure_models(own.base, own.ft1, cache=cache).from_cache


def test_changed_weights_are_measured_again_even_at_the_same_time_and_size(own, cache):
    measure_models(own.base, own.ft1, cache=cache)
    file = own.ft1 / "model.safetensors"
    before = file.stat()
    data = bytearray(file.read_bytes())
    data[-4] ^= 0x01
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not measure_models(own.base, own.ft1, cache=cache).from_cache


def test_another_model_in_the_same_place(own, cache):
    measure_models(own.base, own.ft1, cache=cache)
    make_model(own.ft1, base=own.base, seed=9)
    again = measure_models(own.base, own.ft1, cache=cache)
    assert not again.from_cache
    assert equal(again, measure_models(own.base, own.ft1, cache=False))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nothing", b"\x80\x04\x95."])
def test_a_damaged_file_is_measured_over(own, cache, damage):
    measure_models(own.base, own.ft1, cache=cache)
    (file,) = cache.iterdir()
    file.write_bytes(damage)
    assert not measure_models(own.base, own.ft1, cache=cache).from_cache
    assert measure_models(own.base, own.ft1, cache=cache).from_cache


def test_a_cut_file_is_measured_over(own, cache):
    measure_models(own.base, own.ft1, cache=cache)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:-100])
    assert not measure_models(own.base, own.ft1, cache=cache).from_cache


def test_the_least_recently_used_entry_is_dropped(own, cache, monkeypatch):
    measure_models(own.base, own.ft1, cache=cache)
    (first,) = cache.iterdir()
    monkeypatch.setattr(store, "MOST", int(2.5 * first.stat().st_size))
    os.utime(first, (1, 1))
    measure_models(own.base, own.ft2, cache=cache)
    (second,) = set(cache.iterdir()) - {first}
    os.utime(second, (2, 2))
    assert measure_models(own.base, own.ft1, cache=cache).from_cache  # used just now
    measure_models(own.ft1, own.ft2, cache=cache)
    assert first in cache.iterdir()
    assert second not in cache.iterdir()


def test_a_folder_that_cannot_be_written_is_ignored(own, tmp_path):
    (tmp_path / "file").write_text("")
    assert not measure_models(own.base, own.ft1, cache=tmp_path / "file" / "cache").from_cache


def test_a_stopped_measurement_leaves_nothing(own, cache):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(MergeStopped):
        measure_models(own.base, own.ft1, cache=cache, cancel=cancel)
    assert not cache.exists()


def test_the_folder_of_a_user(monkeypatch, tmp_path, own):
    monkeypatch.setenv("NBMERGE_CACHE", "")
    assert store.default_folder() is None
    monkeypatch.setenv("NBMERGE_CACHE", str(tmp_path / "here"))
    assert measure_models(own.base, own.ft1).from_cache is False
    assert measure_models(own.base, own.ft1).from_cache is True
    assert list((tmp_path / "here" / "statistics").iterdir())
    monkeypatch.delenv("NBMERGE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert store.default_folder() == user_cache_path("nbmerge", appauthor=False) / "statistics"
