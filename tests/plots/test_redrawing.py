"""A figure that is drawn again is the figure that is drawn once, to the byte."""

from dataclasses import replace

import pytest

import nbmerge as nbm
from nbmerge.plots import plot_merge, to_bytes
from nbmerge.plots.look import Look
from nbmerge.plots.pictures import Sheet, compose_merge
from nbmerge.plots.redrawing import Redrawing
from nbmerge.recipe import Recipe

BY_PART = [{"filter": "mlp", "value": 0.2}, {"value": 0.7}]
BY_TENSOR = [{"filter": "q_proj", "value": 0.2}, {"value": 0.7}]


@pytest.fixture
def recipe(deep_family):
    models = [
        {"model": str(m), "parameters": {"weight": w}} for m, w in ((deep_family.ft1, [0, 1]), (deep_family.ft2, 0.3))
    ]
    return Recipe.of({"merge_method": "task_arithmetic", "base_model": str(deep_family.base), "models": models})


@pytest.fixture
def made(monkeypatch):
    """Whole figures that are made."""
    figures = []
    make = Sheet.draw
    monkeypatch.setattr(Sheet, "draw", lambda *given: figures.append(make(*given)) or figures[-1])
    return figures


def draw_again(redrawing, recipe, changes=None, theme="auto", parents=()):
    """Draw, and compare with a figure of its own."""
    plan = nbm.plan(recipe)
    found = changes and changes.predict(plan)
    again = redrawing.draw(*compose_merge(plan, found, parents=parents, look=Look(theme)))
    figure = plot_merge(plan, found, parents=parents, theme=theme)
    assert again == to_bytes(figure, "png", redrawing.dpi, redrawing.compression)
    assert redrawing.size == tuple(figure.get_size_inches())


@pytest.mark.slow
def test_other_values_give_the_figure_of_these_values(recipe, made):
    redrawing = Redrawing(144, 1)
    for value in ([0, 1], [0.25, 1], [0.5, 0.25, 1], {0: 0.5, 1: 1.0}, 0.5, 0.6):
        draw_again(redrawing, recipe.with_parameter("weight", value, "ft1"))
    assert len(made) == 1 + 6  # and those that were compared


@pytest.mark.slow
def test_another_frame_is_drawn_as_a_whole(recipe, made):
    redrawing = Redrawing(144, 1)
    for value in ([0, 1], [0, 1.5], [-1, 1], 0.3, BY_PART, [0, 1]):  # of which 0.3 is the line of the other model
        draw_again(redrawing, recipe.with_parameter("weight", value, "ft1"))
    draw_again(redrawing, recipe, theme="dark")
    assert len(made) == 7 + 7


@pytest.mark.slow
def test_bands_distances_and_maps_are_drawn_again(recipe, deep_family):
    statistics = nbm.measure_models(deep_family.base, deep_family.ft1, deep_family.ft2)
    redrawing = Redrawing(144, 1)
    for value in (BY_TENSOR, [{"filter": "q_proj", "value": 0.9}, {"value": 0.7}]):
        draw_again(redrawing, recipe.with_parameter("weight", value, "ft1"))
    for value in ([0, 1], [0.5, 1], 0.25):
        draw_again(redrawing, recipe.with_parameter("weight", value, "ft1"), statistics, parents=("base",))


@pytest.mark.slow
def test_after_a_failure_it_starts_over(recipe, made):
    redrawing = Redrawing(144, 1)
    draw_again(redrawing, recipe)
    sheet, (row,) = compose_merge(nbm.plan(recipe))
    with pytest.raises(ZeroDivisionError):
        redrawing.draw(sheet, [replace(row, draw_again=lambda axes: 1 / 0)])
    draw_again(redrawing, recipe)
    assert len(made) == 2 + 2
