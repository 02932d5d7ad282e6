"""The Tracks panel by hand: mouse and keyboard in a real browser, without Jupyter (see `standalone`)."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from nbmerge.widgets import TracksPanel
from tests.browser.conftest import REQUIRED, missing
from tests.models import Family, make_family

pytestmark = pytest.mark.browser


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
def families(tmp_path_factory):
    root = tmp_path_factory.mktemp("families")
    made: dict[int, Family] = {}

    def family(layers: int) -> Family:
        if layers not in made:
            made[layers] = make_family(root / str(layers), layers=layers)
        return made[layers]

    return family


def recipe(family: Family, weight=(0, 0.5, 1)):
    models = [
        {"model": str(family.ft1), "parameters": {"weight": list(weight)}},
        {"model": str(family.ft2), "parameters": {"weight": 0.3}},
    ]
    return {"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models}


@pytest.fixture
def panel(families):
    panel = TracksPanel(recipe(families(8)))
    yield panel
    assert panel.errors.value == ""
    panel.close()


@pytest.fixture
def page(pages, panel):
    return pages.show(panel.view)


def weight(panel: TracksPanel):
    return panel.recipe.models[0].parameters["weight"].plain()


def values(panel: TracksPanel) -> list[float]:
    """Of the layers."""
    return panel.view.content["rows"]["curve"]["chosen"]["values"][1:-2]


def center(page: Page, selector: str, number: int = 0) -> tuple[float, float]:
    box = page.locator(selector).nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(pages, start: tuple[float, float], *to: tuple[float, float]) -> None:
    """Press, move through places, release, and wait for the kernel."""
    mouse = pages.page.mouse
    mouse.move(*start)
    mouse.down()
    for place in to:
        mouse.move(*place, steps=6)
    mouse.up()
    pages.settle()


KNOT, GROUND = ".nbm-row-curve .nbm-knot circle.nbm-point", ".nbm-row-curve .nbm-ground"


def layer_x(page: Page, layer: int) -> float:
    return center(page, ".nbm-slider", layer + 1)[0]


def level(page: Page, value: float) -> float:
    """The height of a value on the axis from 0 to 1."""
    at = {float(n.text_content()): n.bounding_box() for n in page.locator(".nbm-row-curve .nbm-number").all()}
    y = {v: box["y"] + box["height"] / 2 for v, box in at.items()}
    return y[0.0] + (y[1.0] - y[0.0]) * value


def test_a_knot_is_dragged_and_snaps(pages, page, panel):
    x, y = center(page, KNOT, 1)
    drag(pages, (x, y), (x, level(page, 0.8)))
    assert weight(panel)[::2] == [0, 1]
    assert weight(panel)[1] == pytest.approx(0.8, abs=0.02)
    drag(pages, center(page, KNOT, 1), (x, level(page, 0.98)))
    assert weight(panel) == [0, 1, 1]
    drag(pages, center(page, KNOT, 2), (layer_x(page, 7), level(page, 1.12)))
    assert weight(panel)[2] > 1.05  # beyond the axis
    panel.state.undo()
    panel.state.undo()
    panel.state.undo()
    assert not panel.state.can_undo  # one drag, one step


def test_a_knot_is_dragged_by_a_finger(pages, page, panel):
    x, y = center(page, KNOT, 1)
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        for kind, up in (("touchStart", 0), *(("touchMove", up) for up in (8, 20, 32)), ("touchEnd", None)):
            points = [] if up is None else [{"x": x, "y": y - up}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        pages.settle()
    finally:
        touch.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
        touch.detach()
    assert weight(panel)[::2] == [0, 1]
    assert weight(panel)[1] > 0.6
    assert page.evaluate("() => scrollY") == 0  # the finger moved the knot, not the page


def test_the_curve_follows_at_once_and_the_slider_with_it(pages, page, panel):
    """Before the kernel has answered: its answers are held back."""
    page.evaluate(
        "() => { const set = window.model.set; window.model.set = (next) => { window.model.late = () => set(next); } }"
    )
    before = page.locator(".nbm-chosen").get_attribute("d")
    handle = center(page, ".nbm-slider .nbm-handle", 3)
    x, y = center(page, KNOT, 1)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 30)
    expect(page.locator(".nbm-chosen")).not_to_have_attribute("d", before)
    page.wait_for_function(
        f"() => document.querySelectorAll('.nbm-slider .nbm-handle')[3].getBoundingClientRect().top < {handle[1] - 8}"
    )
    page.mouse.up()
    page.evaluate("() => window.model.late()")


def test_a_double_press_adds_a_knot_and_removes_it(pages, page, panel):
    x, y = layer_x(page, 2), level(page, 0.75)
    page.mouse.dblclick(x, y)
    pages.settle()
    assert weight(panel)[2] == pytest.approx(0.75, abs=0.03)
    assert len(page.locator(KNOT).all()) == 4
    page.mouse.dblclick(x, y)
    pages.settle()
    assert weight(panel) == [0, 0.5, 1]


def test_where_curves_lie_on_each_other_the_chosen_one_is_taken(pages, families):
    family = families(8)
    models = [{"model": str(path), "parameters": {"weight": 0.5}} for path in (family.ft1, family.ft2)]
    panel = TracksPanel({"merge_method": "task_arithmetic", "base_model": str(family.base), "models": models})
    page = pages.show(panel.view)
    x, y = layer_x(page, 2), level(page, 0.5)
    page.mouse.dblclick(x, y)
    pages.settle()
    assert len(page.locator(KNOT).all()) == 3  # the new one, and the ends of the line that was level
    drag(pages, (x, y), (x, level(page, 0.8)))
    written = weight(panel)
    assert written.pop(2) == pytest.approx(0.8, abs=0.02)
    assert written == {0: 0.5, 7: 0.5}
    assert panel.recipe.models[1].parameters["weight"].plain() == 0.5
    panel.close()


def test_layers_are_painted(pages, page, panel):
    page.get_by_role("button", name="Paint").click()
    y = level(page, 0.25)
    drag(pages, (layer_x(page, 1), y), (layer_x(page, 5), y))
    assert values(panel)[1:6] == pytest.approx([0.25] * 5, abs=0.02)
    assert values(panel)[0] == 0
    assert values(panel)[7] == 1
    expect(page.get_by_role("button", name="Paint")).to_have_attribute("aria-pressed", "true")


def test_layers_are_selected_and_scaled(pages, page, panel):
    drag(pages, (layer_x(page, 3), level(page, 0.1)), (layer_x(page, 6), level(page, 0.1)))
    tools = page.get_by_role("group", name="selected layers")
    expect(tools).to_contain_text("layers 3–6")
    before = values(panel)
    tools.get_by_label("by").fill("0.5")
    tools.get_by_role("button", name="Scale").click()
    pages.settle()
    assert values(panel) == pytest.approx([v * 0.5 if 3 <= i <= 6 else v for i, v in enumerate(before)], abs=1e-4)
    tools.get_by_label("by").fill("0.9")
    tools.get_by_role("button", name="Set").click()
    pages.settle()
    assert values(panel)[3:7] == [0.9] * 4
    drag(pages, (layer_x(page, 4), level(page, 0.9)), (layer_x(page, 4), level(page, 0.7)))  # all selected together
    assert values(panel)[3:7] == pytest.approx([0.7] * 4, abs=0.02)
    tools.get_by_role("button", name="Clear").click()
    expect(tools).to_be_hidden()


def test_values_are_typed(pages, page, panel):
    field = page.get_by_label("values")
    field.fill("0.2, 0.4")
    field.press("Enter")
    pages.settle()
    assert weight(panel) == [0.2, 0.4]
    expect(field).to_have_value("0.2, 0.4")
    field.fill("2-4 mlp: 0.9")
    field.press("Enter")
    pages.settle()
    plan = panel.state.plan
    assert plan["model.layers.3.mlp.up_proj.weight"].values.each["weight"][1] == 0.9
    assert plan["model.layers.3.self_attn.q_proj.weight"].values.each["weight"][1] < 0.4


def test_refused_values_stay_as_they_were_typed(pages, families):
    panel = TracksPanel(recipe(families(8)))
    page = pages.show(panel.view)
    field = page.get_by_label("values")
    field.fill("0.2, much")
    field.press("Enter")
    pages.settle()
    assert "much" in panel.errors.value
    page.get_by_role("button", name="Paint").focus()
    pages.settle()
    expect(field).to_have_value("0.2, much")
    field.press("Escape")
    expect(field).to_have_value("0, 0.5, 1")


def test_a_slider_is_dragged_and_the_tracks_are_marked(pages, page, panel):
    x, y = center(page, ".nbm-slider .nbm-handle", 3)
    drag(pages, (x, y), (x, y - 20))
    assert values(panel)[2] > 0.5
    expect(page.locator(".nbm-readout")).to_contain_text(re.compile("^Layer 2"))
    expect(page.locator(".nbm-slider.nbm-current")).to_have_count(1)


def test_the_layer_under_the_pointer_is_read_out_with_its_formulas(pages, page, panel):
    opened = []
    panel.connect(opened.append)
    pages.show(panel.view)
    page.mouse.move(layer_x(page, 7), level(page, 0.6))
    readout = page.locator(".nbm-readout")
    expect(readout).to_contain_text("Layer 7")
    expect(readout).to_contain_text("W = base + (ft1 − base) + 0.3·(ft2 − base)")
    readout.get_by_role("button", name="Tensors").click()  # on the way to it, the layer stays
    pages.settle()
    page.get_by_role("slider", name="weight of ft1").focus()
    page.keyboard.press("Home")
    page.keyboard.press("f")
    pages.settle()
    assert opened == ["model.layers.7.", "model.embed_tokens.weight"]


def test_the_last_curve_stays_in_place_while_the_recipe_has_errors(pages, page, panel):
    before = page.locator("#view").bounding_box()
    drawn = page.locator(".nbm-chosen").get_attribute("d")
    panel.state.edit(lambda recipe: recipe.with_parameter("no_such_parameter", 1))
    pages.show(panel.view)
    assert panel.state.plan is None
    assert page.locator("#view").bounding_box() == before
    expect(page.locator(".nbm-chosen")).to_have_attribute("d", drawn)
    expect(page.locator(".nbm-tools-line")).to_contain_text("Fix the errors")
    assert page.locator(".nbm-stage").evaluate("node => node.inert")
    panel.state.undo()
    pages.show(panel.view)
    assert not page.locator(".nbm-stage").evaluate("node => node.inert")


def test_the_place_of_the_tracks_stays_while_other_models_are_chosen(pages, page, panel):
    before = page.locator("#view").bounding_box()
    panel.state.start_over()
    page.evaluate("next => window.model.set(next)", dict(panel.view.content))
    expect(page.locator("#view")).to_contain_text("Choose models to see their layers.")
    assert page.locator("#view").bounding_box() == before
    panel.state.undo()
    page.evaluate("next => window.model.set(next)", dict(panel.view.content))
    expect(page.locator(".nbm-stage")).to_be_visible()
    assert page.locator("#view").bounding_box() == before


def test_a_shape_is_drawn_between_two_numbers(pages, page, panel):
    page.get_by_role("button", name="Shapes").click()
    page.get_by_label("First number").fill("0.2")
    page.get_by_label("Second number").fill("0.8")
    page.get_by_role("menuitem", name=re.compile("^tent")).click()
    pages.settle()
    assert weight(panel) == [0.2, 0.8, 0.2]


def test_shapes_parts_and_models_are_chosen(pages, page, panel):
    page.get_by_role("radio", name="ft2").click()
    pages.settle()
    page.get_by_role("button", name="Shapes").click()
    page.get_by_role("menuitem", name=re.compile("^ramp down")).click()
    pages.settle()
    assert panel.recipe.models[1].parameters["weight"].plain() == [1, 0]
    page.get_by_role("radio", name="MLP").click()
    pages.settle()
    assert panel.rows["curve"].group == "mlp"


def test_everything_by_keyboard(pages, page, panel):
    """One tab stop for the curve, arrows inside."""
    focus = page.get_by_role("slider", name="weight of ft1")
    expect(focus).to_have_count(1)
    focus.focus()
    page.keyboard.press("Home")
    expect(focus).to_have_attribute("aria-valuetext", re.compile("^embeddings: 0"))
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "k"):  # a knot at layer 2
        page.keyboard.press(key)
    pages.settle()
    expect(page.get_by_role("status")).to_have_text("Point added at layer 2.")
    page.keyboard.press("PageUp")
    pages.settle()
    expect(focus).to_have_attribute("aria-valuetext", re.compile("^layer 2: .*a point of the curve"))
    assert values(panel)[2] == pytest.approx(2 / 7 + 0.1, abs=0.01)
    page.keyboard.press("Delete")
    pages.settle()
    assert weight(panel) == [0, 0.5, 1]
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.get_by_role("status")).to_have_text("layers 2–4 selected.")
    page.keyboard.press("ArrowDown")
    pages.settle()
    assert values(panel)[2:5] == pytest.approx([round(i / 7 - 0.01, 2) for i in (2, 3, 4)], abs=0.011)
    page.keyboard.press("Enter")
    expect(page.get_by_label("values")).to_be_focused()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    pages.settle()
    assert values(panel)[2:5] == [0.5, 0.5, 0.5]


def test_ranges_of_layers_are_dragged_repeated_and_removed(pages, families):
    family = families(8)
    slices = [
        {"sources": [{"model": str(family.ft1), "layer_range": [0, 5]}]},
        {"sources": [{"model": str(family.ft2), "layer_range": [3, 8]}]},
    ]
    panel = TracksPanel({"merge_method": "passthrough", "slices": slices})
    page = pages.show(panel.view)

    def bands() -> list[tuple[str, int, int]]:
        sources = (s for piece in panel.recipe.slices for s in piece.sources)
        return [(s.model.name, *s.layer_range) for s in sources]

    box = page.locator(".nbm-band").first.bounding_box()
    step, y = box["width"] / 5, box["y"] + 10
    drag(pages, (box["x"] + box["width"] - 2, y), (box["x"] + box["width"] - 2 + 2 * step, y))
    assert bands() == [("ft1", 0, 7), ("ft2", 3, 8)]
    drag(pages, center(page, ".nbm-band", 1), (box["x"] + 4, y))
    assert bands() == [("ft2", 3, 8), ("ft1", 0, 7)]
    page.locator(".nbm-band").nth(1).click()
    page.get_by_role("button", name="Repeat").click()
    pages.settle()
    assert bands() == [("ft2", 3, 8), ("ft1", 0, 7), ("ft1", 0, 7)]
    page.locator(".nbm-band").nth(0).focus()
    page.keyboard.press("Delete")
    pages.settle()
    assert bands() == [("ft1", 0, 7), ("ft1", 0, 7)]
    page.locator(".nbm-band").nth(1).focus()
    page.keyboard.press("Shift+ArrowLeft")
    pages.settle()
    assert bands() == [("ft1", 0, 7), ("ft1", 0, 6)]
    page.get_by_role("button", name="Insert").click()
    page.get_by_role("menuitemradio", name=re.compile("^ft1")).click()
    pages.settle()
    assert len(bands()) == 3
    assert panel.errors.value == ""


@pytest.mark.parametrize("layers", [8, 32, 80, 126])
@pytest.mark.parametrize("width", [700, 1100, 1500])
def test_every_layer_is_in_sight_without_sideways_scrolling(pages, families, layers, width):
    panel = TracksPanel(recipe(families(layers)))
    page = pages.show(panel.view, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    places = page.evaluate(
        "() => { const path = document.querySelector('.nbm-chosen').getBoundingClientRect();"
        " return [path.left, path.right, document.querySelector('.nbm-picture').getBoundingClientRect().right]; }"
    )
    assert 0 < places[0] < places[1] < places[2] <= width
    expect(page.locator(".nbm-slider")).to_have_count(layers + 3 if page.locator(".nbm-lens").is_hidden() else 16)
    height = page.locator(".nbm-picture").bounding_box()["height"]
    page.mouse.move(width / 2, 150)
    pages.settle()
    assert page.locator(".nbm-picture").bounding_box()["height"] == height
    panel.close()


BEGIN_WITH_ACTIONS = """() => {
    const send = window.model.send;
    window.confirmed = [];
    window.model.send = (message, callbacks) => {
        if ('received' in message) return window.confirmed.push(message.received);
        callbacks.iopub.status({ content: { execution_state: 'busy' } });
        return send(message);
    };
}"""
"""What JupyterLab reports of a kernel that has begun with an action."""


def test_what_the_kernel_begins_with_and_answers_is_confirmed_once(pages, page, panel):
    page.evaluate(BEGIN_WITH_ACTIONS)
    field = page.locator("input.nbm-typed")  # without a layer under the pointer, whose formulas would be asked for
    field.fill("0.25")
    field.press("Enter")
    page.wait_for_function("() => window.confirmed.length > 1")
    pages.update()  # other content confirms nothing
    answered = panel.view.content["answers"]
    assert page.evaluate("() => window.confirmed") == [answered, answered]
