"""Relations of models that were made in known ways are found, and no others."""

import numpy as np
import pytest

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from nbmerge.statistics.structure import check_family
from tests.models import make_family, make_model, read_tensors
from tests.statistics.formulas import joined


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    folder = tmp_path_factory.mktemp("half")
    base = make_model(folder / "base", layers=2, hidden=32, dtype="bfloat16")
    return [base, *(make_model(folder / f"ft{i}", base=base, seed=i, noise=0.02, dtype="bfloat16") for i in (1, 2))]


def merged(tmp_path, recipe):
    return nbm.merge(recipe, tmp_path / "merged", progress=False).path


def recipes(base, one, two):
    weighted = [
        {"model": str(one), "parameters": {"weight": [0.2, 0.8]}},
        {"model": str(two), "parameters": {"weight": 0.5}},
    ]
    both = [str(one), str(two)]
    return {
        "linear": {"merge_method": "linear", "models": weighted},
        "slerp": {"merge_method": "slerp", "models": both, "parameters": {"t": 0.3}},
        "task arithmetic": {"merge_method": "task_arithmetic", "base_model": str(base), "models": both, "parameters": {"weight": 0.7}},
    }  # fmt: skip


@pytest.mark.parametrize("method", ["linear", "slerp", "task arithmetic"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.rest_is_slow(keep=3)
def test_a_merge_is_recognised_with_its_weights(half, tmp_path, method, dtype):
    if dtype == "float32":
        family = make_family(tmp_path, layers=2, hidden=32)
        half = [family.base, family.ft1, family.ft2]
    whole = merged(tmp_path, recipes(*half)[method])
    models = [*half[1:], whole] if method != "task arithmetic" else [half[1], whole, half[0], half[2]]
    found = [f for f in check_family(*models).findings if f.kind == "merge"]
    assert [f.models[0] for f in found] == ["merged"]
    expected = {"slerp": [0.7, 0.3], "task arithmetic": [0.7, -0.4, 0.7]}
    if method in expected:
        assert found[0].coefficients == pytest.approx(expected[method], abs=0.03)
    else:
        assert "differ between tensors" in found[0].text


def test_fine_tunes_are_no_merges(half):
    found = check_family(*half)
    assert found.findings == ()
    assert found.share_ancestor
    pair = found.table.iloc[2]
    one, two = (joined(m, "weight") for m in half[1:])
    assert (pair["first"], pair["second"]) == ("ft1", "ft2")
    mean = (one.norm() + two.norm()) / 2
    assert pair["distance"] == pytest.approx(float((one - two).norm() / mean), rel=1e-5)
    assert pair["equal"] == pytest.approx(float((one == two).double().mean()))
    inside = [np.concatenate([joined(m, part).numpy() for part in ("self_attn", "mlp")]) for m in half[1:]]
    cosine = inside[0] @ inside[1] / np.prod([np.linalg.norm(x) for x in inside])
    assert pair["cosine"] == pytest.approx(cosine, rel=1e-5)
    assert found.cosines.loc["ft2", "ft1"] == pair["cosine"]


def test_ties_leaves_no_weighted_sum(half, tmp_path):
    base, one, two = map(str, half)
    recipe = {
        "merge_method": "ties",
        "base_model": base,
        "models": [one, two],
        "parameters": {"weight": 1.0, "density": 0.3},
    }
    assert not [f for f in check_family(*half, merged(tmp_path, recipe)).findings if f.kind == "merge"]


def test_models_without_a_common_ancestor(half, tmp_path):
    stranger = make_model(tmp_path / "stranger", layers=2, hidden=32, seed=99, dtype="bfloat16")
    found = check_family(*half, stranger)
    assert {f.models for f in found.findings if f.kind == "unrelated"} == {(m.name, "stranger") for m in half}
    assert not found.share_ancestor
    assert "no common ancestor" in found._repr_html_()
    assert found.plot(theme="dark").axes


def test_identical_and_shared_tensors(half, tmp_path):
    copy = make_model(tmp_path / "copy", base=half[0], noise=0.0, dtype="bfloat16")
    part = read_tensors(half[1]) | {"model.norm.weight": read_tensors(half[1])["model.norm.weight"] * 2}
    almost = make_model(tmp_path / "almost", layers=2, hidden=32, dtype="bfloat16", replace=part)
    kinds = {f.models: f for f in check_family(*half, copy, almost).findings}
    assert kinds["base", "copy"].kind == "identical"
    count = len(part)
    assert f"{count - 1} identical tensors of {count}" in kinds["ft1", "almost"].text


def test_one_model_is_no_family(half):
    with pytest.raises(ArgumentError, match="at least two"):
        check_family(half[0])
