import threading

import numpy as np
import pytest
import torch

from nbmerge.errors import ArgumentError, CheckpointError, MergeStopped
from nbmerge.plots import to_png
from nbmerge.statistics import measure_models
from nbmerge.statistics.tally import BINS
from tests.models import make_family, make_model, read_tensors
from tests.statistics.formulas import cosine, joined

FIELDS = ("gram", "total", "largest", "same", "opposite", "histogram")
UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def half_family(tmp_path_factory):
    """bfloat16, and one model that changed the MLPs of one layer only."""
    folder = tmp_path_factory.mktemp("half")
    base = make_model(folder / "base", dtype="bfloat16")
    near = read_tensors(base)
    near[UP] = near[UP] * 1.25
    return (
        base,
        make_model(folder / "far", base=base, seed=1, dtype="bfloat16"),
        make_model(folder / "near", replace=near),
    )


def test_sums_are_those_of_plain_formulas(family):
    statistics = measure_models(family.base, family.ft1, family.ft2)
    base, *tuned = (read_tensors(m) for m in (family.base, family.ft1, family.ft2))
    assert set(statistics.names) == set(base)
    for t, name in enumerate(statistics.names):
        b = base[name].double().flatten()
        deltas = [m[name].double().flatten() - b for m in tuned]
        rows = torch.stack([b, *deltas])
        tally = statistics.tally
        np.testing.assert_allclose(tally.gram[t], (rows @ rows.T).numpy(), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(tally.total[t], [d.abs().sum() for d in deltas], rtol=1e-12)
        assert tally.largest[t].tolist() == [float(d.abs().max()) for d in deltas]
        first, second = deltas
        assert tally.same[t, 0, 1] == int((first * second > 0).sum())
        assert tally.opposite[t, 0, 1] == int((first * second < 0).sum())
        assert tally.histogram[t].sum(1).tolist() == [b.numel()] * 2
        assert statistics.counts[t] == b.numel()


def test_what_did_not_change_is_counted(half_family):
    base, far, near = half_family
    statistics = measure_models(base, far, near)
    table = statistics.table.set_index("tensor")
    assert table.loc[UP, "unchanged[near]"] < 0.01
    rest = table.drop(UP)
    assert (rest["unchanged[near]"] == 1).all()
    assert (rest["change[near]"] == 0).all()
    assert rest["cosine[far, near]"].isna().all()
    assert (table["change[far]"] > 0).all()


def test_the_table_reads_as_people_expect(family):
    statistics = measure_models(family.base, family.ft1, family.ft2)
    table = statistics.table.set_index("tensor")
    row = table.loc[UP]
    base, ft1, ft2 = (read_tensors(m)[UP].double() for m in (family.base, family.ft1, family.ft2))
    assert (row["layer"], row["kind"], row["parameters"]) == (1, "mlp", base.numel())
    assert row["norm"] == pytest.approx(float(base.norm()))
    assert row["change[ft1]"] == pytest.approx(float((ft1 - base).norm() / base.norm()))
    assert row["cosine[ft2]"] == pytest.approx(cosine(ft2, base))
    assert row["cosine[ft1, ft2]"] == pytest.approx(cosine(ft1 - base, ft2 - base))
    agreement = ((ft1 - base) * (ft2 - base) > 0).double().mean()
    assert row["agreement[ft1, ft2]"] == pytest.approx(float(agreement))
    assert table["layer"].isna().sum() == 3
    assert "cosine with ft2" in statistics._repr_html_()


def test_threads_change_nothing(tmp_path):
    family = make_family(tmp_path, layers=2, hidden=64, vocab=5000)
    one, two = (measure_models(family.base, family.ft1, family.ft2, threads=n).tally for n in (1, 2))
    for field in FIELDS:
        assert np.array_equal(getattr(one, field), getattr(two, field)), field
    assert one.histogram.shape == (21, 2, BINS)


def test_a_base_alone_can_be_measured(family):
    statistics = measure_models(family.base)
    assert statistics.models == ("base",)
    assert statistics.predict({"merge_method": "passthrough", "models": [str(family.base)]}).total("base") == 0.0


def test_shapes_that_differ_are_refused(family, tmp_path):
    other = make_model(tmp_path / "wide", vocab=40, tokenizer=False)  # whose tokens nobody knows
    with pytest.raises(CheckpointError, match=r"base 32×16, wide 40×16.*model\.embed_tokens\.weight"):
        measure_models(family.base, other)


def test_tensors_that_one_lacks_are_named(family, tmp_path):
    other = make_model(tmp_path / "cut", replace={UP: None})
    with pytest.raises(CheckpointError, match=rf"cut does not have all tensors of the other models.*{UP}"):
        measure_models(family.base, other)


def test_depths_that_differ_are_refused(family, deep_family):
    with pytest.raises(CheckpointError, match="different numbers of layers"):
        measure_models(family.base, deep_family.ft1)


def test_no_model_is_named(family, tmp_path):
    with pytest.raises(CheckpointError, match="nowhere"):
        measure_models(family.base, tmp_path / "nowhere")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nonfinite_weights_are_named(family, tmp_path, bad):
    broken = read_tensors(family.ft1)[UP]
    broken[3, 4] = bad
    other = make_model(tmp_path / "broken", base=family.base, replace={UP: broken})
    with pytest.raises(CheckpointError, match=rf"broken contains NaN, infinity.*{UP} \(1 such tensor in all\)"):
        measure_models(family.base, other)


def test_a_survey_can_be_stopped(family):
    stop = threading.Event()
    stop.set()
    with pytest.raises(MergeStopped):
        measure_models(family.base, family.ft1, cancel=stop)


def test_groups_are_tensors_strung_together(family):
    statistics = measure_models(family.base, family.ft1, family.ft2)
    part = statistics.by_part.query("layer == 1 and kind == 'mlp'").iloc[0]
    base, one, two = (
        torch.cat([joined(m, "layers.1.mlp", n) for n in ("gate", "up", "down")]) for m in folders(family)
    )
    assert part["parameters"] == len(base)
    assert part["change[ft1]"] == pytest.approx(float((one - base).norm() / base.norm()))
    assert part["cosine[ft1, ft2]"] == pytest.approx(cosine(one - base, two - base))
    assert part["conflict[ft1, ft2]"] == pytest.approx(float(((one - base) * (two - base) < 0).double().mean()))
    layer = statistics.by_layer.set_index("layer").loc[2]
    base, one, _ = (joined(m, "layers.2.") for m in folders(family))
    assert layer["change[ft1]"] == pytest.approx(float((one - base).norm() / base.norm()))
    assert len(statistics.by_layer) == 3
    base, one, two = (joined(m, "") for m in folders(family))
    assert statistics.cosines.loc["ft1", "ft2"] == pytest.approx(cosine(one - base, two - base))


def folders(family):
    return family.base, family.ft1, family.ft2


def test_equal_elements_of_two_models(half_family):
    base, far, near = half_family
    table = measure_models(
        base, near, far, make_model(near.parent / "again", base=near, noise=0.0, dtype="bfloat16")
    ).table
    row = table.set_index("tensor").loc[UP]
    one, other = (read_tensors(m)[UP] for m in (near, far))
    assert row["equal[near, far]"] == float((one == other).double().mean())
    assert row["equal[near, again]"] == 1.0
    assert row["floor[near]"] < 0.01


def test_the_most_changed_tensors(family):
    statistics = measure_models(family.base, family.ft1, family.ft2)
    top = statistics.most_changed(4, "ft2")
    expected = statistics.table.sort_values("change[ft2]", ascending=False)["tensor"].tolist()[:4]
    assert top["tensor"].tolist() == expected
    assert statistics.most_changed(500).shape == (len(statistics.names), 5)
    with pytest.raises(ArgumentError, match="'ft3' was not measured"):
        statistics.most_changed(4, "ft3")


@pytest.mark.parametrize("what", ["change", "cosine", "conflict", "cosines", "unchanged", "kept mass", "most changed"])
@pytest.mark.rest_is_slow(keep=4)
def test_plots(half_family, what):
    statistics = measure_models(*half_family)
    figure = statistics.plot(what, theme="dark", width=4)
    assert to_png(figure)
    alone = measure_models(*half_family[:2])
    if what in ("cosine", "conflict", "cosines"):
        with pytest.raises(ArgumentError, match="needs more models"):
            alone.plot(what)
    else:
        assert alone.plot(what).axes


def test_kept_masses_are_those_of_each_density(family):
    statistics = measure_models(family.base, family.ft1, family.ft2)
    table = statistics.kept_masses((0.1, 0.5)).set_index(["density", "model"])
    assert tuple(table.loc[0.1, "ft2"]) == statistics.kept_mass("ft2", 0.1).attrs["total"]
    with pytest.raises(ArgumentError, match="what must be one of"):
        statistics.plot("mass")
