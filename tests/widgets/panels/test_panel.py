"""What holds for every panel."""

import threading

import pytest

from nbmerge.widgets import (
    MergePanel,
    MethodPanel,
    ModelsPanel,
    RecipePanel,
    SamplesPanel,
    ScoresPanel,
    TokensPanel,
    TracksPanel,
)
from tests.widgets.browser import act

PANELS = (MergePanel, MethodPanel, ModelsPanel, RecipePanel, SamplesPanel, ScoresPanel, TokensPanel, TracksPanel)


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
def test_every_panel_shows_an_empty_state_and_a_broken_recipe(kind, recipe):
    panel = kind()
    assert panel.errors.value == ""
    panel.recipe = recipe.replace(merge_method="no_such_method")
    assert panel.state.plan is None
    assert panel.errors.value == ""


def test_one_thing_at_a_time_across_panels(state):
    merge, tracks = MergePanel(state=state), TracksPanel(state=state)
    go = threading.Event()
    state.job.start("something", lambda progress, cancel: go.wait(10))
    assert merge.view.content["detail"]["blocked"]
    act(tracks.view, "moved.measure")
    assert "still running" in tracks.errors.value
    go.set()
    state.job.wait(10)
    act(tracks.view, "moved.measure")
    assert tracks.errors.value == ""
    state.job.wait(60)
