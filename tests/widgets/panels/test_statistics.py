"""The statistics panel: what is drawn is what a measurement would give."""

import numpy as np
import pytest

from nbmerge.plots import to_png
from nbmerge.statistics import measure_merge
from nbmerge.widgets import GradientsPanel, StatisticsPanel
from tests.widgets.browser import move


def test_statistics_follow_the_sliders_once_measured(state):
    panel, sliders = StatisticsPanel(state=state), GradientsPanel(state=state)
    assert panel.pictures.layout.display == "none"
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.errors.value == ""
    shown = []
    panel.view.observe(lambda change: shown.append(state.text), "content")
    written = state.text
    move(sliders.sliders.children[3], value=0.99)
    assert shown == [written]  # drawn once, before the recipe is written as YAML
    assert state.text != written
    assert "follows the sliders" in panel.note.value
    panel.what.value = "cosine"
    assert "cosine with" in panel.outside.value
    assert panel.view.content["axis"]["title"] == "cosine, by layer"


def test_what_is_drawn_is_what_a_measurement_of_the_merge_says(state):
    panel, sliders = StatisticsPanel(state=state), GradientsPanel(state=state)
    panel.job.start.click()
    assert state.job.wait(60)
    for slot, value in ((3, 0.99), (0, 0.2), (8, 0.7), (3, 0.1)):
        move(sliders.sliders.children[slot], value=value)
    drawn, real = np.frombuffer(panel.view.content["curves"]), measure_merge(state.recipe).by_layer()
    assert drawn == pytest.approx(real.to_numpy().T.ravel(), rel=1e-5)
    cells = np.frombuffer(panel.view.content["cells"]).reshape(3, 6)
    assert cells == pytest.approx(measure_merge(state.recipe).grid("base").to_numpy().T, rel=1e-5)
    figures = panel.figures()
    assert to_png(figures[0]).startswith(b"\x89PNG")


def test_methods_that_cannot_be_predicted_are_measured_and_go_out_of_date(state):
    state.use_method("ties")
    panel = StatisticsPanel(state=state)
    assert panel.job.start.description == "Measure this merge"
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.note.value == "Measured on the present recipe."
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert "Out of date" in panel.note.value
    assert "nbm-stale" in panel.drawn._dom_classes


def test_what_cannot_be_predicted_is_estimated_where_that_is_wanted(state):
    panel = StatisticsPanel(state=state)
    assert panel.estimating.layout.display == "none"
    state.use_method("ties")
    assert panel.estimating.layout.display == ""
    panel.estimating.value = True
    assert panel.runner.wait(60)
    assert "<b>Estimated</b> from" in panel.note.value
    before = panel.view.content["curves"]
    state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert panel.runner.wait(60)
    assert panel.errors.value == ""
    assert panel.view.content["curves"] != before
    panel.job.start.click()
    assert state.job.wait(60)
    assert panel.runner.wait(60)
    assert panel.note.value == "Measured on the present recipe."
    drawn = np.frombuffer(panel.view.content["curves"]).reshape(3, 6)
    assert drawn == pytest.approx(measure_merge(state.recipe).by_layer().to_numpy().T)
    state.use_method("task_arithmetic")
    assert panel.estimating.layout.display == "none"
