"""The time of a merge is measured on rows of its own tensors, or on random numbers that are read and mixed as these are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from nbmerge.checkpoints import StoredTensor
from nbmerge.checkpoints.adapters.adapted_tensor import Adapted
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.cost import samples, timing
from nbmerge.engine.cost.samples import Samples, describe_input
from nbmerge.engine.planning.planner import plan
from nbmerge.engine.planning.plans import Plan, TensorPlan
from nbmerge.recipe import Recipe
from tests.adapters import Q, make_adapter, modules


def adapted_plan(family, tmp_path: Path, **adapter) -> Plan:
    folder = make_adapter(tmp_path / "adapter", family.base, modules(Q, layers=1), **adapter)
    inputs = [{"model": m, "parameters": {"weight": 0.5}} for m in (f"{family.base}+{folder}", str(family.ft1))]
    return plan(Recipe.of({"merge_method": "linear", "models": inputs}))


def copied(model: Path) -> Plan:
    return plan(Recipe.of({"merge_method": "passthrough", "models": [str(model)]}))


def adapted_inputs(planned: Plan) -> Iterator[Adapted]:
    return (i for t in planned.tensors for i in t.inputs if isinstance(i, Adapted))


def read(source, count: int) -> torch.Tensor:
    return Workspace(InputFiles()).open(source, 0)(0, count).clone()


def measurement(planned: Plan, tmp_path: Path, threads: int = 2) -> timing._Measurement:
    return timing._Measurement(planned, threads, tmp_path, Samples(tmp_path))


@pytest.mark.parametrize("dora", [False, True])
def test_adapters_are_imitated_on_rows_of_their_model(family, tmp_path, dora):
    (source,) = adapted_inputs(adapted_plan(family, tmp_path, dora=dora, rank=3))
    shape = (5, source.shape[1])
    for own in (False, True):
        sample = Samples(tmp_path, own).take_input(source, shape, first=2)
        assert sample.shape == shape
        assert describe_input(sample) == describe_input(source) != describe_input(source.base)
        assert (sample.base.file == source.base.file) == own
        assert torch.isfinite(read(sample, 5 * shape[1])).all()


def test_samples_are_rows_of_the_models(family, tmp_path):
    tensor = next(t for t in copied(family.base).tensors if len(t.shape) == 2)
    sample = Samples(tmp_path).take(tensor, slice(3, 5))
    whole = read(tensor.inputs[0], tensor.count).view(tensor.shape)
    assert sample.shape == (2, tensor.shape[1])
    assert read(sample.inputs[0], sample.count).equal(whole[3:5].flatten())


def test_rows_of_nested_merges_are_merged(family, tmp_path):
    (tensor, *_) = copied(family.base).tensors
    nested = replace(tensor, inputs=(tensor,))
    sample = Samples(tmp_path).take(nested, slice(1, 2))
    assert isinstance(sample.inputs[0], TensorPlan)
    assert sample.inputs[0].inputs == Samples(tmp_path).take(tensor, slice(1, 2)).inputs
    assert describe_input(nested) != describe_input(tensor)


def test_what_is_not_downloaded_yet_is_random_and_lies_apart(tmp_path, monkeypatch):
    source, drawn = StoredTensor("w", "bfloat16", (100, 8), tmp_path / "absent", 0), Samples(tmp_path)
    first, second = (drawn.take_input(source, (40, 8)) for _ in range(2))
    assert first.file == second.file != source.file
    assert abs(first.start - second.start) >= first.nbytes
    monkeypatch.setattr(samples, "MOST_DRAWN", 3 * first.nbytes)
    starts = [drawn.take_input(source, (40, 8)).start for _ in range(4)]
    assert len({*starts}) == 3  # then from the start again
    base, tuned = (read(drawn.take_input(source, (100, 8), number=k), 800).float() for k in (0, 1))
    assert 0 < (base - tuned).abs().max() < 1


@pytest.mark.parametrize(("shape", "parts"), [((10, 3), 5), ((4,), 1), ((2, 400), 2), ((), 1)])
def test_pieces_are_about_equally_large(shape, parts):
    rows = [*timing._divide(SimpleNamespace(shape=shape, count=torch.Size(shape).numel()), most=7)]
    assert len(rows) == parts
    assert [r.start for r in rows[1:]] == [r.stop for r in rows[:-1]]
    assert (rows[0].start, rows[-1].stop) == (0, shape[0] if shape else 1)
    sizes = [r.stop - r.start for r in rows]
    assert max(sizes) - min(sizes) <= 1


def test_the_first_pieces_are_spread_over_all_tensors():
    tensors = [SimpleNamespace(shape=(4,), count=4, how=None, index=k) for k in range(60)]
    for few in (6, 10, 20, 30):
        found = sorted(tensor.index for tensor, _ in islice(timing._Kind(tensors).pieces(), few))
        gaps = [b - a for a, b in zip([-1, *found], [*found, 60], strict=True)]
        assert len({*found}) == few
        assert max(gaps) <= 2 * 60 / few  # of a random choice, seldom


def test_each_kind_of_tensor_is_measured_once(family, tmp_path, monkeypatch):
    planned = adapted_plan(family, tmp_path)
    measured = []
    monkeypatch.setattr(timing._Measurement, "_element", lambda self, kind, enough: measured.append(enough) or 1e-3)
    monkeypatch.setattr(timing._Measurement, "_time", lambda *_: 0.0)
    monkeypatch.setattr(timing, "START_AND_END", 0.0)
    monkeypatch.setattr(timing, "_measure_disk", lambda folder: 1e12)
    seconds = measurement(planned, tmp_path).estimate()
    assert len(measured) == 2  # with an adapter, and without
    assert min(measured) == timing.LEAST < max(measured) < timing.ENOUGH
    assert seconds == pytest.approx(sum(t.count for t in planned.tensors) / 1e3, rel=0.2)


@pytest.mark.parametrize(("speed", "batches"), [(1e9, 3), (1e6, 1)])
def test_measurements_grow_until_they_are_long_enough(family, tmp_path, monkeypatch, speed, batches):
    taken = []

    def measure(self, samples, threads):
        taken.append(sum(s.count for s in samples))
        return taken[-1] / speed * (2 if len(taken) == 1 else 1)  # the first is disturbed

    kind = timing._Kind([SimpleNamespace(shape=(1 << 20,), count=1 << 20, how=None, dtype="bfloat16")] * 400)
    monkeypatch.setattr(timing._Measurement, "_time", measure)
    monkeypatch.setattr(Samples, "take", lambda self, tensor, rows: tensor)
    monkeypatch.setattr(timing, "GROWTH", 1000)
    found = measurement(copied(family.base), tmp_path)._element(kind, 0.1)
    assert found * speed == pytest.approx(1 if batches > 1 else 2)
    assert len(taken) == batches
    assert sum(taken) / speed >= 0.08


def test_a_small_model_is_measured_as_a_whole(family, tmp_path):
    planned = copied(family.base)
    kinds = timing._group(planned.tensors)
    assert sum(kind.count for kind in kinds) == sum(t.count for t in planned.tensors)
    assert all(measurement(planned, tmp_path)._element(kind, 0.1) > 0 for kind in kinds)


def test_where_a_model_cannot_be_merged_random_numbers_are_measured(family, tmp_path, monkeypatch):
    (file,) = Path(family.base).glob("*.safetensors")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((Path(family.base) / "config.json").read_bytes())
    save_file({n: torch.full_like(t, torch.nan) for n, t in load_file(file).items()}, broken / file.name)
    tried = []
    monkeypatch.setattr(timing, "Samples", lambda folder, own=True: tried.append(own) or Samples(folder, own))
    monkeypatch.setattr(timing, "_measure_disk", lambda folder: 1e9)
    assert timing.estimate_seconds(copied(broken), 1, tmp_path) > 0
    assert tried == [True, False]
