"""Grids of samples over one or two parameters."""

from __future__ import annotations

import threading

import pytest

from nbmerge import GridAxis, Sample, SampleGrid, live, sample, sample_grid
from nbmerge.errors import ArgumentError, RecipeError
from nbmerge.recipe import Recipe


@pytest.fixture
def recipe(family) -> Recipe:
    return Recipe.of({
        "merge_method": "task_arithmetic", "base_model": str(family.base),
        "models": [{"model": str(family.ft1), "parameters": {"weight": 0.5}}, str(family.ft2)],
        "parameters": {"weight": 0.25},
    })  # fmt: skip


WEIGHTS = GridAxis("weight", [0, [0.5, 9]], model="ft1")
LAMBDAS = GridAxis("lambda", [1, 30, 60])


def test_every_cell_is_a_sample_of_its_own_merge(recipe):
    seen, events = [], []
    grid = sample_grid(
        recipe, "ab", WEIGHTS, LAMBDAS, max_new_tokens=4, progress=events.append,
        on_sample=lambda column, row, made: seen.append((column, row)),
    )  # fmt: skip
    assert seen == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert (events[-1].kind, events[-1].tensors_done) == ("finished", 6)
    with live(grid.recipe_at(1, 2)) as merge:
        assert grid.samples[2][1].text == sample(merge, "ab", max_new_tokens=4)[0].text
    assert grid.table.shape == (3, 2)
    assert grid.table.columns.name == "weight of ft1"
    assert "6 of 6 samples" in repr(grid)


def test_stopping_keeps_what_is_done(recipe):
    stop = threading.Event()
    grid = sample_grid(recipe, "ab", LAMBDAS, max_new_tokens=2, cancel=stop, on_sample=lambda *_: stop.set())
    assert [s is None for s in grid.samples[0]] == [False, True, True]
    assert "not sampled" in grid._repr_html_()


def test_an_invalid_grid_is_refused_before_anything_is_computed(recipe):
    with pytest.raises(RecipeError):
        sample_grid(recipe, "ab", GridAxis("weight", [0, "a"], model="ft1"))
    with pytest.raises(RecipeError):
        sample_grid(recipe, "ab", GridAxis("weight", [0], model="nobody"))
    with pytest.raises(ArgumentError, match="too large"):
        sample_grid(recipe, "ab", GridAxis("lambda", range(30)), GridAxis("lambda", range(30)))
    with pytest.raises(ArgumentError, match="no values"):
        GridAxis("lambda", [])


def test_html_is_escaped(recipe):
    hostile = "<script>alert(1)</script>"
    made = Sample(hostile, hostile, (), 0.0)
    grid = SampleGrid(recipe, hostile, GridAxis(hostile, [hostile], hostile), GridAxis("x", [hostile]), ((made,),))
    assert "<script" not in grid._repr_html_()
