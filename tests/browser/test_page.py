"""An exported page in a real browser, opened as a file without a network: what is moved there gives the numbers of Python."""

from __future__ import annotations

import itertools
import random
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Locator, Page, expect

import nbmerge as nbm
from nbmerge.curves import list_tracks, write_typed
from tests.browser.conftest import REQUIRED, missing
from tests.browser.test_tracks import KNOT, center
from tests.models import Family, make_family, make_model

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser_page():
    lacking = missing()
    if lacking:
        (pytest.fail if REQUIRED else pytest.skip)(f"no browser tests: {lacking}")
    from tests.browser.labdrive import browser

    with browser({"width": 1100, "height": 1000}) as page:
        page.context.set_offline(True)
        yield page


@pytest.fixture
def page(browser_page):
    """A browser without a network; whatever its console says fails the test."""
    said: list[str] = []

    def listen(message):
        said.append(message.text)

    browser_page.on("console", listen)
    browser_page.errors.clear()
    browser_page.set_viewport_size({"width": 1100, "height": 1000})
    browser_page.emulate_media(color_scheme="light")
    yield browser_page
    browser_page.remove_listener("console", listen)
    assert said == []
    assert browser_page.errors == []


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


RUN_AXE = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
}"""


@dataclass(frozen=True)
class Models:
    """Three fine-tunes of one base, and what was measured of them."""

    family: Family
    third: Path
    statistics: nbm.Statistics


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    family = make_family(folder, layers=8)
    third = make_model(folder / "ft3", base=family.base, seed=3)
    statistics = nbm.measure_models(family.base, family.ft1, family.ft2, third, progress=False)
    return Models(family, third, statistics)


def write(method: str, base: Path | None, weights: dict[Path, object], **parameters) -> dict:
    models = [{"model": str(m), "parameters": {} if w is None else {"weight": w}} for m, w in weights.items()]
    named = {} if base is None else {"base_model": str(base)}
    return {"merge_method": method, **named, "models": models, "parameters": parameters}


def list_recipes(m: Models) -> dict[str, dict]:
    one, two, three, base = m.family.ft1, m.family.ft2, m.third, m.family.base
    by_part = [{"filter": "mlp", "value": [0, 0.8]}, {"filter": "q_proj", "value": 0.2}, {"value": 0.6}]
    by_layer = [{"filter": "layers.3.", "value": 0.9}, {"filter": "mlp.down_proj", "value": [0, 1]}, {"value": 0.5}]
    slices = [
        {"sources": [{"model": str(one), "layer_range": [0, 5]}, {"model": str(two), "layer_range": [0, 5]}]},
        {"sources": [{"model": str(one), "layer_range": [3, 8]}, {"model": str(two), "layer_range": [3, 8]}]},
    ]
    return {
        "linear, normalised": write("linear", None, {one: [0.2, 1, 0.4], two: 0.7, three: by_part}, normalize=True),
        "linear, not normalised": write("linear", None, {base: 0.1, one: by_part, two: {1: 0.2, 5: 0.9}}, normalize=False),
        "task arithmetic": write("task_arithmetic", base, {one: [0, 0.5, 1], two: by_part, three: 0.3}, **{"lambda": 0.8}),
        "task arithmetic, normalised": write("task_arithmetic", base, {one: 0.4, two: by_part}, normalize=True),
        "LiNeS": write("lines", base, {one: 1.0, two: [1, 0.2]}, alpha=0.3, beta=0.5),
        "slerp": write("slerp", one, {one: None, two: None}, t=[{"filter": "self_attn", "value": [0, 0.5, 1]}, {"value": 0.4}]),
        "nuslerp": write("nuslerp", None, {one: [0.2, 0.9], two: 0.5}),
        "nuslerp with a base": write("nuslerp", base, {one: by_part, three: 0.5}),
        "multislerp": write("multislerp", None, {base: 0.3, one: [0.2, 0.9], two: by_part}),
        "filters of layers": write("linear", None, {one: by_layer, two: 0.5}, normalize=False),
        "slices": {"merge_method": "slerp", "base_model": str(one), "slices": slices, "parameters": {"t": [0.1, 0.7]}},
    }  # fmt: skip


RECIPES = [
    "linear, normalised", "linear, not normalised", "task arithmetic", "task arithmetic, normalised", "LiNeS", "slerp",
    "nuslerp", "nuslerp with a base", "multislerp", "filters of layers", "slices",
]  # fmt: skip


def show(page: Page, file: Path) -> None:
    page.goto(file.resolve().as_uri())
    expect(page.locator(".nbm-picture")).to_be_visible()
    page.mouse.move(0, 0)


def settle(page: Page) -> None:
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def read_recipe(page: Page) -> nbm.Recipe:
    return nbm.Recipe.load(page.locator(".nbm-yaml code").text_content())


READ_TABLE = """details => {
    details.open = true;
    const read = row => [...row.children].map(cell => cell.textContent);
    return [...details.querySelectorAll('tr')].map(read);
}"""


def numbers(page: Page) -> dict[str, list[float]]:
    """The columns of the table of numbers, by their heads; missing numbers are NaN."""
    page.locator("details").evaluate(
        "details => new Promise(done => { details.open = true; requestAnimationFrame(done); })"
    )
    heads, *rows = page.locator("details").evaluate(READ_TABLE)
    columns = list(zip(*rows, strict=True))
    return {h: [float("nan" if v == "–" else v) for v in c] for h, c in zip(heads[1:], columns[1:], strict=True)}


def choose(page: Page, *labels: str) -> None:
    """Choose what the moved row shows."""
    for label in labels:
        page.locator(".nbm-moved-tools .nbm-menu-button").click()
        page.get_by_role("menuitemradio", name=label, exact=True).click()
        settle(page)


def compare_with_python(page: Page, statistics: nbm.Statistics) -> None:
    """Every number of the page is that of Python for the recipe that the page shows."""
    changes = statistics.predict(read_recipe(page))
    for what, toward in (("distance", "from"), ("cosine", "with")):
        choose(page, what)
        inside, outside = changes.by_layer(what), changes.by_role(what)
        for parent in changes.parents:
            choose(page, f"cells: {toward} {parent}")
            shown, grid = numbers(page), changes.grid(parent, what)
            expected = [
                outside[parent]["embedding"],
                *inside[parent],
                outside[parent]["final norm"],
                outside[parent]["head"],
            ]
            np.testing.assert_allclose(shown[f"{toward} {parent}"], expected, rtol=1e-6, atol=1e-10)
            for kind, name in (("attention", "attention"), ("mlp", "MLP"), ("rest", "norms")):
                cells = shown[f"{name} {toward} {parent}"]
                np.testing.assert_allclose(cells[1:-2], grid[kind], rtol=1e-6, atol=1e-10)
    choose(page, "distance")


def radios(page: Page, label: str) -> list[Locator]:
    return page.get_by_role("radiogroup", name=label).get_by_role("radio").all()


def drag_knot(page: Page, dice: random.Random) -> None:
    """Take a random point to a random place."""
    count = page.locator(KNOT).count()
    x, y = center(page, KNOT, dice.randrange(count))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dice.uniform(-60, 60), y + dice.uniform(-50, 50), steps=4)
    page.mouse.up()


def write_values(page: Page, text: str) -> None:
    field = page.get_by_label("values")
    field.fill(text)
    field.press("Enter")
    settle(page)


def type_values(page: Page, dice: random.Random) -> None:
    write_values(page, dice.choice(TYPED))


def press_keys(page: Page, dice: random.Random) -> None:
    page.locator(".nbm-curve-focus").focus()
    page.keyboard.press("Home")
    for key in [*["ArrowRight"] * dice.randint(0, 10), "k", "PageUp", "ArrowDown", "Shift+ArrowRight", "ArrowUp"]:
        page.keyboard.press(key)


def drag_slider(page: Page, dice: random.Random) -> None:
    x, y = center(page, ".nbm-slider .nbm-handle", dice.randrange(page.locator(".nbm-slider .nbm-handle").count()))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + dice.uniform(-20, 20), steps=3)
    page.mouse.up()


TYPED = (
    "0.2, 0.7",
    "{0: 0.1, 3: 0.8, 7: 0.3}",
    "2-4: 0.35",
    "mlp: 0.9, 0.1",
    "1-3 attention: x0.5",
    "all: +0.1",
    "head: 0.45",
)


@pytest.mark.parametrize("name", RECIPES)
def test_numbers_follow_what_is_moved_as_in_python(page, models, tmp_path, name):
    recipe = list_recipes(models)[name]
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics))
    dice, seen = random.Random(name), set()
    for step, act in enumerate((drag_knot, type_values, drag_slider, press_keys, drag_knot, type_values)):
        for label in ("parameter", "model", "part of each layer"):
            if choices := radios(page, label):
                dice.choice(choices).click()
                settle(page)
        act(page, dice)
        settle(page)
        expect(page.get_by_role("alert")).to_be_hidden()
        seen.add(read_recipe(page).fingerprint)
        if step in (1, 5):
            compare_with_python(page, models.statistics)
    assert len(seen) >= 5
    page.get_by_role("button", name="Reset").click()
    assert read_recipe(page) == nbm.Recipe.load(recipe)
    compare_with_python(page, models.statistics)


@pytest.mark.parametrize("text", [*TYPED, "attn: 0.1; mlp: 0.9", "0, 3-5: +0.1", "7: 0.25", "embed: 0.2; all mlp: 0.5"])
def test_typed_values_mean_what_they_mean_in_a_notebook(page, models, tmp_path, text):
    recipe = nbm.Recipe.of(list_recipes(models)["task arithmetic"])
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics))
    write_values(page, text)
    plan = nbm.plan(recipe)
    expected = nbm.plan(write_typed(recipe, plan, list_tracks(plan)[0], text))
    found = nbm.plan(read_recipe(page))
    for mine, theirs in zip(found.tensors, expected.tensors, strict=True):
        assert mine.values.each["weight"][1:] == pytest.approx(theirs.values.each["weight"][1:], abs=1e-6), mine.name


def test_what_cannot_be_done_is_said_and_changes_nothing(page, models, tmp_path):
    recipe = list_recipes(models)["task arithmetic"]
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics))
    for text, words in (
        ("0.2, much", "not “much”"),
        ("9: 0.1", "There is no layer 9"),
        ("3 down_proj: 0.1", "no part"),
    ):
        write_values(page, text)
        expect(page.get_by_role("alert")).to_contain_text(words)
        assert read_recipe(page) == nbm.Recipe.load(recipe)
    write_values(page, "0.5")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_weights_that_cannot_be_normalised_are_named(page, models, tmp_path):
    one, two = models.family.ft1, models.family.ft2
    recipe = write("linear", None, {one: 0.5, two: 0.5}, normalize=True)
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics))
    write_values(page, "-0.5")
    expect(page.locator(".nbm-moved-tools")).to_contain_text("sum to 0")
    write_values(page, "0.25")
    compare_with_python(page, models.statistics)


def test_changes_are_undone_and_a_drag_is_one_step(page, models, tmp_path):
    recipe = nbm.Recipe.of(list_recipes(models)["task arithmetic"])
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics))
    undo, redo = (page.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    x, y = center(page, KNOT, 1)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 40, steps=8)
    page.mouse.up()
    settle(page)
    dragged = read_recipe(page)
    assert dragged != recipe
    page.keyboard.press("Control+z")
    assert read_recipe(page) == recipe
    expect(undo).to_be_disabled()
    redo.click()
    assert read_recipe(page) == dragged
    status = page.locator("main > [role=status]")
    expect(status).to_contain_text("Distance of the whole model")  # after a moment, for those who do not see it


def test_methods_that_do_not_follow_show_what_was_recorded(page, models, tmp_path):
    recipe = write("ties", models.family.base, {models.family.ft1: [0.2, 1], models.family.ft2: 0.5}, density=0.4)
    changes = nbm.measure_merge(recipe)
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=changes))
    expect(page.locator("main")).to_contain_text("do not follow from sums alone")
    shown = numbers(page)
    np.testing.assert_allclose(shown["from ft1"][1:-2], changes.by_layer()["ft1"], rtol=1e-9)
    write_values(page, "0.9, 0.1")
    expect(page.locator(".nbm-row-moved")).to_have_class(re.compile("nbm-stale"))
    assert nbm.plan(read_recipe(page)).tensors[1].values.each["weight"][1] == 0.9
    np.testing.assert_equal(numbers(page), shown)


def test_no_text_of_a_model_or_a_person_runs(page, tmp_path):
    hostile = "</script><script>document.title = 'pwned'</script><img src=x onerror=\"document.title = 'pwned'\">"
    family = make_family(tmp_path, layers=2)
    tuned = make_model(tmp_path / "<img src=x onerror=document.title=1>", base=family.base, seed=5)
    recipe = write("linear", None, {family.ft1: 0.5, tuned: 0.5})
    file = nbm.export_page(
        recipe,
        tmp_path / "page.html",
        title=hostile,
        samples={hostile: {hostile: hostile}},
        scores={hostile: {hostile: 1}},
    )
    show(page, file)
    expect(page.locator("h1")).to_have_text(hostile)
    expect(page.locator(".nbm-sample").nth(1)).to_have_text(hostile)
    expect(page.get_by_role("radio", name="<img src=x onerror=document.title=1>")).to_be_visible()
    assert page.title() == hostile
    assert page.locator("main img").count() == 0


def test_what_was_recorded_is_shown(page, models, tmp_path):
    recipe = list_recipes(models)["slerp"]
    samples = {"this recipe": {"a prompt": "what\nfollows"}, "ft1": {"a prompt": "something else"}}
    pins = {"flat": {**recipe, "parameters": {"t": 0.5}}}
    file = nbm.export_page(
        recipe, tmp_path / "page.html", statistics=models.statistics, samples=samples, pins=pins,
        scores={"flat": {"skill": 0.25}, "ft1": {"skill": 1}},
    )  # fmt: skip
    show(page, file)
    expect(page.get_by_role("group", name="samples")).to_contain_text("what\nfollows")
    expect(page.get_by_role("group", name="scores").get_by_role("cell")).to_have_text(["0.25", "1.00"])
    expect(page.locator(".nbm-pin-name")).to_have_text("pinned flat")
    problems = [str(problem) for problem in nbm.plan(recipe).problems]
    for problem in problems:
        expect(page.locator(".nbm-problems")).to_contain_text(problem)


@pytest.mark.parametrize("layers", [8, 32, 80])
def test_pages_of_any_depth_fit_and_have_no_faults_of_access(page, axe, tmp_path, layers):
    family = make_family(tmp_path, layers=layers)
    recipe = write("task_arithmetic", family.base, {family.ft1: [0, 1], family.ft2: 0.4})
    show(
        page,
        nbm.export_page(recipe, tmp_path / "page.html", samples={"this recipe": {"a": "b"}}, scores={"x": {"y": 1}}),
    )
    page.locator("details").evaluate("details => { details.open = true; }")
    for width in (700, 1100, 1500):
        page.set_viewport_size({"width": width, "height": 1000})
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(axe)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert page.evaluate(RUN_AXE) == [], theme


def test_on_a_phone_each_model_has_its_colour_and_each_slider_its_name(page, models, tmp_path):
    recipe = write("task_arithmetic", models.family.base, {models.family.ft1: [0, 1], models.family.ft2: 0.4})
    page.set_viewport_size({"width": 390, "height": 844})
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics))
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    edge = page.locator(".nbm-picture").bounding_box()
    swatches = page.locator(".nbm-moved-legend .nbm-swatch")
    expect(swatches).to_have_count(3)
    for swatch in swatches.all():
        box = swatch.bounding_box()
        assert box["width"] > 5
        assert box["x"] + box["width"] < edge["x"] + edge["width"]
    legend = page.locator(".nbm-moved-legend > span")
    expect(legend).to_have_text(["base", "ft1", "ft2"])
    assert not any(legend.evaluate_all("names => names.map((name) => name.scrollWidth > name.clientWidth)"))
    names = [name.bounding_box() for name in page.locator(".nbm-slider-name").all()]
    for left, right in itertools.pairwise(sorted(names, key=lambda box: box["x"])):
        assert left["x"] + left["width"] <= right["x"] + 2


CROSSED = """() => {
    const names = [...document.querySelectorAll('.nbm-pin-name')].map((name) => name.getBBox());
    const paths = [...document.querySelectorAll('.nbm-chosen, .nbm-other')];
    return names.map(({ x, y, width, height }) => paths.some((path) => {
        const steps = Array.from({ length: 1001 }, (_, i) => path.getPointAtLength(path.getTotalLength() * i / 1000));
        return steps.some((at) => at.x > x && at.x < x + width && at.y > y && at.y < y + height);
    }));
}"""
"""Whether a curve goes through the name of each pin."""


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_curve_goes_through_the_name_of_a_pin(page, models, tmp_path, width):
    recipe = write(
        "task_arithmetic", models.family.base, {models.family.ft1: [0, 1, 0.2], models.family.ft2: [0.9, 0.1]}
    )
    pins = {"the same everywhere": nbm.Recipe.of(recipe).with_parameter("weight", 0.5), "before": recipe}
    page.set_viewport_size({"width": width, "height": 844})
    show(page, nbm.export_page(recipe, tmp_path / "page.html", statistics=models.statistics, pins=pins))
    settle(page)
    expect(page.locator(".nbm-pin-name")).to_have_text(["pinned the same everywhere", "pinned before"])
    assert page.evaluate(CROSSED) == [False, False]


def test_a_picture_stands_where_scripts_do_not_run(browser_page, models, tmp_path):
    file = nbm.export_page(list_recipes(models)["slerp"], tmp_path / "page.html", statistics=models.statistics)
    context = browser_page.context.browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(file.as_uri())
        picture = page.get_by_role("img")
        expect(picture).to_have_attribute("alt", re.compile("^The values of Slerp"))
        assert picture.bounding_box()["height"] > 100
    finally:
        context.close()
