"""The source row of the Tracks panel: bands are the recipe's slices."""

import pytest

from nbmerge.widgets import TracksPanel
from tests.widgets.browser import act


def source(panel):
    return panel.view.content["rows"]["source"]


def bands(panel):
    return [[(s["label"], s["first"], s["end"]) for s in band["sources"]] for band in source(panel)["bands"]]


@pytest.fixture
def stacked(deep_family):
    slices = [
        {"sources": [{"model": str(deep_family.ft1), "layer_range": [0, 4]}]},
        {"sources": [{"model": str(deep_family.ft2), "layer_range": [2, 6]}]},
    ]
    return TracksPanel(recipe={"merge_method": "passthrough", "slices": slices})


def test_a_merge_of_whole_models_is_one_band(tracks):
    assert bands(tracks) == [[("ft1", 0, 6), ("ft2", 0, 6)]]
    assert source(tracks)["base"] == "base"
    assert source(tracks)["summary"].startswith("6 layers · ")
    assert [(o["column"], o["labels"]) for o in source(tracks)["outside"]] == [
        (0, ["base", "ft1", "ft2"]), (7, ["base", "ft1", "ft2"]), (8, ["base", "ft1", "ft2"]),
    ]  # fmt: skip


def test_edits_write_slices_and_are_undone(stacked):
    before = stacked.recipe
    act(stacked.view, "source.repeat", index=0)
    act(stacked.view, "source.set_range", index=2, first=3, end=6)
    assert bands(stacked) == [[("ft1", 0, 4)], [("ft1", 0, 4)], [("ft2", 3, 6)]]
    assert stacked.state.plan.depth == 11
    assert len(stacked.view.content["columns"]) == 14
    act(stacked.view, "source.move", index=2, to=0)
    act(stacked.view, "source.remove", index=1)
    assert bands(stacked) == [[("ft2", 3, 6)], [("ft1", 0, 4)]]
    for _ in range(4):
        stacked.state.undo()
    assert stacked.recipe == before


def test_a_model_that_is_chosen_but_not_used_can_be_inserted(tracks, deep_family):
    tracks.state.use_method("passthrough")  # which takes the layers of one model
    assert next(m["label"] for m in source(tracks)["models"]) == bands(tracks)[0][0][0]
    assert source(tracks)["stacking"]
    act(tracks.view, "source.insert", index=1, model=str(deep_family.ft2), first=1, end=6)
    assert tracks.errors.value == ""
    assert bands(tracks)[1] == [("ft2", 1, 6)]
    act(tracks.view, "source.set_model", index=0, model=str(deep_family.ft2))
    assert bands(tracks)[0] == [("ft2", 0, 6)]


def test_a_merge_that_is_cut_keeps_its_curve(tracks):
    before = tracks.view.content["rows"]["curve"]["chosen"]["values"]
    act(tracks.view, "source.split", layer=3)
    assert tracks.errors.value == ""
    assert [b["depth"] for b in source(tracks)["bands"]] == [3, 3]
    assert tracks.view.content["rows"]["curve"]["chosen"]["values"] == pytest.approx(before)


def test_impossible_ranges_are_refused_with_a_message(stacked):
    act(stacked.view, "source.remove", index=0)
    act(stacked.view, "source.remove", index=0)
    assert "only range of layers cannot be removed" in stacked.errors.value
    assert len(bands(stacked)) == 1
