"""Merges that take other merges: the same as if the first had been written to disk, without writing it."""

import pytest
import torch

from nbmerge.engine.compute import blocks as blocks_module
from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import examine, plan
from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.models import read_tensors

INNER = {
    "linear": {"parameters": {"weight": [0.2, 0.8]}},
    "slerp": {"parameters": {"t": [0.1, 0.6]}},
    "ties": {"parameters": {"weight": 0.7, "density": 0.4}, "base_model": "BASE"},
    "dare_linear": {"parameters": {"weight": 0.7, "density": 0.4}, "base_model": "BASE", "random_seed": 5},
}


def inner(family, method: str, **more) -> dict:
    data = {"merge_method": method, "models": [str(family.ft1), str(family.ft2)]} | INNER[method] | more
    return {k: str(family.base) if v == "BASE" else v for k, v in data.items()}


def chained(family, first: dict, method: str) -> Recipe:
    second = {
        "linear": {"models": ["half", str(family.ft2)], "parameters": {"weight": 0.5}},
        "slerp": {"models": [str(family.base), "half"], "parameters": {"t": [0, 1]}},
        "ties": {"models": ["half", str(family.ft2)], "base_model": str(family.base),
                 "parameters": {"weight": 1, "density": 0.3}},
        "task_arithmetic": {"models": [str(family.ft2)], "base_model": "half", "parameters": {"weight": 0.5}},
        "passthrough": {"models": ["half"]},
    }[method]  # fmt: skip
    return Recipe.of({"merge_method": method, "merges": [first | {"name": "half"}]} | second)


SECOND = ("linear", "slerp", "ties", "task_arithmetic", "passthrough")
CHAINS = [(first, second) for first in INNER for second in SECOND]
QUICK = [("linear", "slerp"), ("slerp", "passthrough"), ("slerp", "ties"), ("ties", "slerp")]


@pytest.mark.parametrize(("first", "second"), rest_is_slow(CHAINS, QUICK))
def test_as_if_the_first_had_been_written(tmp_path, family, first, second, monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK", 256)  # so that tensors are of several blocks
    r = chained(family, inner(family, first), second)
    merge(r.merges[0], tmp_path / "half")
    stepwise = r.replace(merges=None)
    text = stepwise.to_yaml().replace("model: half", f"model: {tmp_path / 'half'}")
    stepwise = Recipe.load(text.replace("base_model: half", f"base_model: {tmp_path / 'half'}"))
    one, two = read_tensors(merge(r, tmp_path / "one").path), read_tensors(merge(stepwise, tmp_path / "two").path)
    assert set(one) == set(two)
    assert all(torch.equal(one[n], two[n]) for n in two)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["half", "one", "two"]


def test_the_first_is_rounded_to_its_own_dtype(tmp_path, family):
    r = chained(family, inner(family, "linear", dtype="bfloat16"), "passthrough")
    assert {str(t.dtype) for t in read_tensors(merge(r, tmp_path / "out").path).values()} == {"torch.bfloat16"}


def test_depth_and_slices_of_a_merge(tmp_path, family):
    data = {
        "merge_method": "passthrough",
        "merges": [inner(family, "slerp") | {"name": "half"}],
        "slices": [
            {"sources": [{"model": "half", "layer_range": [0, 2]}]},
            {"sources": [{"model": str(family.ft1), "layer_range": [1, 3]}]},
        ],
    }
    p = plan(Recipe.of(data))
    assert p.depth == 4
    assert p["model.layers.1.mlp.up_proj.weight"].models == ("half",)
    out = read_tensors(merge(p, tmp_path / "out").path)
    first = read_tensors(merge(p.recipe.merges[0], tmp_path / "half").path)
    assert torch.equal(out["model.layers.1.mlp.up_proj.weight"], first["model.layers.1.mlp.up_proj.weight"])


def test_a_problem_of_the_first_document_has_its_place(family):
    r = chained(family, inner(family, "slerp", parameters={}), "linear")
    made, found = examine(r)
    assert made is None
    assert any(p.place.startswith("merges") and "needs 't'" in str(p) for p in found)
    with pytest.raises(RecipeError, match="half"):
        plan(r)


def test_the_bytes_that_are_read_are_counted(family):
    r = chained(family, inner(family, "linear"), "linear")
    p = plan(r)
    assert {leaf.file.parent for t in p.tensors for leaf in t.leaves()} == {family.ft1, family.ft2}
    assert p.bytes_read >= 3 * p.bytes_written


# --- another method for some tensors ---


def test_some_tensors_by_another_method(tmp_path, family):
    parameters = {"t": 0.5, "weight": 1, "method": [{"filter": "mlp", "value": "linear"}, {"value": "slerp"}]}
    models = [str(family.ft1), str(family.ft2)]
    r = Recipe.of({"merge_method": "slerp", "models": models, "parameters": parameters})
    p = plan(r)
    methods = {t.name: t.method for t in p.tensors}
    assert all((m == "linear") == ("mlp" in n) for n, m in methods.items())
    out = read_tensors(merge(p, tmp_path / "out").path)
    one, two = read_tensors(family.ft1), read_tensors(family.ft2)
    name = "model.layers.1.mlp.up_proj.weight"
    assert torch.allclose(out[name], (one[name] + two[name]) / 2, atol=1e-6)


def test_an_unknown_method_for_some_tensors_is_named_at_its_place(family):
    parameters = {"weight": 1, "method": [{"filter": "mlp", "value": "liner"}]}
    data = {"merge_method": "linear", "models": [str(family.ft1)], "parameters": parameters}
    made, found = examine(Recipe.of(data))
    assert made is None
    assert any(p.place == "parameters.method" and "Did you mean 'linear'?" in str(p) for p in found)
