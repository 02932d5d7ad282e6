"""What the Tracks panel says about the distance of a merge from its parents is what a measurement says."""

import numpy as np
import pytest

from nbmerge.statistics import measure_merge
from nbmerge.widgets import TracksPanel
from tests.widgets.browser import act


def moved(panel):
    return panel.view.content["rows"]["moved"]


def measured(panel):
    act(panel.view, "moved.measure")
    assert panel.state.job.wait(60)
    assert panel.errors.value == ""
    return panel


def test_it_asks_before_it_reads_weights(tracks):
    assert moved(tracks)["button"] == "Measure the models"
    assert "parents" not in moved(tracks)


def test_measured_once_it_follows_the_sliders_exactly(tracks):
    measured(tracks)
    assert moved(tracks)["button"] == ""
    act(tracks.view, "curve.set_values", values=[[3, 0.99], [8, 0.7]], gesture=1)
    part, real = moved(tracks), measure_merge(tracks.recipe)
    assert not part["stale"]
    inside = np.array([line[1:7] for line in part["lines"]], dtype=float)
    assert inside == pytest.approx(real.by_layer().to_numpy().T, rel=1e-5)
    assert part["lines"][0][8] == pytest.approx(real.outside("base")["head"], rel=1e-5)
    cells = np.array([row["values"][1:7] for row in part["cells"]], dtype=float)
    assert cells == pytest.approx(real.grid("base").to_numpy().T, rel=1e-5)


def test_cosines_and_another_parent(tracks):
    measured(tracks)
    act(tracks.view, "moved.show", what="cosine", against="ft2")
    part = moved(tracks)
    assert (part["what"], part["against"], part["same"]) == ("cosine", "ft2", 1.0)
    assert max(v for line in part["lines"] for v in line if v is not None) <= 1


@pytest.mark.slow
def test_what_cannot_be_predicted_goes_out_of_date_or_is_estimated(tracks):
    tracks.state.use_method("ties")
    assert moved(tracks)["button"] == "Measure this merge"
    measured(tracks)
    assert moved(tracks)["note"] == "Measured on this recipe."
    tracks.state.edit(lambda r: r.with_parameter("lambda", 0.5))
    assert moved(tracks)["stale"]
    act(tracks.view, "moved.estimate", on=True)
    assert tracks.rows["moved"]._runner.wait(60)
    assert moved(tracks)["note"].startswith("Estimated from")
    assert not moved(tracks)["stale"]


def test_a_closed_panel_frees_what_was_measured(recipe):
    panel = measured(TracksPanel(recipe=recipe))
    state = panel.state
    panel.close()
    assert state.measurements.changes is None
