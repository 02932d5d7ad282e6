"""One method on tensors in memory gives the bytes of a merge of models, and says what does not fit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import nbmerge as nbm
from nbmerge.errors import ArgumentError
from tests.models import make_family

METHODS = {
    "linear": {"weight": [0.3, 0.6]},
    "ties": {"weight": [0.5, 0.7], "density": 0.4},
    "dare_ties": {"weight": [0.5, 0.7], "density": 0.4},
    "model_stock": {},
    "iso_c": {"weight": [0.5, 0.7]},
}


@pytest.mark.parametrize("method", METHODS)
def test_equals_the_tensors_of_a_merge(tmp_path, method):
    family = make_family(tmp_path, layers=2)
    base, *others = family.base, family.ft1, family.ft2
    based = nbm.methods.methods()[method].base != "none"
    each = [
        {"model": str(m), "parameters": {k: v[i] if isinstance(v, list) else v for k, v in METHODS[method].items()}}
        for i, m in enumerate(others)
    ]
    recipe = {"merge_method": method, "models": each, "random_seed": 3} | ({"base_model": str(base)} if based else {})
    nbm.merge(nbm.Recipe.model_validate(recipe), tmp_path / "out")
    merged = load_file(tmp_path / "out" / "model.safetensors")
    inputs = [load_file(folder / "model.safetensors") for folder in (base, *others)]
    name = "model.layers.1.mlp.up_proj.weight"
    first, *rest = (tensors[name] for tensors in inputs)
    settings = {"base": first} if based else {}
    alone = nbm.merge_tensors(method, rest, **settings, parameters=METHODS[method], seed=3, position=1.0, name=name)
    assert torch.equal(alone, merged[name])


def test_leaves_its_inputs_alone_and_keeps_their_shape():
    tensors = [torch.randn(3, 5, 7) for _ in range(3)]
    before = [t.clone() for t in tensors]
    merged = nbm.merge_tensors(
        "ties", [t.transpose(0, 2) for t in tensors[1:]], base=tensors[0].transpose(0, 2), parameters={"weight": 1}
    )
    assert merged.shape == (7, 5, 3)
    assert all(map(torch.equal, tensors, before))


def test_a_base_is_the_first_end_of_slerp():
    first, second = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    nearer = nbm.merge_tensors("slerp", [second], base=first, parameters={"t": 0.25})
    assert torch.equal(nearer, nbm.merge_tensors("slerp", [first, second], parameters={"t": 0.25}))
    assert nearer[0] > nearer[1]


ONE = torch.ones(4)


@pytest.mark.parametrize(
    ("method", "tensors", "settings", "message"),
    [
        ("tie", [ONE], {}, "Did you mean 'ties'"),
        ("ties", [ONE], {"parameters": {"weight": 1}}, "needs the base"),
        ("linear", [ONE], {"base": ONE, "parameters": {"weight": 1}}, "no base model"),
        ("slerp", [ONE], {"parameters": {"t": 0.5}}, "merges 2 tensors, not 1"),
        ("linear", [], {"parameters": {"weight": 1}}, "merges 1 or more"),
        ("linear", [ONE, torch.ones(3)], {"parameters": {"weight": 1}}, "equal shapes, not 4 and 3"),
        ("linear", [ONE.int()], {"parameters": {"weight": 1}}, "int32 cannot be merged"),
        ("linear", [ONE], {}, "weight must be given"),
        ("linear", [ONE], {"parameters": {"weight": [1, 2]}}, "2 values for 1 model"),
        ("linear", [ONE], {"parameters": {"wieght": 1}}, "Did you mean 'weight'"),
        ("linear", [ONE, ONE], {"parameters": {"weight": [1, -1]}}, "0"),
        ("ties", [ONE], {"base": ONE, "parameters": {"weight": 1, "density": 2}}, "out of range"),
        ("linear", [ONE], {"parameters": {"weight": 1}, "dtype": torch.int8}, "dtype must be"),
    ],
)  # fmt: skip
def test_says_what_does_not_fit(method, tensors, settings, message):
    with pytest.raises(ArgumentError, match=message):
        nbm.merge_tensors(method, tensors, **settings)
