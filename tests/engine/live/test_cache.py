"""Findings hold as long as what was read to find them is the same."""

import numpy as np
import pytest

from nbmerge.checkpoints.header import read_header
from nbmerge.engine.live.cache import VARIANTS, FindingCache
from nbmerge.engine.live.mapped_files import MappedFiles
from nbmerge.methods import Values
from tests.models import make_model


@pytest.fixture
def inputs(tmp_path) -> tuple:
    file = make_model(tmp_path / "m", layers=1) / "model.safetensors"
    return tuple(read_header(file)[0].values())[:2]


class Looks:
    """Counts how often it looks."""

    def __init__(self, find):
        self.find, self.count = find, 0

    def __call__(self, values):
        self.count += 1
        return self.find(values)


def values(**shared) -> Values:
    return Values(shared, {"density": (None, 0.5), "weight": (None, shared.pop("weight", 1.0))}, ("a", "b"), 0.25)


def test_files_that_were_not_read_may_change(inputs):
    cache, look = FindingCache(MappedFiles()), Looks(lambda v: v.each["density"][1])
    for weight in (1.0, 2.0, 3.0):
        assert cache.recall("x", inputs, values(weight=weight), look) == 0.5
    assert look.count == 1
    assert cache.contains("x", inputs, values(weight=9.0))
    assert not cache.contains("y", inputs, values())
    assert not cache.contains("x", inputs[:1], values())


@pytest.mark.parametrize(
    "read",
    [
        lambda v: v["k"],
        lambda v: v.shared.get("k"),
        lambda v: len(dict(v.shared)),
        lambda v: len([k for k in v.shared]),
        lambda v: "k" in v.shared,
    ],
)
def test_files_that_were_read_may_not_change(inputs, read):
    cache, look = FindingCache(MappedFiles()), Looks(lambda v: (read(v), 0)[1])
    cache.recall("x", inputs, values(k=1), look)
    cache.recall("x", inputs, values(k=1), look)
    assert look.count == 1
    cache.recall("x", inputs, values(k=2), look)
    assert look.count == 2


def test_streams_and_position_are_noticed(inputs):
    cache, look = FindingCache(MappedFiles()), Looks(lambda v: len(v.streams[0]) + v.position)
    cache.recall("x", inputs, values(), look)
    cache.recall("x", inputs, Values({}, {}, ("other", "b"), 0.25), look)
    assert look.count == 2


def test_large_findings_and_those_that_may_change_are_not_kept(inputs):
    cache = FindingCache(MappedFiles())
    for finding in (np.zeros(100_000), object(), iter([]), {"a": 1}):
        look = Looks(lambda v, finding=finding: finding)
        cache.recall("x", inputs, values(), look)
        cache.recall("x", inputs, values(), look)
        assert look.count == 2


def test_the_latest_variants_are_kept(inputs):
    cache, look = FindingCache(MappedFiles()), Looks(lambda v: v["k"])
    for k in range(VARIANTS + 1):
        cache.recall("x", inputs, values(k=k), look)
    assert cache.contains("x", inputs, values(k=VARIANTS))
    assert not cache.contains("x", inputs, values(k=0))


def test_inputs_that_are_computed_are_not_remembered():
    cache, look = FindingCache(MappedFiles()), Looks(lambda v: 1)
    cache.recall("x", (object(),), None, look)
    cache.recall("x", (object(),), None, look)
    assert look.count == 2
