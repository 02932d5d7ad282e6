"""Figures of recipes, plans and changes: what they show for which recipe, with models at hand and without."""

import math

import numpy as np
import pytest

import nbmerge as nbm
from nbmerge import Recipe
from nbmerge.errors import ArgumentError
from nbmerge.plots import plot_merge, to_bytes, to_png
from nbmerge.plots.plan_gradients import read_plan

ABSENT = {
    "merge_method": "dare_ties",
    "base_model": "someone/base",
    "models": [
        {"model": "someone/math", "parameters": {"weight": [0, 0.5, 1], "density": 0.5}},
        {"model": "someone/code", "parameters": {"weight": [{"filter": "mlp", "value": [1, 0.2]}, {"value": 0.4}]}},
    ],
}


def labels(figure):
    return [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


@pytest.fixture
def recipe(family):
    models = [
        {"model": str(family.ft1), "parameters": {"weight": [0, 1]}},
        {"model": str(family.ft2), "parameters": {"weight": [{"filter": "mlp", "value": 0.2}, {"value": 0.7}]}},
    ]
    return Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})


def test_a_plan_shows_what_each_layer_gets(recipe):
    (shown,) = read_plan(nbm.plan(recipe))[:1]
    assert shown.parameter == "weight"
    first, *second = shown.gradients
    assert list(first.y) == [0.0, 0.5, 1.0]
    assert first.knots == [(0.0, 0.0), (2.0, 1.0)]
    assert first.outside == {"embedding": 0.0, "final norm": 1.0, "head": 1.0}
    assert [(g.label, set(g.y)) for g in second] == [("ft2, attention and rest", {0.7}), ("ft2, mlp", {0.2})]


def test_a_recipe_of_local_models_is_plotted_over_their_layers(recipe):
    figure = recipe.plot()
    assert figure.axes[0].get_xlabel() == "layer"
    assert labels(figure) == labels(nbm.plan(recipe).plot()) == ["ft1", "ft2, attention and rest", "ft2, mlp"]


def test_a_recipe_of_absent_models_is_plotted_from_the_first_layer_to_the_last():
    figure = Recipe.of(ABSENT).plot()
    assert [axes.get_ylabel() for axes in figure.axes] == ["weight", "density"]
    assert figure.axes[-1].get_xlabel() == "depth"
    assert labels(figure) == ["math", "code", "code, mlp"]
    ring = figure.axes[0].lines[3]
    assert [tuple(map(float, p)) for p in ring.get_xydata()] == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]


def test_slices_show_the_source_of_each_layer_and_break_the_lines():
    slices = [
        {"sources": [{"model": "a", "layer_range": [0, 4]}, {"model": "b", "layer_range": [0, 4]}]},
        {"sources": [{"model": "a", "layer_range": [2, 6]}, {"model": "b", "layer_range": [2, 6]}]},
    ]
    slices[0]["parameters"] = {"t": [0, 1]}
    figure = Recipe.of({"merge_method": "slerp", "base_model": "a", "slices": slices, "parameters": {"t": 0.5}}).plot()
    strip, t = figure.axes
    assert [x.get_text() for x in strip.texts] == ["0–3", "2–5", "0–3", "2–5"]
    x, y = t.lines[-2].get_data()
    assert list(x) == [0, 3, 3, 4, 7, 7]
    assert list(y)[:2] == [0, 1]
    assert list(y)[3:5] == [0.5, 0.5]
    assert math.isnan(y[2])


def test_a_recipe_of_copied_layers_alone_shows_where_they_come_from():
    slices = [{"sources": [{"model": m, "layer_range": r}]} for m, r in (("a", [0, 24]), ("b", [8, 32]))]
    figure = Recipe.of({"merge_method": "passthrough", "slices": slices}).plot()
    assert [x.get_text() for x in figure.axes[0].texts] == ["0–23", "8–31"]


def test_unknown_parameters_and_themes_are_named():
    with pytest.raises(ArgumentError, match=r"no numeric parameter 'lambda_'\. It has weight, density"):
        Recipe.of(ABSENT).plot("lambda_")
    with pytest.raises(ArgumentError, match="theme must be one of auto, light, dark"):
        Recipe.of(ABSENT).plot(theme="black")


