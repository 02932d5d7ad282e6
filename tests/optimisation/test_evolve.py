"""mergekit-evolve's YAML: the genome is the space, the tasks are the scores."""

from pathlib import Path

import pytest
import yaml

from nbmerge.errors import ArgumentError
from nbmerge.evaluation import TaskScore
from nbmerge.optimisation import read_evolve
from tests.models import make_family


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    family = make_family(tmp_path_factory.mktemp("family"), layers=4)
    return {"models": [str(family.ft1), str(family.ft2)], "base_model": str(family.base)}


def read(models, tasks=("mine",), more=None, **genome):
    return read_evolve({"genome": {**models, "merge_method": "ties", **genome}, "tasks": list(tasks), **(more or {})})


def test_values_for_groups_of_layers_and_filters(models):
    found = read(models, layer_granularity=2, filters=["self_attn"], allow_negative_weights=True)
    assert len(found.space.names) == 2 * 2 * 2 * 2  # parameters, models, filters, groups
    first = found.space.parts[0]
    assert (first.parameter, first.filter, first.layers, first.low, first.high) == (
        "weight",
        "self_attn",
        ("0-1", "2-3"),
        -1,
        1,
    )
    start = found.space.read(found.recipe)
    assert {value for name, value in start.items() if name.startswith("weight")} == {0.5}
    assert {value for name, value in start.items() if name.startswith("density")} == {1.0}
    changed = found.space.apply(found.recipe, start | {first.names[0]: 0.25})
    weight = changed.models[0].parameters["weight"]
    names = "model.layers.1.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"
    assert [weight.at(name, 1 / 3, 4) for name in names] == [0.25, 0.5]
    assert [weight.at(name, 2 / 3, 4) for name in names] == [0.5, 0.5]


def test_smooth_values_are_knots(models):
    assert {part.knots for part in read(models, layer_granularity=2, smooth=True).space.parts} == {2}
    assert {part.knots for part in read(models).space.parts} == {1}


def test_slerp_of_two_models(models):
    found = read(models, merge_method="slerp", layer_granularity=4, base_model=None)
    assert found.space.names == ("t 0-3",)
    three = {**models, "models": [*models["models"], models["base_model"]]}
    with pytest.raises(ArgumentError, match="two models"):
        read(three, merge_method="slerp")


def test_tasks_are_scores(models, tmp_path):
    tasks = ["mine", {"name": "mine", "metric": "acc_norm,none", "weight": 0.5}, {"name": "other", "weight": -1}]
    found = read(models, tasks, {"limit": 10, "num_fewshot": 2})
    assert found.scores["mine"] == TaskScore("mine", "acc,none", (), 10, 2)
    assert found.goal == {"mine": 1.0, "mine acc_norm,none": 0.5, "other": -1.0}
    assert read(models).goal == "pareto"
    file = tmp_path / "evolve.yml"
    file.write_text(yaml.safe_dump({"genome": {**models, "merge_method": "linear"}, "tasks": ["mine"]}))
    assert read_evolve(file, include=tmp_path).scores["mine"].include == (str(tmp_path),)
    assert read_evolve(file).arguments()["sampler"] == "cmaes"


def test_models_may_be_paths(models):
    paths = {"models": [Path(m) for m in models["models"]], "base_model": Path(models["base_model"])}
    assert read(paths).recipe == read(models).recipe


def test_other_recipes_are_not_genomes(models):
    assert read_evolve({"merge_method": "linear", "models": models["models"]}) is None
    assert read_evolve("no such file.yml") is None


@pytest.mark.parametrize(
    ("tasks", "genome", "what"),
    [
        ([], {}, "no tasks"),
        ([3], {}, "A task is a name"),
        (["x"], {"layer_granularity": 3}, "does not divide the 4 layers"),
    ],
)
def test_what_cannot_be_searched(models, tasks, genome, what):
    with pytest.raises(ArgumentError, match=what):
        read(models, tasks, **genome)
