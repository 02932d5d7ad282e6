"""Recipes for bare weights: filters and methods as ever, layers only where they are named, nothing about configs and tokens."""

import pytest
import torch

from nbmerge.engine.check import check
from nbmerge.engine.planning import plan
from tests.bare_weights import LISTS, linear, make_weights
from tests.models import make_model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    a = make_weights(folder / "a.safetensors")
    return a, make_weights(folder / "b.safetensors", 1, base=a)


def errors(recipe):
    report = check(recipe)
    assert not report.ok
    return " ".join(str(p) for p in report.problems if p.severity == "error")


def weights(recipe):
    return {t.name: t.values.each["weight"][1] for t in plan(recipe).tensors if "weight" in t.values.each}


def test_filters_and_what_is_copied(files):
    rules = [{"filter": "attn", "value": 0.25}, {"value": 0.75}]
    recipe = linear(*files, weights=(1, rules))
    found = weights(recipe)
    assert {name for name, value in found.items() if value == 0.25} == {n for n in found if "attn" in n}
    assert plan(recipe)["steps"].method == "passthrough"
    assert plan(recipe).depth == 0


def test_gradients_need_layers(files):
    said = errors(linear(*files, weights=(1, [0, 1])))
    assert "a gradient of 'weight' needs layers" in said
    assert "down_blocks, up_blocks" in said
    assert check(linear(*files, weights=(1, [0.5, 0.5]))).ok


def test_named_stacks_are_layers(files):
    found = weights(linear(*files, weights=(1, [0, 1]), stacks=list(LISTS)))
    assert [found[f"up_blocks.{i}.attn.weight"] for i in range(3)] == [0, 0.5, 1]
    assert [found[f"down_blocks.{i}.attn.weight"] for i in range(3)] == [0, 0.5, 1]
    assert found["classifier.weight"] == found["conv_in.weight"] == 0
    one = linear(*files, weights=(1, {0: 0, 2: 1}), stacks="up_blocks")
    assert weights(one)["up_blocks.1.attn.weight"] == 0.5
    assert "Did you mean 'up_blocks'?" in errors(linear(*files, stacks="up_block"))


@pytest.mark.parametrize("field", ["tokenizer_source", "embedding_source", "config_source", "chat_template"])
def test_fields_for_models_are_refused(files, field):
    assert f"'{field}' needs models with a config" in errors(linear(*files, **{field: str(files[0])}))


def test_files_and_models_are_not_mixed(files, tmp_path):
    model = make_model(tmp_path / "model")
    assert "is a file without a config, and model is a model with one" in errors(linear(files[0], model))
    assert "'stacks' is for bare weights" in errors(linear(model, model, stacks="model.layers"))
    assert "slices need layers" in errors(
        {"merge_method": "passthrough", "slices": [{"sources": [{"model": str(files[0]), "layer_range": [0, 1]}]}]}
    )


def test_shapes_and_factors_of_adapters(files, tmp_path):
    other = make_weights(tmp_path / "c.safetensors", norm=torch.zeros(5))
    assert "shapes differ (a.safetensors 4, c.safetensors 5) in norm" in errors(linear(files[0], other))
    adapters = [make_weights(tmp_path / f"{i}.safetensors", i, x__lora_A__weight=torch.ones(2, 4)) for i in range(2)]
    assert any("product of two means" in p.what for p in check(linear(*adapters)).problems)


@pytest.fixture
def third(files, tmp_path):
    """Weights without one tensor, and with one of its own."""
    return make_weights(tmp_path / "c.safetensors", 2, base=files[0], norm=None, extra=torch.ones(2))


def test_missing_tensors(files, third):
    three = (*files, third)
    assert "Set missing_tensors to leave-out" in errors(linear(*three, weights=(1, 2, 3)))
    left = plan(linear(*three, weights=(1, 2, 3), missing_tensors="leave-out"))
    assert not {"norm", "extra"} & {t.name for t in left.tensors}
    merged = plan(linear(*three, weights=(1, 2, 3), missing_tensors="merge-rest"))
    assert merged["norm"].values.each["weight"] == (1.0, 2.0)
    assert (merged["extra"].method, merged["extra"].models) == ("passthrough", ("c.safetensors",))
    assert merged["conv_in.weight"].values.each["weight"] == (1.0, 2.0, 3.0)
    assert any(p.severity == "info" and "norm" in p.what for p in merged.problems)


def test_missing_tensors_of_methods_with_a_base(files, third):
    models = [{"model": str(f), "parameters": {"weight": 1}} for f in (files[1], third)]
    recipe = {"merge_method": "task_arithmetic", "models": models, "missing_tensors": "merge-rest"}
    made = plan(recipe | {"base_model": str(files[0])})
    assert made["norm"].models == ("a.safetensors", "b.safetensors")
    assert (made["extra"].method, made["extra"].models) == ("passthrough", ("c.safetensors",))
    assert "does not have all tensors" in errors(
        recipe | {"base_model": str(third), "models": [models[0], str(files[0])]}
    )


def test_a_file_that_is_not_there_is_not_looked_for_on_the_hub(files, monkeypatch):
    def asked(*arguments, **more):
        raise AssertionError("the Hub was asked for a file")

    monkeypatch.setattr("nbmerge.checkpoints.hub.find", asked)
    assert "there is no file org/a.safetensors" in errors(linear("org/a.safetensors", files[0]))
