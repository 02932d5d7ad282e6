"""The time of a merge is measured on samples that are read and mixed as its own tensors are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nbmerge.checkpoints.adapters.adapted_tensor import Adapted
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.cost import reading, timing
from nbmerge.engine.cost.samples import describe_input, imitate
from nbmerge.engine.planning.planner import plan
from nbmerge.engine.planning.plans import Plan
from nbmerge.recipe import Recipe
from tests.adapters import Q, make_adapter, modules


def adapted_plan(family, tmp_path: Path, **adapter) -> Plan:
    folder = make_adapter(tmp_path / "adapter", family.base, modules(Q, layers=1), **adapter)
    inputs = [{"model": m, "parameters": {"weight": 0.5}} for m in (f"{family.base}+{folder}", str(family.ft1))]
    return plan(Recipe.of({"merge_method": "linear", "models": inputs}))


def both(family) -> list[dict]:
    return [{"model": str(m), "parameters": {"weight": 0.5}} for m in (family.ft1, family.ft2)]


def adapted_inputs(planned: Plan) -> Iterator[Adapted]:
    return (i for t in planned.tensors for i in t.inputs if isinstance(i, Adapted))


@pytest.mark.parametrize("dora", [False, True])
def test_adapters_are_imitated(family, tmp_path, dora):
    (source,) = adapted_inputs(adapted_plan(family, tmp_path, dora=dora, rank=3))
    (sample,) = imitate(source, source.shape, tmp_path, 0)
    assert describe_input(sample) == describe_input(source)
    assert describe_input(sample) != describe_input(source.base)
    fewer = (5, source.shape[1])
    for own in imitate(source, fewer, tmp_path, 1, copies=2):
        assert torch.isfinite(Workspace(InputFiles()).open(own, 0)(0, 5 * fewer[1])).all()


def test_each_kind_of_tensor_is_measured_once(family, tmp_path, monkeypatch):
    planned = adapted_plan(family, tmp_path)
    measured = []
    monkeypatch.setattr(timing, "_measure_rate", lambda samples, *_: measured.append(samples[0].name) or 1e3)
    monkeypatch.setattr(timing, "_measure_seconds", lambda *_: 0.0)
    monkeypatch.setattr(timing, "START_AND_END", 0.0)
    monkeypatch.setattr(timing, "_measure_disk", lambda folder: 1e9)
    monkeypatch.setattr(timing, "estimate_reading", lambda tensors: 0.0)
    seconds = timing.estimate_seconds(planned, 1, tmp_path)
    assert len(measured) == len({*measured}) == 2  # with an adapter, and without
    assert seconds == pytest.approx(sum(t.count for t in planned.tensors) / 1e3, rel=0.2)


def test_short_measurements_are_repeated(family, tmp_path, monkeypatch):
    counts = []

    def measure(samples, count, *_):
        counts.append(count)
        return 0.01 * count

    monkeypatch.setattr(timing, "_measure_seconds", measure)
    tensor = plan(Recipe.of({"merge_method": "passthrough", "models": [str(family.base)]})).tensors[0]
    assert timing._measure_rate([tensor], tmp_path, 2, direct=False) == pytest.approx(100 * tensor.count)
    assert counts == [2, 30]


def test_inputs_that_are_not_in_the_cache_are_read_first(family, monkeypatch):
    tensors = plan(Recipe.of({"merge_method": "passthrough", "models": [str(family.base)]})).tensors
    total = sum(t.nbytes for t in tensors)
    monkeypatch.setattr(reading, "_measure_disk", lambda places: 1e6)
    monkeypatch.setattr(reading, "is_cached", lambda descriptor, offset: None)
    assert reading.estimate_reading(tensors) == 0
    monkeypatch.setattr(reading, "is_cached", lambda descriptor, offset: False)
    assert reading.estimate_reading(tensors) == pytest.approx(total / 1e6)
    seen = iter(range(10_000))
    monkeypatch.setattr(reading, "is_cached", lambda descriptor, offset: next(seen) % 4 != 0)
    assert reading.estimate_reading(tensors) == pytest.approx(total / 4e6, rel=0.1)


def test_a_disk_is_timed_at_places_of_the_inputs(family):
    leaf = plan(Recipe.of({"merge_method": "passthrough", "models": [str(family.base)]})).tensors[0].inputs[0]
    assert reading._measure_disk([(leaf, leaf.start)]) > 0


def test_many_tensors_take_longer_than_one_of_their_size(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "_write_samples", lambda kind, most, folder: [most])
    monkeypatch.setattr(timing, "_measure_rate", lambda samples, *_: 1e6 if samples == [timing.SAMPLE] else 0.5e6)
    cost = timing._Cost(timing._Kind(SimpleNamespace(count=timing.SAMPLE)), tmp_path, 2, False)
    assert cost.seconds(4 * timing.FEW) == pytest.approx(5e-6 * timing.FEW)
    assert 4 * cost.seconds(timing.FEW) == pytest.approx(8e-6 * timing.FEW)
    assert cost.seconds(10) == pytest.approx(20e-6)


def test_samples_lie_apart_as_far_as_the_models_have_more(family, tmp_path, monkeypatch):
    planned = plan(Recipe.of({"merge_method": "linear", "models": both(family)}))
    (kind,) = timing._group(planned.tensors).values()
    assert kind.count == sum(t.count for t in planned.tensors)
    samples = timing._write_samples(kind, kind.largest.count, tmp_path)
    assert len(samples) == kind.count // kind.largest.count > 1
    assert len({(leaf.file, leaf.start) for sample in samples for leaf in sample.leaves()}) == 2 * len(samples)
    monkeypatch.setattr(timing, "MOST_READ", 1)
    assert len(timing._write_samples(kind, kind.largest.count, tmp_path)) == 1


def test_inputs_in_small_pieces_of_the_cache_are_slower(family, monkeypatch):
    tensors = plan(Recipe.of({"merge_method": "linear", "models": both(family)})).tensors
    samples = tensors[:1]
    monkeypatch.setattr(reading, "_measure_copying", lambda given: 1e-10 if given is samples else 3e-10)
    assert reading.estimate_slower_copying(tensors, samples) == pytest.approx(2e-10)
    assert reading.estimate_slower_copying(samples, tensors) == 0
    monkeypatch.setattr(reading, "_measure_copying", lambda given: 0.0 if given is samples else 3e-10)
    assert reading.estimate_slower_copying(tensors, samples) == 0


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="only Linux tells what is in the cache")
def test_copying_from_the_cache_is_timed(family, monkeypatch):
    tensors = plan(Recipe.of({"merge_method": "linear", "models": both(family)})).tensors
    monkeypatch.setattr(reading, "_is_in_cache", lambda *place: True)
    assert reading._measure_copying(tensors) == 0  # too small to tell
    monkeypatch.setattr(reading, "COPIED", 64)
    assert reading._measure_copying(tensors) > 0
