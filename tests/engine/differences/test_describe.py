"""Differences between recipes, in words and as curves."""

from __future__ import annotations

import pytest

import nbmerge as nbm
from nbmerge.engine.differences import describe_difference
from nbmerge.recipe import Recipe
from tests.models import Family


@pytest.fixture
def recipe(deep_family: Family) -> Recipe:
    return Recipe.of({
        "merge_method": "task_arithmetic",
        "base_model": str(deep_family.base),
        "models": [
            {"model": str(deep_family.ft1), "parameters": {"weight": 0.5}},
            {"model": str(deep_family.ft2), "parameters": {"weight": 0.3}},
        ],
    })  # fmt: skip


def with_weight(recipe: Recipe, value: object) -> Recipe:
    return recipe.with_parameter("weight", value, "ft1")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.7, "weight of ft1 0.5 → 0.7"),
        ([0.5, 0.5, 0.5, 0.75, 0.5, 0.5], "weight of ft1: layer 3 +0.25"),
        ([0.5, 0.5, 0.4, 0.4, 0.5, 0.5], "weight of ft1: layers 2–3 −0.1"),
        ([0, 1], "weight of ft1: 0.5 → rising from 0 to 1"),
        (
            [{"filter": "layers.2.mlp", "value": 0.7}, {"filter": "layers.3.mlp", "value": 0.7}, {"value": 0.5}],
            "weight of ft1: layers 2–3 MLP +0.2",
        ),
        ([{"filter": "self_attn", "value": 0.1}, {"value": 0.5}], "weight of ft1: all layers attention −0.4"),
        ([{"filter": "lm_head", "value": 0.1}, {"value": 0.5}], "weight of ft1: head −0.4"),
    ],
)
def test_a_changed_value_is_named_with_its_layers(recipe, value, words):
    assert str(describe_difference(recipe, with_weight(recipe, value))) == words


def test_curves_hold_the_values_of_every_layer(recipe):
    (change,) = describe_difference(recipe, with_weight(recipe, [0, 1])).changes
    before, after = change.mean_rows
    assert before == (0.5,) * 6
    assert after == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_models_methods_and_fields_are_named(recipe, deep_family):
    fewer = recipe.replace(models=recipe.plain()["models"][:1], dtype="bfloat16", merge_method="ties")
    assert describe_difference(recipe, fewer).words == (
        "removed model ft2",
        "method task_arithmetic → ties",
        "dtype none → bfloat16",
    )
    swapped = recipe.replace(models=recipe.plain()["models"][::-1])
    assert describe_difference(recipe, swapped).words == ("order of models: ft2, ft1",)
    assert "base model base → ft2" in describe_difference(recipe, recipe.replace(base_model=str(deep_family.ft2))).words


def test_recipes_of_equal_meaning_do_not_differ(recipe):
    assert not describe_difference(recipe, with_weight(recipe, [0.5, 0.5]))
    assert str(describe_difference(recipe, recipe)) == "no difference"


def test_switches_are_on_or_off(recipe):
    on = recipe.with_parameter("normalize", True)
    assert describe_difference(recipe, on).words == ("normalize off → on",)


def test_a_recipe_without_its_models_is_compared_as_written():
    absent = {"merge_method": "linear", "models": [{"model": "no/such", "parameters": {"weight": 0.5}}, "nor/this"]}
    other = Recipe.of(absent).with_parameter("weight", 0.25, "such")
    difference = describe_difference(absent, other)
    assert difference.words == ("weight of such 0.5 → 0.25",)
    assert difference.changes == ()


def test_stacked_layers_are_counted(deep_family):
    def stack(end: int) -> Recipe:
        sources = [{"sources": [{"model": str(deep_family.ft1), "layer_range": [0, end]}]},
                   {"sources": [{"model": str(deep_family.ft2), "layer_range": [2, 6]}]}]  # fmt: skip
        return Recipe.of({"merge_method": "passthrough", "slices": sources})

    assert "8 → 9 layers" in describe_difference(stack(4), stack(5)).words


def test_names_of_models_are_escaped(recipe):
    hostile = recipe.replace(chat_template="<script>alert(1)</script>")
    assert "<script>" not in nbm.describe_difference(recipe, hostile)._repr_html_()
