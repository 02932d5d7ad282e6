"""Conflicts, trimming and election against plain sorting in float64."""

import numpy as np
import pandas as pd
import pytest
import torch

from nbmerge.engine.compute import workspace
from nbmerge.errors import ArgumentError, CheckpointError
from nbmerge.methods.ties import kept
from nbmerge.statistics.structure import conflicts, measure_conflicts
from tests.models import make_model, read_tensors

NAMES = ("ft1", "ft2", "ft3")


def trimmed(deltas, density):
    """The largest elements of each row; of equal ones, those of lowest index."""
    result = torch.zeros_like(deltas)
    for row, delta in zip(result, deltas, strict=True):
        order = torch.sort(delta.abs(), descending=True, stable=True).indices[: kept(density, len(delta))]
        row[order] = delta[order]
    return result


@pytest.fixture(params=["small blocks", "one block"])
def blocks(request, monkeypatch):
    if request.param == "small blocks":
        for module in (workspace, __import__("nbmerge.engine.compute.blocks", fromlist=["x"])):
            monkeypatch.setattr(module, "BLOCK", 100)


@pytest.mark.usefixtures("blocks")
def test_counts_are_those_of_plain_sorting(trio, task_vectors):
    found = measure_conflicts(trio.base, *trio.models, densities=(0.5, 0.1))
    assert found.densities == (1.0, 0.5, 0.1)
    table = found.table.set_index(["tensor", "density"])
    for name, (_, deltas) in task_vectors.items():
        for density in found.densities:
            row, rest = table.loc[name, density], trimmed(deltas, density)
            signs = rest.sign()
            shared = signs.abs().sum(0) >= 2
            differ = shared & (signs.amax(0) * signs.amin(0) < 0)
            share = float(differ.sum() / shared.sum()) if shared.any() else np.nan
            assert row["conflict"] == pytest.approx(share, nan_ok=True)
            elected = signs == rest.sum(0).sign()
            for m, model in enumerate(NAMES):
                total = float(deltas[m].abs().sum())
                expected = [float(rest[m].abs().sum()), float((rest[m].abs() * elected[m]).sum())]
                expected = [x / total if total else np.nan for x in expected]
                assert [row[f"kept[{model}]"], row[f"elected[{model}]"]] == pytest.approx(expected, nan_ok=True)
            pair = signs[0] * signs[1]
            assert row["conflict[ft1, ft2]"] == pytest.approx(float((pair < 0).sum() / (pair != 0).sum()), nan_ok=True)


def test_groups_are_tensors_strung_together(trio, task_vectors):
    found = measure_conflicts(trio.base, *trio.models, densities=(0.2,))
    rest = [trimmed(deltas, 0.2) for _, deltas in task_vectors.values()]
    total = sum(float(deltas[0].abs().sum()) for _, deltas in task_vectors.values())
    assert found.summary["kept[ft1]"].tolist() == pytest.approx(
        [1.0, sum(float(r[0].abs().sum()) for r in rest) / total]
    )
    part = found.by_part.query("layer == 1 and kind == 'mlp' and density == 1")
    signs = [d.sign() for name, (_, d) in task_vectors.items() if "layers.1.mlp" in name]
    shared = sum(int((s.abs().sum(0) >= 2).sum()) for s in signs)
    differ = sum(int(((s.amax(0) * s.amin(0) < 0) & (s.abs().sum(0) >= 2)).sum()) for s in signs)
    assert part["conflict"].tolist() == pytest.approx([differ / shared])


@pytest.mark.slow
def test_threads_change_nothing(trio):
    one, two = (measure_conflicts(trio.base, *trio.models, threads=n).table for n in (1, 2))
    pd.testing.assert_frame_equal(one, two)


def test_what_cannot_be_counted(trio, tmp_path):
    with pytest.raises(ArgumentError, match="at least two models"):
        measure_conflicts(trio.base, trio.models[0])
    with pytest.raises(ArgumentError, match=r"at most 1, not 1\.5"):
        measure_conflicts(trio.base, *trio.models, densities=[1.5])
    for densities in (0.5, ["half"]):
        with pytest.raises(ArgumentError, match="densities must be a list of numbers"):
            measure_conflicts(trio.base, *trio.models, densities=densities)
    name, broken = "model.norm.weight", read_tensors(trio.base)["model.norm.weight"]
    broken[2] = float("nan")
    other = make_model(tmp_path / "broken", base=trio.base, dtype="bfloat16", replace={name: broken})
    with pytest.raises(CheckpointError, match=f"broken contains NaN.*{name}"):
        measure_conflicts(trio.base, trio.models[0], other)


@pytest.mark.slow
def test_the_forecast_counts_compiled_loops_where_they_are_loaded(trio, monkeypatch):
    needed = []
    monkeypatch.setattr(conflicts, "require_memory", lambda count, *words: needed.append(count))
    monkeypatch.setattr(conflicts, "find_loop_bytes", lambda seconds: 10**8 if seconds > 1 else 0)
    for saved in (0.0, 1.0):
        monkeypatch.setattr(conflicts, "SAVED", saved)
        measure_conflicts(trio.base, *trio.models, cache=False, progress=False)
    assert needed[1] - needed[0] == 10**8


def test_what_notebooks_show(trio):
    found = measure_conflicts(trio.base, *trio.models, densities=(0.2,))
    assert "elected of ft1" in found._repr_html_()
    figure = found.plot(theme="dark")
    assert figure.axes[0].get_xlabel() == "density"
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert {"share of conflicting signs before trimming", "share of conflicting signs at density 0.2"} <= set(titles)


@pytest.mark.slow
def test_a_second_measurement_reads_no_weights(trio, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = measure_conflicts(trio.base, *trio.models, densities=(0.5,), cache=cache, progress=False)
    other = measure_conflicts(trio.base, *trio.models, densities=(0.25,), cache=cache, progress=False)
    assert not first.table.equals(other.table)
    monkeypatch.setattr(conflicts, "run", None)
    again = measure_conflicts(trio.base, *trio.models, densities=(0.5,), cache=cache, progress=False)
    pd.testing.assert_frame_equal(first.table, again.table)
