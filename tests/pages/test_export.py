"""Pages as files: what they contain, what they refuse, and that nothing from a recipe or a model is markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import nbmerge as nbm
from nbmerge.errors import OutputError, RecipeError
from tests.models import Family, make_family, make_model

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Family:
    return make_family(tmp_path_factory.mktemp("family"), layers=4)


def recipe(family: Family, method: str = "task_arithmetic", weight: object = (0.2, 1), **more: object) -> dict:
    models = [{"model": str(m), "parameters": {"weight": weight}} for m in (family.ft1, family.ft2)]
    return {"merge_method": method, "base_model": str(family.base), "models": models, **more}


class Reader(HTMLParser):
    """The elements of a page, and the texts of its scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: dict[str, str] = {}
        self.last = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.last = dict(attributes).get("id") or tag

    def handle_data(self, data):
        self.texts[self.last] = self.texts.get(self.last, "") + data


def read(file: Path) -> tuple[Reader, dict]:
    reader = Reader(file.read_text(encoding="utf-8"))
    return reader, json.loads(reader.texts["data"])


def test_a_page_is_one_file_that_names_no_other(family, tmp_path):
    page = nbm.export_page(recipe(family), tmp_path / "page.html")
    reader, data = read(page)
    assert list(tmp_path.iterdir()) == [page]
    linked = [value for _, attributes in reader.tags for name, value in attributes.items() if name in ("src", "href")]
    assert linked
    assert all(value.startswith("data:image/svg+xml;base64,") for value in linked)
    policy = next(a["content"] for t, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert not re.search(r"https?:|\*|unsafe", policy)
    assert (data["still"], data["locked"]) == ("", "")


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_page(family, tmp_path):
    one, other = (nbm.export_page(recipe(family), tmp_path / name) for name in ("a.html", "b.html"))
    assert one.read_bytes() == other.read_bytes()


def test_what_exists_is_replaced_only_if_asked(family, tmp_path):
    file = tmp_path / "page.html"
    file.write_text("mine")
    with pytest.raises(OutputError, match="overwrite=True"):
        nbm.export_page(recipe(family), file)
    assert file.read_text() == "mine"
    nbm.export_page(recipe(family), file, overwrite=True)
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [file]


def test_a_page_can_be_read_by_others_and_lie_behind_a_link(family, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    page = nbm.export_page(recipe(family), tmp_path / "link" / "page.html")
    (tmp_path / "other").touch()
    assert page.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize(("place", "message"), [("", "is a folder"), ("none/page.html", "no folder")])
def test_places_that_cannot_be_written_are_named_before_anything_is_measured(family, tmp_path, place, message):
    with pytest.raises(OutputError, match=message):
        nbm.export_page(recipe(family), tmp_path / place)


def test_recipes_beside_it_are_read_before_anything_is_measured(family, tmp_path, monkeypatch):
    monkeypatch.setattr("nbmerge.pages.export.measure_plan", lambda *args, **kwargs: pytest.fail("measured"))
    with pytest.raises(RecipeError, match="needs exactly one of"):
        nbm.export_page(recipe(family), tmp_path / "page.html", pins={"pin": {"merge_method": "no_such_method"}})


def test_a_recipe_with_errors_has_no_page(family, tmp_path):
    with pytest.raises(RecipeError):
        nbm.export_page(recipe(family, weight="much"), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_texts_of_models_and_people_are_never_markup(tmp_path):
    base = make_model(tmp_path / "base", layers=2)
    tuned = make_model(tmp_path / "<img src=x onerror=alert(1)>", base=base, seed=1)
    data = {"merge_method": "linear", "models": [{"model": str(m), "parameters": {"weight": 1}} for m in (base, tuned)]}
    samples, scores = {HOSTILE: {HOSTILE: HOSTILE}}, {HOSTILE: {HOSTILE: 1.0}}
    page = nbm.export_page(data, tmp_path / "page.html", samples=samples, scores=scores, title=HOSTILE)
    reader, shown = read(page)
    assert [tag for tag, _ in reader.tags].count("script") == 3
    assert [a["alt"] for tag, a in reader.tags if tag == "img"] == [
        "The values of Linear (weighted mean) over the layers"
    ]
    assert shown["samples"]["models"][0]["texts"] == [HOSTILE]
    assert reader.texts["title"] == HOSTILE


def test_scores_and_texts_of_any_kind_are_written(family, tmp_path):
    texts, scores = (
        {"m": {"p": "\ud800 \u2028 \x00 ü"}},
        {"m": {"loss": float("inf"), "skill": float("nan"), "rank": 1}},
    )
    page = nbm.export_page(recipe(family), tmp_path / "page.html", samples=texts, scores=scores, title="\udcff ü")
    _, data = read(page)
    assert data["samples"]["models"][0]["texts"] == ["\ud800 \u2028 \x00 ü"]
    assert data["scores"]["models"][0]["values"] == [None, None, 1]


def test_sums_are_grouped_where_no_recipe_of_the_page_can_tell_tensors_apart(family, tmp_path):
    def rows(method: str) -> int:
        _, data = read(nbm.export_page(recipe(family, method), tmp_path / f"{method}.html"))
        return len(data["rows"])

    assert rows("task_arithmetic") == 3 + 4 * 3  # embeddings, final norm, head; groups in each layer
    assert rows("nuslerp") == 3 + 4 * 9  # whose arcs depend on each tensor


@pytest.mark.slow
def test_methods_that_do_not_follow_say_so_and_record_their_distances(family, tmp_path):
    _, data = read(nbm.export_page(recipe(family, "ties", parameters={"density": 0.5}), tmp_path / "page.html"))
    assert "do not follow" in data["still"]
    assert (data["gram"], data["locked"]) == (None, "")
    assert data["recorded"]["parents"] == ["base", "ft1", "ft2"]


@pytest.mark.slow
def test_a_page_of_32_layers_and_3_models_is_small(tmp_path):
    family = make_family(tmp_path, layers=32)
    third = make_model(tmp_path / "ft3", base=family.base, seed=3)
    sizes = {}
    for method in ("task_arithmetic", "linear"):
        data = recipe(family, method, weight=[i / 31 for i in range(32)])
        data["models"].append(
            {"model": str(third), "parameters": {"weight": [{"filter": "mlp", "value": 0.3}, {"value": 1}]}}
        )
        sizes[method] = nbm.export_page(data, tmp_path / f"{method}.html").stat().st_size
    assert max(sizes.values()) < 500_000
