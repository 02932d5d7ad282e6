"""The compiled loops of `measure_conflicts` give the numbers that torch gives."""

from __future__ import annotations

import pytest

from nbmerge import measure_conflicts
from nbmerge.engine.compute import blocks as blocks_module
from nbmerge.engine.compute import workspace
from nbmerge.errors import CheckpointError
from nbmerge.kernels import switch
from nbmerge.statistics.structure.trimmed_sums import TrimmedSums
from tests.models import make_model, read_tensors


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A base and three fine-tunes of all dtypes; the first has many equal changes, and tensors are several blocks long."""
    for module in (workspace, blocks_module):
        monkeypatch.setattr(module, "BLOCK", 5000)
    size = {"layers": 1, "hidden": 64, "vocab": 301}
    base = make_model(tmp_path / "base", dtype="bfloat16", **size)
    equal = {name: (t.float() * 2).round() / 2 for name, t in read_tensors(base).items()}
    one = make_model(tmp_path / "one", replace=equal, dtype="bfloat16", **size)
    two = make_model(tmp_path / "two", base=base, seed=2, noise=0.01, dtype="float16", **size)
    three = make_model(tmp_path / "three", base=base, seed=3, noise=0.01, dtype="float32", **size)
    return base, one, two, three


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.slow
def test_conflicts_are_counted_alike(loops, models, monkeypatch, count):
    found = []
    calls = []
    monkeypatch.setattr(TrimmedSums, "add", noting(TrimmedSums.add, calls))
    for chosen in ("1", "0"):
        monkeypatch.setenv(switch.VARIABLE, chosen)
        found.append(measure_conflicts(*models[: count + 1], densities=(1.0, 0.7, 0.3, 0.3001, 0.01), cache=False))
        assert bool(calls) == (chosen == "0")
    ours, theirs = (f.counts for f in found)
    for field in TrimmedSums.FIELDS:
        assert getattr(ours, field).tobytes() == getattr(theirs, field).tobytes(), field
    assert ours.conflicting.any()
    assert (ours.kept < ours.total[:, None]).any()


def noting(function, calls):
    """The function, which notes its calls."""

    def noted(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return noted


@pytest.mark.slow
def test_what_is_not_finite_is_named(loops, models, tmp_path):
    name = "model.norm.weight"
    broken = read_tensors(models[0])[name]
    broken[2] = float("nan")
    other = make_model(tmp_path / "broken", base=models[0], dtype="float16", replace={name: broken})
    with pytest.raises(CheckpointError, match=f"broken contains NaN.*{name}"):
        measure_conflicts(models[0], models[1], other, cache=False)
