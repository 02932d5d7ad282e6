"""Recipes of shuffled layers: the same for a seed, within the bounds that were asked for, and mergeable."""

from itertools import pairwise

import pytest
import torch

from nbmerge.engine.merge import merge
from nbmerge.engine.shuffle import shuffle_layers
from nbmerge.errors import ArgumentError
from tests.models import make_model, read_tensors


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shuffled")
    a = make_model(folder / "a", layers=12, hidden=8, intermediate=8, heads=2)
    return a, make_model(folder / "b", base=a, seed=1)


def places(recipe):
    """Model and layer of every layer of the result."""
    sources = [piece.sources[0] for piece in recipe.slices]
    return [(s.model.name, i) for s in sources for i in range(*s.layer_range)]


def test_a_seed_is_a_recipe(pair):
    """The literal guards against another generator, or another order of draws."""
    drawn = "".join(name for name, _ in places(shuffle_layers(pair, seed=7)))
    assert drawn == "aababaabaaaa"
    assert shuffle_layers(pair, seed=7) == shuffle_layers(pair, seed=7) != shuffle_layers(pair, seed=8)


def test_layers_keep_their_places_and_neighbours_are_joined(pair):
    recipe = shuffle_layers(pair, seed=3)
    assert [i for _, i in places(recipe)] == list(range(12))
    names = [piece.sources[0].model.name for piece in recipe.slices]
    assert all(one != other for one, other in pairwise(names))


def test_weights_decide_how_likely_a_model_is(pair):
    assert {name for name, _ in places(shuffle_layers(pair, weights=[0, 2]))} == {"b"}
    drawn = [name for seed in range(60) for name, _ in places(shuffle_layers(pair, weights=[1, 3], seed=seed))]
    assert drawn.count("b") / len(drawn) == pytest.approx(0.75, abs=0.05)


def test_layers_move_no_further_than_allowed(pair):
    drawn = [places(shuffle_layers(pair, seed=seed, max_shift=2)) for seed in range(20)]
    shifts = {i - j for layers in drawn for j, (_, i) in enumerate(layers)}
    assert shifts == {-2, -1, 0, 1, 2}


def test_any_order(pair):
    drawn = places(shuffle_layers(pair, weights=[0.5, 1], seed=1, full_random=True))
    assert sorted(name for name, _ in drawn) == ["a"] * 6 + ["b"] * 12
    assert len({i for _, i in drawn}) > 6
    assert len(places(shuffle_layers(pair, full_random=True))) == 12


def test_the_merge_has_the_layers_of_the_recipe(pair, tmp_path):
    recipe = shuffle_layers(pair, seed=5, max_shift=1, dtype="bfloat16")
    made = read_tensors(merge(recipe, tmp_path / "out", threads=1, progress=False).path)
    stored = {folder.name: read_tensors(folder) for folder in pair}
    for j, (model, i) in enumerate(places(recipe)):
        theirs = stored[model][f"model.layers.{i}.mlp.up_proj.weight"].bfloat16()
        assert torch.equal(made[f"model.layers.{j}.mlp.up_proj.weight"], theirs)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"weights": [1]}, "length 1, and there are 2 models"),
        ({"weights": [1, -1]}, "at least 0"),
        ({"weights": [0, 0]}, "not all 0"),
        ({"weights": [1, float("nan")]}, "finite"),
        ({"weights": [0.01, 0], "full_random": True}, "would have 0 layers"),
        ({"weights": [1e6, 1], "full_random": True}, "12,000,012 layers"),
        ({"max_shift": -1}, "max_shift must be"),
        ({"max_shift": 1, "full_random": True}, "pass one of them"),
        ({"seed": 0.5}, "seed must be"),
    ],
)
def test_impossible_arguments(pair, options, what):
    with pytest.raises(ArgumentError, match=what):
        shuffle_layers(pair, **options)


def test_models_of_different_depth(pair, tmp_path):
    short = make_model(tmp_path / "short", layers=2, hidden=8, intermediate=8, heads=2)
    with pytest.raises(ArgumentError, match="a: 12, short: 2"):
        shuffle_layers([pair[0], short])
    assert len(places(shuffle_layers([pair[0], short], full_random=True))) == 7
    with pytest.raises(ArgumentError, match="a list"):
        shuffle_layers(str(short))