@pytest.mark.slow
def test_parents_keep_their_colours_in_all_figures(recipe):
    plan = nbm.plan(recipe)
    changes = nbm.measure_merge(plan)
    together, alone = plot_merge(plan, changes), changes.plot()

    def colour(axes, name):
        texts = [t.get_text() for t in axes.get_legend().get_texts()]
        return axes.get_legend().legend_handles[texts.index(name)].get_color()

    assert colour(plan.plot().axes[0], "ft1") == colour(together.axes[1], "ft1") == colour(alone.axes[0], "ft1")
    assert len({colour(alone.axes[0], name) for name in changes.parents}) == len(changes.parents)


def test_layers_stand_below_each_other(recipe):
    plan = nbm.plan(recipe)
    figure = plot_merge(plan, nbm.measure_merge(plan))
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert len({(axes.get_position().x0, axes.get_position().x1) for axes in figure.axes}) == 1


def test_heat_maps_of_chosen_parents_only(recipe):
    changes = nbm.measure_merge(recipe)
    assert len(changes.plot(parents=["base"]).axes) == 2
    assert len(changes.plot("cosine", parents=[]).axes) == 1
    with pytest.raises(ArgumentError, match="'other' is not a parent"):
        changes.plot(parents="other")


@pytest.mark.parametrize(("theme", "ground"), [("light", [255] * 4), ("dark", [17, 17, 17, 255]), ("auto", [0])])
@pytest.mark.rest_is_slow(keep=1)
def test_themes_have_their_background(theme, ground):
    import io

    from matplotlib.image import imread

    corner = imread(io.BytesIO(to_png(Recipe.of(ABSENT).plot(theme=theme))))[0, 0]
    assert list(np.round(corner * 255))[-len(ground) :] == ground


@pytest.mark.slow
def test_files_are_the_same_every_time():
    figure = Recipe.of(ABSENT).plot(theme="light")
    for format, head in {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}.items():
        assert to_bytes(figure, format).startswith(head)
        assert to_bytes(figure, format) == to_bytes(figure, format)


def test_notebooks_show_a_figure_without_pyplot():
    from IPython.core.formatters import DisplayFormatter

    figure = Recipe.of(ABSENT).plot()
    data, metadata = DisplayFormatter().format(figure)
    assert data["image/png"]
    assert metadata["image/png"]["width"] == 640


def test_values_at_given_layers_are_knots_there(family):
    weight = {0: 0.2, 1: 0.8}
    models = [{"model": str(family.ft1), "parameters": {"weight": weight}}]
    recipe = Recipe.of({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})
    (shown,) = read_plan(nbm.plan(recipe))[0].gradients
    assert shown.knots == [(0.0, 0.2), (1.0, 0.8)]
    assert list(shown.y) == [0.2, 0.8, 0.8]
    nominal = recipe.with_models({str(family.ft1): "x/y", str(family.base): "x/base"}).plot()
    assert [tuple(map(float, p)) for p in nominal.axes[0].lines[-2].get_xydata()][:2] == [(0.0, 0.2), (1.0, 0.8)]


def test_many_models_have_a_figure_of_a_usual_size():
    models = [{"model": f"someone/model-{i}", "parameters": {"weight": [0, i / 100]}} for i in range(100)]
    figure = Recipe.of({"merge_method": "linear", "models": models}).plot()
    assert labels(figure)[-2:] == ["model-22", "and 77 more"]
    assert figure.get_figheight() < 10
    slices = [{"sources": [{"model": f"someone/model-{i}", "layer_range": [i, i + 1]}]} for i in range(100)]
    with pytest.raises(ArgumentError, match="nothing to plot"):
        Recipe.of({"merge_method": "passthrough", "slices": slices}).plot()


def test_a_model_of_two_stacks_shows_the_deeper_one(tmp_path):
    from tests.encoder_decoders import make_t5

    a, b = make_t5(tmp_path, 2)
    plan = nbm.plan(
        {"merge_method": "slerp", "models": [str(a), str(b)], "base_model": str(a), "parameters": {"t": [0, 1]}}
    )
    (gradient,) = read_plan(plan)[0].gradients
    assert list(gradient.y) == pytest.approx(np.linspace(0, 1, plan.depth))
    assert to_png(plan.plot())


def test_knots_are_drawn_on_the_line_of_their_own_filter(deep_family):
    weight = [{"filter": "mlp", "value": [0, 1, 0, 1]}, {"value": 0.3}]
    models = [{"model": str(deep_family.ft1), "parameters": {"weight": weight}}]
    recipe = Recipe.of({"merge_method": "task_arithmetic", "base_model": str(deep_family.base), "models": models})
    others, mlp = read_plan(nbm.plan(recipe))[0].gradients
    assert others.knots == []
    assert [value for _, value in mlp.knots] == [0, 1, 0, 1]
