"""The Structure panel: plots of what was measured, which is kept while the models stay the same."""

import re

import pytest

import nbmerge as nbm
from nbmerge.plots import to_png
from nbmerge.widgets import StructurePanel
from nbmerge.widgets.panels.analysis.structure_plots import PLOTS
from tests.mixtures import mixture
from tests.models import make_family
from tests.widgets.browser import act


@pytest.fixture
def panel(state):
    made = StructurePanel(state=state)
    yield made
    made.close()


def measured(panel, plot):
    act(panel.view, "choose", plot=plot)
    if not panel.view.content["measured"]:
        act(panel.view, "measure")
        assert panel.state.job.wait(60)
    assert panel.drawing.runner.wait(60)
    assert panel.errors.value == ""
    assert panel.view.content["drawn"]
    return panel.view.content


def models_of(state):
    return [str(ref) for ref in (state.recipe.base_model, *(m.model for m in state.recipe.models))]


@pytest.mark.slow
def test_numbers_are_those_of_the_functions_and_serve_several_plots(panel, state):
    content = measured(panel, "unchanged")
    expected = nbm.measure_models(*models_of(state), progress=False)
    assert content["table"]["columns"] == [
        "layer", "unchanged[ft1]", "floor[ft1]", "unchanged[ft2]", "floor[ft2]",
    ]  # fmt: skip
    column = [row[1] for row in content["table"]["rows"]]
    assert column == pytest.approx(expected.by_layer["unchanged[ft1]"].to_list(), rel=1e-3)
    assert content["words"][0].startswith(f"{100 * expected.summary['unchanged[ft1]']:.3g} % of ft1 equals base")
    act(panel.view, "choose", plot="cosine")
    assert panel.view.content["measured"]
    assert len(panel.view.content["table"]["rows"]) == len(expected.by_part)


@pytest.mark.slow
def test_what_is_seen_is_what_is_downloaded(panel, state, monkeypatch):
    act(panel.view, "theme", theme="dark")
    shown = measured(panel, "family")["png"]
    sent = []
    monkeypatch.setattr(panel.view, "send", lambda message, buffers: sent.append((message, *buffers)))
    act(panel.view, "save", format="png", window="a")
    act(panel.view, "save_table", window="a")
    (message, picture), (table, rows) = sent
    assert (message["file"], table["file"]) == ("structure-family.png", "structure-family.csv")
    found = nbm.check_family(*models_of(state), progress=False)
    assert picture == to_png(found.plot(theme="dark"), 300)
    assert rows == found.table.to_csv(index=False).encode()
    assert shown.startswith(b"\x89PNG")
    assert panel.view.content["words"] == [finding.text for finding in found.findings]


@pytest.mark.slow
def test_other_models_are_measured_again_and_other_values_are_not(panel, state, tmp_path):
    measured(panel, "change")
    state.edit(lambda recipe: recipe.with_parameter("weight", 0.9, "ft2"))
    assert panel.view.content["measured"]
    act(panel.view, "choose", plot="coefficients")
    before = measured(panel, "coefficients")["table"]
    state.edit(lambda recipe: recipe.with_parameter("weight", 0.1, "ft2"))
    assert not panel.view.content["measured"]
    assert measured(panel, "coefficients")["table"] != before
    other = make_family(tmp_path / "other", layers=6)  # the same names and layers
    state.make_base(str(other.base))
    act(panel.view, "choose", plot="change")
    assert not panel.view.content["measured"]


def test_what_cannot_be_drawn_is_said(panel, state):
    state.remove_model(str(state.recipe.models[1].model))
    act(panel.view, "choose", plot="conflicts")
    assert panel.view.content["reason"] == "This plot needs three models: a base, and two beside it."
    act(panel.view, "measure")
    assert "needs three models" in panel.errors.value
    state.set_recipe(state.recipe.replace(merge_method="tis"))
    assert panel.view.content["reason"] == "Fix the errors in the recipe first."
    act(panel.view, "choose", plot="no such plot")
    assert "There is no plot" in panel.errors.value


@pytest.mark.slow
def test_every_plot_is_drawn_with_its_table(panel):
    for plot in [key for key in PLOTS if key != "routing"]:  # that is of mixtures
        content = measured(panel, plot)
        assert content["png"].startswith(b"\x89PNG"), plot
        assert content["table"]["rows"], plot
        assert content["help"] == PLOTS[plot].help


@pytest.mark.slow
def test_routing_is_of_mixtures_and_of_the_prompts_on_screen(tmp_path, panel):
    offered = [plot["key"] for plot in panel.view.content["plots"]]
    assert "routing" not in offered
    family = make_family(tmp_path)
    panel.state.set_recipe(nbm.Recipe.of(mixture(family.base, [family.ft1, family.ft2])))
    panel.state.prompts = "hello world\nabc, abc"
    content = measured(panel, "routing")
    assert [row[0] for row in content["table"]["rows"][::6]] == ["hello world", "abc, abc"]
    assert re.match(r"“abc, abc”: ft[12] has the largest share, \d+(\.\d)? % ", content["words"][1])
    panel.state.prompts = "abc"
    act(panel.view, "choose", plot="routing")
    assert not panel.view.content["measured"]
