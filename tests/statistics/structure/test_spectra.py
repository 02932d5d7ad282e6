"""Singular values, ranks and shared directions against decompositions in float64."""

import numpy as np
import pandas as pd
import pytest
import torch

from nbmerge.engine.compute import blocks
from nbmerge.errors import ArgumentError
from nbmerge.statistics.structure import decomposition, measure_spectra, spectra
from tests.models import make_family, make_model, read_tensors

UP = "model.layers.1.mlp.up_proj.weight"


def test_small_matrices_have_all_singular_values(trio, task_vectors):
    found = measure_spectra(trio.base, *trio.models, rank=8, overlap_rank=4)
    shapes = {name: t.shape for name, t in read_tensors(trio.base).items()}
    assert {s.tensor for s in found.spectra} == {name for name, shape in shapes.items() if len(shape) == 2}
    for s in found.spectra:
        delta = task_vectors[s.tensor][1][("ft1", "ft2", "ft3").index(s.model)].view(shapes[s.tensor])
        expected = torch.linalg.svdvals(delta)
        np.testing.assert_allclose(s.values, expected, atol=1e-12)
        assert s.energy == pytest.approx(float(delta.square().sum()))
        assert not s.errors.any()
        if s.energy:
            p = (expected**2 / s.energy).numpy()
            entropy = -sum(x * np.log(x) for x in p if x > 0)
            assert s.effective_rank == pytest.approx((np.exp(entropy),) * 2)
            assert s.stable_rank == pytest.approx(s.energy / float(expected[0]) ** 2)
            assert s.kept(4) == pytest.approx(float(p[:4].sum()))
            assert s.sufficient_rank(0.9) == int(np.searchsorted(p.cumsum(), 0.9)) + 1


def test_a_change_of_low_rank_is_seen(trio):
    found = measure_spectra(trio.base, *trio.models, rank=8)
    rows = found.table.set_index(["tensor", "model"])
    assert rows.loc[(UP, "ft3"), "kept[4]"] > 0.99  # rank 2 and the rounding of bfloat16
    assert rows.loc[(UP, "ft1"), "kept[4]"] < 0.8
    assert rows.loc[(UP, "ft3"), "effective rank high"] < 3 < rows.loc[(UP, "ft1"), "effective rank low"]
    assert np.isnan(rows.loc[("model.layers.1.mlp.down_proj.weight", "ft3"), "kept[4]"])  # which did not change
    assert rows.loc[("model.layers.1.mlp.down_proj.weight", "ft3"), "rank for 90 %"] == 0
    matrices = [s for s in found.spectra if s.model == "ft1"]
    whole = sum((s.values[:4] ** 2).sum() for s in matrices) / sum(s.energy for s in matrices)
    assert found.summary.loc["ft1", 4] == pytest.approx(whole)


@pytest.mark.slow
def test_large_matrices_are_sketched_within_the_stated_error(tmp_path, monkeypatch):
    family = make_family(tmp_path, layers=1, hidden=128, intermediate=192, vocab=300)
    monkeypatch.setattr(decomposition, "WHOLE", 0)
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    found = measure_spectra(family.base, family.ft1, family.ft2, rank=12, overlap_rank=6, threads=1)
    base, one = (read_tensors(m) for m in (family.base, family.ft1))
    assert {len(s.values) for s in found.spectra} == {12}
    for s in found.spectra:
        if s.model == "ft1":
            delta = one[s.tensor].double() - base[s.tensor].double()
            expected = torch.linalg.svdvals(delta).numpy() ** 2
            assert s.energy == pytest.approx(expected.sum(), rel=1e-6)
            distance = np.abs(expected[:, None] - s.values**2).min(0)
            assert (distance <= s.errors + 1e-6 * expected[0]).all()
            share = expected[:12].sum() / expected.sum()
            assert s.kept(12) <= share * (1 + 1e-6)
            assert share <= s.kept(12) + s.kept_error(12)
            assert s.kept(12) > 0.9 * share  # also of noise, the hardest case
            low, high = s.effective_rank
            p = expected / expected.sum()
            assert low <= np.exp(-(p * np.log(p)).sum()) <= high
    again = measure_spectra(family.base, family.ft1, family.ft2, rank=12, overlap_rank=6, threads=2)
    assert again.table.equals(found.table)


