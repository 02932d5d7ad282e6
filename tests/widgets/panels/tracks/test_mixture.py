"""Mixtures of experts have no numbers over the layers: rows that are about them say so, or are hidden."""

from nbmerge.recipe import Recipe
from nbmerge.widgets import SweepPanel, TracksPanel
from tests.mixtures import mixture


def test_what_has_no_meaning_for_a_mixture_is_not_offered(family, state):
    state.set_recipe(Recipe.of(mixture(family.base, [family.ft1, family.ft2])))
    state.prompts = "hello world"
    panel, sweep = TracksPanel(state=state), SweepPanel(state=state)
    rows = panel.view.content["rows"]
    assert "moved" not in rows
    for name in ("ablation", "sensitivity"):
        assert not rows[name]["ready"]
        assert not rows[name]["scores"]
        assert "mixture" in rows[name]["note"]
    assert [end["title"] for end in sweep.view.content["ends"]] == ["the merge now"]
    panel.close()
    sweep.close()
