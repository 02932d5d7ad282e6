"""Questions and figures of the course as a learner meets them: in JupyterLab, also in a narrow window."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import expect

from nbmerge import lessons
from tests.browser.conftest import write_notebook
from tests.browser.labdrive import browser, open_notebook, run_all, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

QUESTION = "what-ties-assumes"  # its right answer has two lines in a narrow window
CELLS = [
    f'import nbmerge as nbm\nquestion = nbm.lessons.ask("{QUESTION}")\nquestion',
    "family = nbm.demo.family()\n"
    "triangle = nbm.lessons.Triangle(nbm.measure_models(family.base, *family.experts.values()))\ntriangle",
]


def test_questions_are_answered_and_figures_follow_in_a_narrow_window(server):
    url, root = server
    write_notebook(root / "lesson.ipynb", CELLS)
    question = next(q for q in lessons.list_questions() if q.name == QUESTION)
    with browser({"width": 520, "height": 1200}) as page:
        open_notebook(page, url, "lesson.ipynb")
        run_all(page)
        reply = page.locator(".nbm-question [role=status]")
        for number in (3, question.right_answer):  # a click reaches the answer: no other lies over it
            page.locator(".nbm-question input[type=radio]").nth(number - 1).click()
            expect(reply).to_have_text(str(question.reply(number)))
        menu = page.locator(".widget-dropdown select")
        expect(menu.locator("option:checked")).to_have_text("the whole model")
        menu.select_option("layer 3")
        until(page, "'in layer 3' in triangle.description")
        expect(page.get_by_text("in layer 3", exact=False).last).to_be_visible()
        assert page.errors == []