def test_sketches_of_low_rank_are_exact(tmp_path, monkeypatch):
    family = make_family(tmp_path, layers=1, hidden=64, intermediate=96)
    tensors = read_tensors(family.base)
    generator = torch.Generator().manual_seed(0)
    name = "model.layers.0.mlp.down_proj.weight"
    vectors = [torch.linalg.qr(torch.randn(n, 3, generator=generator))[0] for n in tensors[name].shape]
    for folder, scales in ((family.ft1, (4.0, 2.0, 1.0)), (family.ft2, (4.0, 2.0, 0.0))):
        changed = tensors | {name: tensors[name] + vectors[0] @ torch.diag(torch.tensor(scales)) @ vectors[1].T}
        make_model(folder, layers=1, hidden=64, intermediate=96, replace=changed)
    monkeypatch.setattr(decomposition, "WHOLE", 0)
    found = measure_spectra(family.base, family.ft1, family.ft2, rank=4, overlap_rank=2)
    own = next(s for s in found.spectra if s.tensor == name and s.model == "ft1")
    np.testing.assert_allclose(own.values[:3], [4, 2, 1], rtol=1e-4)
    assert own.kept(4) == pytest.approx(1.0)
    assert own.errors.max() < 1e-2
    overlap = found.overlaps.set_index("tensor").loc[name]
    assert (overlap["inputs"], overlap["outputs"]) == pytest.approx((1.0, 1.0), abs=1e-4)
    assert overlap["chance_inputs"] == 2 / 96


def test_shared_directions(trio, task_vectors):
    found = measure_spectra(trio.base, *trio.models, rank=8, overlap_rank=3, layers=[1])
    assert set(found.table["layer"]) == {1}
    name = "model.layers.1.mlp.gate_proj.weight"
    shape = read_tensors(trio.base)[name].shape
    (ua, _, va), (ub, _, vb) = (torch.linalg.svd(task_vectors[name][1][i].view(shape)) for i in (0, 1))
    row = found.overlaps.query("tensor == @name and second == 'ft2'").iloc[0]
    assert row["inputs"] == pytest.approx(float((va[:3] @ vb[:3].T).square().sum() / 3), rel=1e-4)
    assert row["outputs"] == pytest.approx(float((ua[:, :3].T @ ub[:, :3]).square().sum() / 3), rel=1e-4)
    assert (row["chance_inputs"], row["chance_outputs"]) == (3 / shape[1], 3 / shape[0])


def test_what_cannot_be_decomposed(trio):
    with pytest.raises(ArgumentError, match="rank must be at least 4"):
        measure_spectra(trio.base, *trio.models, rank=2)
    with pytest.raises(ArgumentError, match="numbers from 0 to 1"):
        measure_spectra(trio.base, *trio.models, layers=[7])
    with pytest.raises(ArgumentError, match="what must be one of"):
        measure_spectra(trio.base, *trio.models, layers=[0]).plot("value")
    with pytest.raises(ArgumentError, match="between two models"):
        measure_spectra(trio.base, trio.models[0], layers=[0]).plot("overlap")


@pytest.mark.parametrize("what", ["kept", "values", "effective rank", "overlap"])
@pytest.mark.rest_is_slow(keep=2)
def test_what_notebooks_show(trio, what):
    found = measure_spectra(trio.base, *trio.models, rank=8, layers=[0])
    assert "ft3, worst matrix" in found._repr_html_()
    assert found.plot(what, theme="light").axes


def test_a_second_measurement_reads_no_weights(trio, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    measured = [measure_spectra(trio.base, *trio.models, rank=r, cache=cache, progress=False) for r in (8, 8, 4)]
    pd.testing.assert_frame_equal(measured[0].table, measured[1].table)
    pd.testing.assert_frame_equal(measured[0].overlaps, measured[1].overlaps)
    monkeypatch.setattr(spectra, "run", None)
    again = measure_spectra(trio.base, *trio.models, rank=8, cache=cache, progress=False)
    pd.testing.assert_frame_equal(measured[0].table, again.table)
    for file in cache.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(TypeError):  # it is measured again
        measure_spectra(trio.base, *trio.models, rank=8, cache=cache, progress=False)
