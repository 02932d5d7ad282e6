"""The Tensors, Python and Samples panels in a real browser."""

from __future__ import annotations

import itertools
import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import expect

from nbmerge.recipe import Recipe
from nbmerge.widgets import PythonPanel, SamplesPanel, TensorsPanel
from tests.browser.standalone import Bench
from tests.models import make_family

pytestmark = pytest.mark.browser


@pytest.fixture
def recipe(tmp_path):
    family = make_family(tmp_path)
    weights = {family.ft1: 0.25, family.ft2: 0.75}
    models = [{"model": str(path), "parameters": {"weight": weight}} for path, weight in weights.items()]
    return Recipe.of({"merge_method": "linear", "models": models})


def test_a_tensor_is_found_and_shown_in_full(recipe):
    panel = TensorsPanel(recipe)
    with Bench() as bench:
        page = bench.show(panel.view, 700)
        page.get_by_label("Filter by name").fill("mlp up 1")
        expect(page.get_by_role("status")).to_have_text(re.compile("^1 of "))
        row = page.get_by_role("row").filter(has_text="up_proj")
        expect(row).to_contain_text("0.25·ft1 + 0.75·ft2")
        row.get_by_role("button").click()
        detail = page.locator(".nbm-inspector-detail")
        expect(detail.locator("math")).to_be_visible()
        expect(detail.get_by_role("row")).to_have_count(3)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        detail.get_by_role("button", name="Close").click()
        expect(detail).to_be_hidden()
        bench.settle()


def test_the_code_stands_there_to_be_copied(recipe):
    panel = PythonPanel(recipe)
    with Bench() as bench:
        page = bench.show(panel.view)
        expect(page.get_by_role("region", name="Python code")).to_have_text(panel.code)


def test_samples_of_more_models_than_a_narrow_window_has_columns_do_not_overlap(recipe):
    """Rows keep their heights while texts grow, also where models now stand below each other."""
    panel = SamplesPanel(recipe)

    def fill(text: str, busy: bool, models: int) -> None:
        content = panel.view.content
        columns = [{**content["columns"][0], "name": f"pin {i}", "title": f"Pinned {i}"} for i in range(models)]
        cell = {"runs": [[text, False]], "status": "generating" if busy else "done", "note": "", "tokens": 1}
        rows = [[cell] * models for _ in content["prompts"]]
        panel.view.show({**content, "columns": columns, "rows": rows, "busy": busy})
        bench.update()

    with Bench() as bench:
        page = bench.show(panel.view, 600)
        fill("short", False, 3)
        fill("short", True, 3)
        fill("a text of many more words than there is room for in a line", False, 7)
        rows = page.locator(".nbm-says-table tbody tr").all()
        assert len(rows) > 1
        for row, below in itertools.pairwise(rows):
            top = below.bounding_box()["y"]
            for text in row.locator("td p").all():
                box = text.bounding_box()
                assert box["y"] + box["height"] <= top
