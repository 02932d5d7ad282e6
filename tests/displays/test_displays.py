"""What notebooks show of every object: from strangers' names nothing becomes markup, and nothing is endless."""

from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

import nbmerge as nbm
from nbmerge import Recipe
from nbmerge.displays import to_html
from nbmerge.engine.live.update import Update
from nbmerge.engine.merge import MergeResult
from nbmerge.problems import Problem
from nbmerge.sampling import Comparison, Sample
from tests.models import make_model

EVIL = "<img src=x onerror=alert(1)>"
TEXT = "</pre></details><script>alert('1')</script>\x1b[2J\u202egnirts"
KINDS = [
    "Recipe", "Plan", "Report", "failed Report", "LiveMerge", "VirtualMerge", "Update", "Pin", "MergeResult", "Sample",
    "Comparison", "Statistics", "Changes",
]  # fmt: skip
ALLOWED = {
    "b", "br", "details", "div", "img", "li", "pre", "span", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


class Tags(HTMLParser):
    """Every tag with its attributes, and whether each is closed."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """One object of each kind, with everything that a stranger can name named by one."""
    folder = tmp_path_factory.mktemp("evil")
    base = make_model(folder / f"{EVIL} base")
    models = [make_model(folder / f"{EVIL} {n}", base=base, seed=n) for n in (1, 2)]
    sources = [{"model": str(m), "parameters": {"weight": [0, 0.5]}} for m in models]
    recipe = Recipe.of({"merge_method": "task_arithmetic", "base_model": str(base), "models": sources})
    plan, live = nbm.plan(recipe), nbm.live(recipe)
    pin = live.pin(EVIL)
    sample = Sample(TEXT, TEXT, (1, 2), 0.1, stopped=True)
    statistics = nbm.measure_models(base, *models)
    virtual = nbm.virtual(recipe)
    yield {
        "Recipe": recipe, "Plan": plan, "Report": nbm.check(recipe), "LiveMerge": live, "Pin": pin, "VirtualMerge": virtual,
        "failed Report": nbm.check({"merge_method": TEXT, "models": [EVIL]}),
        "Update": Update((EVIL, TEXT), 0.01), "Sample": sample, "Comparison": Comparison((TEXT,), {EVIL: (sample,)}),
        "MergeResult": MergeResult(Path(EVIL), plan, 1.0, Counter({TEXT: 2}), (Problem("warning", (EVIL,), TEXT),)),
        "Statistics": statistics, "Changes": statistics.predict(plan),
    }  # fmt: skip
    live.close()
    virtual.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.rest_is_slow(keep=6)
def test_text_of_models_is_escaped(shown, kind):
    page = shown[kind]._repr_html_()
    tags = Tags(page)
    assert tags.open == []
    assert {tag for tag, _ in tags.found} <= ALLOWED
    for tag, attributes in tags.found:
        assert not any(name.startswith("on") for name in attributes)
        assert tag != "img" or attributes["src"].startswith("data:image/png;base64,")
    assert "&lt;img" in page or "&lt;script" in page
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("kind", KINDS)
def test_text_forms_are_one_short_line(shown, kind):
    if "Report" in kind or kind == "Comparison":
        return  # they are meant to be read in full
    assert len(repr(shown[kind])) < 400
    assert "\n" not in repr(shown[kind])


def test_a_recipe_shows_its_gradients_and_its_text(shown):
    page = shown["Recipe"]._repr_html_()
    assert 'alt="Gradient plot of weight"' in page
    assert "merge_method: task_arithmetic" in page
    assert "open" in next(attributes for tag, attributes in Tags(page).found if tag == "details")


def test_a_recipe_without_matplotlib_shows_its_text(shown, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nbmerge.plots", None)
    page = shown["Recipe"]._repr_html_()
    assert "<img" not in page
    assert "merge_method: task_arithmetic" in page


def test_huge_recipes_are_folded_and_cut():
    slices = [{"sources": [{"model": f"someone/model-{i}", "layer_range": [i, i + 1]}]} for i in range(300)]
    page = Recipe.of({"merge_method": "passthrough", "slices": slices})._repr_html_()
    assert "open" not in next(attributes for tag, attributes in Tags(page).found if tag == "details")
    assert "more characters: print(recipe.to_yaml())" in page


def test_long_lists_are_cut():
    page = to_html(Update(tuple(f"tensor.{i}" for i in range(1000)), 0.1))
    assert page.count("<li") == 50
    assert "… and 950 more entries" in page


def test_a_closed_merge_says_what_to_do(shown, family):
    merge = nbm.live({"merge_method": "linear", "models": [str(family.base)], "parameters": {"weight": 1}})
    merge.close()
    assert "was closed. Create another one with nbmerge.live(recipe)." in to_html(merge)


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match="no display for dict"):
        to_html({})
