"""Analyses by hand, in a real browser without Jupyter: cells of the effects, points of a path, tokens of a text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

import nbmerge as nbm
from nbmerge.widgets import GatherPanel, SearchPanel, StructurePanel, StudioState, SweepPanel, TextPanel, TracksPanel
from tests.browser.conftest import REQUIRED, missing
from tests.browser.test_accessibility import RUN_AXE
from tests.models import gradient_recipe, make_family
from tests.widgets.browser import act

pytestmark = pytest.mark.browser

PROMPTS = "the fox went to the river\nand the lion came"


@pytest.fixture(scope="module")
def pages():
    """A browser whose page shows one panel after another."""
    lacking = missing()
    if lacking:
        (pytest.fail if REQUIRED else pytest.skip)(f"no browser tests: {lacking}")
    from tests.browser.standalone import Bench

    with Bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("family"), layers=8)


@pytest.fixture
def state(family):
    state = StudioState(gradient_recipe(family))
    state.prompts = PROMPTS
    return state


@pytest.fixture
def tracks(state):
    panel = TracksPanel(state=state)
    act(panel.view, "ablation.choose", score="perplexity of the prompts", source="ft2")
    for row in ("ablation", "sensitivity"):
        act(panel.view, f"{row}.compute")
        assert state.job.wait(60)
    yield panel
    assert panel.errors.value == ""
    panel.close()


def assert_accessible(page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    page.add_script_tag(content=(Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    assert page.evaluate(RUN_AXE.replace(".nbm-studio", "main")) == []


def test_a_click_on_a_cell_takes_that_part_and_undo_brings_it_back(pages, tracks):
    page, before = pages.show(tracks.view), tracks.recipe
    cells = page.locator(".nbm-row-ablation .nbm-cells").bounding_box()
    width = cells["width"] / len(tracks.columns)
    page.mouse.move(cells["x"] + 4.5 * width, cells["y"] + 27)  # the second row of cells is the MLP
    cell = page.locator(".nbm-cell")
    expect(cell).to_have_attribute("title", re.compile("Take layer 3, MLP from ft2: perplexity of the prompts"))
    page.mouse.down()
    page.mouse.up()
    pages.settle()
    effect = nbm.ablate(before, "ft2", PROMPTS.split("\n"), progress=False)
    assert tracks.recipe == effect.recipe(3, "mlp")
    expect(page.locator(".nbm-work-bar").filter(has_text="Out of date")).to_have_count(2)
    tracks.state.undo()
    assert tracks.recipe == before


def test_cells_are_one_tab_stop_that_arrows_move_in(pages, tracks):
    page, before = pages.show(tracks.view), tracks.recipe
    cell = page.locator(".nbm-cell")
    cell.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    pages.settle()
    assert cell.get_attribute("aria-label").startswith("Take layer 1, norms from ft2")
    expect(page.locator(".nbm-tracks [role=status]").last).to_contain_text("layer 1, norms")
    page.keyboard.press("Enter")
    pages.settle()
    touched = {(t.layer, t.kind) for t in tracks.state.plan.tensors if t.values != nbm.plan(before)[t.name].values}
    assert touched == {(1, "rest")}


def test_triangles_say_which_way_helps(pages, tracks):
    page = pages.show(tracks.view)
    part = tracks.view.content["rows"]["sensitivity"]
    up = sum(d < -0.02 * part["most"] for d in part["slopes"])
    down = sum(d > 0.02 * part["most"] for d in part["slopes"])
    expect(page.locator(".nbm-halos .nbm-helps-up")).to_have_count(up)
    expect(page.locator(".nbm-halos .nbm-helps-down")).to_have_count(down)
    assert page.locator(".nbm-halos title").first.text_content().startswith(("up helps", "down helps"))


def test_a_point_of_a_path_leads_to_its_recipe(pages, state):
    state.edit(lambda recipe: recipe.with_parameter("weight", 0.9, "ft2"))
    panel = SweepPanel(state=state)
    page = pages.show(panel.view)
    page.get_by_label("points").fill("5")
    page.get_by_role("button", name="Score the path").click()
    assert state.job.wait(60)
    page.evaluate("content => window.model.set(content)", dict(panel.view.content))
    points = page.locator(".nbm-path-point")
    expect(points).to_have_count(5)
    expect(points.nth(1)).to_have_attribute("title", re.compile("25 % of the way: "))
    points.nth(0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    pages.settle()
    assert state.recipe.models[1].parameters["weight"].plain() == pytest.approx(0.45)
    expect(page.locator(".nbm-chart path.nbm-now")).to_have_count(1)
    for dark in (False, True):
        assert_accessible(pages.show(panel.view, dark=dark))
    assert panel.errors.value == ""
    panel.close()


def test_the_numbers_of_a_token_are_read_out(pages, state):
    panel = TextPanel(state=state)
    act(panel.view, "compare", text="the fox went.")
    assert state.job.wait(60)
    page = pages.show(panel.view)
    expect(page.locator(".nbm-passage:visible")).to_have_count(4)  # the merge and three parents
    expect(page.locator(".nbm-passage-title").nth(3)).to_contain_text("ft2 · perplexity")
    page.get_by_role("radio", name="the merge").click()
    expect(page.locator(".nbm-passage:visible")).to_have_count(1)
    page.locator(".nbm-token:visible").nth(4).hover()
    expect(page.locator(".nbm-readout")).to_contain_text("“o” log P: the merge")
    page.locator(".nbm-passage:visible").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".nbm-readout")).to_contain_text("“x”")
    page.get_by_role("radio", name="closest parent").click()
    expect(page.locator(".nbm-text-legend")).to_contain_text("ft2")
    page.locator("summary").click()
    expect(page.locator("tbody tr")).to_have_count(len(panel.view.content["result"]["tokens"]))
    for dark in (False, True):
        assert_accessible(pages.show(panel.view, dark=dark))
    panel.close()


def test_a_plot_of_the_structure_is_measured_and_shown_with_its_table(pages, state):
    panel = StructurePanel(state=state)
    page = pages.show(panel.view)
    page.get_by_label("Plot", exact=True).select_option("Cosines by layer")
    page.get_by_role("button", name="Measure").click()
    assert state.job.wait(60)
    assert panel.drawing.runner.wait(60)
    pages.update()
    picture = page.get_by_role("img")
    expect(picture).to_have_attribute("alt", re.compile("^Cosines by layer: "))
    page.wait_for_function("image => image.complete && image.naturalWidth === 960", arg=picture.element_handle())
    expect(page.get_by_role("columnheader")).to_have_text(["layer", "kind", "cosine[ft1, ft2]"])
    expect(page.get_by_role("listitem")).to_contain_text(["The task vectors of ft1 and ft2 have the cosine"])
    expect(page.get_by_role("button", name="Measure")).to_be_hidden()
    for dark in (False, True):
        assert_accessible(pages.show(panel.view, dark=dark))
    page = pages.show(panel.view, 700)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert panel.errors.value == ""
    panel.close()


def test_texts_are_typed_for_each_model(pages, family, tmp_path, monkeypatch):
    monkeypatch.setenv("NBMERGE_CACHE", str(tmp_path / "cache"))
    panel = GatherPanel({"merge_method": "fisher", "models": [str(family.ft1), str(family.ft2)]})
    page = pages.show(panel.view)
    page.get_by_label("Texts of ft1, one per line").fill("the fox went to the river\n")
    (tmp_path / "texts.txt").write_text("and the lion came")
    page.get_by_label("File with texts of ft2").fill(str(tmp_path / "texts.txt"))
    page.get_by_role("button", name="Gather statistics").click()
    assert panel.state.job.wait(60)
    pages.update()
    assert panel.errors.value == ""
    assert not panel.state.groups
    expect(page.get_by_role("status")).to_contain_text("The recipe has its statistics.")
    for dark in (False, True):
        assert_accessible(pages.show(panel.view, dark=dark))
    page.get_by_role("radio", name="The same for all").click()
    expect(page.get_by_label("Texts of All models, one per line")).to_be_visible()
    panel.close()


def test_a_search_is_started_watched_and_led_back_from(pages, state):
    panel = SearchPanel(state=state)
    page = pages.show(panel.view)
    page.get_by_label("Trials", exact=True).fill("5")
    page.get_by_label("Storage file").fill("")
    vary = page.get_by_role("checkbox", name=re.compile("^Vary"))
    for box in vary.all()[1:]:
        box.uncheck()
    page.get_by_label("Held out for perplexity of the prompts", exact=True).select_option("texts …")
    page.get_by_label("Texts held out for perplexity of the prompts").fill("the owl slept")
    page.get_by_role("button", name="Start").click()
    assert state.job.wait(120)
    assert panel.drawing.runner.wait(60)
    pages.update()
    assert panel.errors.value == ""
    assert page.get_by_label("Texts held out for perplexity of the prompts").input_value() == "the owl slept"
    expect(page.get_by_role("status").first).to_have_text("5 trials; the best are in History.")
    expect(page.locator(".nbm-trial-dots circle")).to_have_count(5)
    expect(
        page.get_by_role("img", name=re.compile("^perplexity of the prompts: from .* held out, from"))
    ).to_be_visible()
    page.get_by_role("button", name=re.compile("^Trial [0-9]")).first.click()
    pages.settle()
    found = state.analyses.find("search", state.plan)
    assert state.recipe == found.best
    expect(page.get_by_role("button", name=f"Trial {found.best_trial.number}")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert len(found.space.parts) == 1
    for dark in (False, True):
        assert_accessible(pages.show(panel.view, dark=dark))
    page = pages.show(panel.view, 700)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    panel.close()


def test_axe_finds_nothing_serious_in_the_rows(pages, tracks):
    for dark in (False, True):
        assert_accessible(pages.show(tracks.view, dark=dark))


def test_analyses_of_many_layers_are_accessible_too(pages, tmp_path_factory):
    """Their results at 80 layers, with the widest tables and pictures."""
    state = StudioState(gradient_recipe(make_family(tmp_path_factory.mktemp("deep"), layers=80)))
    state.prompts = PROMPTS
    state.edit(lambda recipe: recipe.with_parameter("weight", 0.9, "ft2"))
    started = {
        StructurePanel: ("measure", {}), SweepPanel: ("start", {"first": "now", "second": "step 1", "points": 2}),
        TextPanel: ("compare", {"text": "the fox"}),
    }  # fmt: skip
    for kind, (action, args) in started.items():
        panel = kind(state=state)
        act(panel.view, action, **args)
        assert state.job.wait(120)
        for dark in (False, True):
            assert_accessible(pages.show(panel.view, dark=dark))
        assert panel.errors.value == ""
        panel.close()
