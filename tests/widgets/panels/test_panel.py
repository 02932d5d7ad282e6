"""What holds for every panel."""

import threading

import pytest

from nbmerge.widgets import (
    GradientsPanel,
    MergePanel,
    MethodPanel,
    ModelsPanel,
    RecipePanel,
    SamplesPanel,
    ScoresPanel,
    StatisticsPanel,
)

PANELS = (GradientsPanel, MergePanel, MethodPanel, ModelsPanel, RecipePanel, SamplesPanel, ScoresPanel, StatisticsPanel)


@pytest.mark.parametrize("kind", PANELS)
def test_every_panel_works_alone(kind, recipe):
    panel = kind(recipe=recipe)
    assert panel.errors.value == ""
    assert panel.recipe == recipe
    panel.recipe = recipe.with_parameter("lambda", 0.5).to_yaml()
    assert panel.state.plan.tensors[0].values["lambda"] == 0.5
    assert panel.errors.value == ""
    assert "task_arithmetic" in repr(panel)


@pytest.mark.parametrize("kind", PANELS)
def test_every_panel_stands_an_empty_state_and_a_broken_recipe(kind, recipe):
    panel = kind()
    assert panel.errors.value == ""
    panel.recipe = recipe.replace(merge_method="no_such_method")
    assert panel.state.plan is None
    assert panel.errors.value == ""


def test_one_thing_at_a_time_across_panels(state):
    merge, statistics = MergePanel(state=state), StatisticsPanel(state=state)
    go = threading.Event()
    state.job.start("something", lambda progress, cancel: go.wait(10))
    assert merge.job.start.disabled
    assert statistics.job.start.disabled
    go.set()
    state.job.wait(10)
    assert not statistics.job.start.disabled
