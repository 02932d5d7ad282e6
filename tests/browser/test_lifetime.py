"""One cell, one Studio: however often it runs, in a real JupyterLab."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.hands import press, slider
from tests.browser.labdrive import drag, execute, run_all, until, value

pytestmark = pytest.mark.browser

COUNTS = """[
    len(__import__('ipywidgets').widgets.widget._instances),
    sum(type(x).__name__ == 'LiveMerge' and not x.closed for x in __import__('gc').get_objects()),
    sum(t.name.startswith('nbmerge') for t in __import__('threading').enumerate()),
]"""
NAMES = "[t.name for t in __import__('threading').enumerate() if t.name.startswith('nbmerge')]"
AT_REST = f"not any(' ' in name for name in {NAMES}) and len({NAMES}) <= __import__('os').cpu_count()"
"""Only the workers of one live merge are left. Objects are counted then: a tuple that another thread is making breaks when it
is listed."""


def sample_and_pin(page: Page) -> list[int]:
    """Sample and pin in the Studio; the numbers of widgets and live merges in the kernel afterwards."""
    execute(page, "studio.samples.backend, studio.samples.length = 'live', 1")
    press(page, "samples", "Pin")
    expect(page.get_by_role("button", name="Pinned A")).to_be_visible(timeout=60_000)
    until(page, "not studio.samples.runner.busy", seconds=60)
    until(page, AT_REST, seconds=20)
    return value(page, f"{COUNTS}[:2]")


def test_a_cell_that_runs_again_ends_its_former_studio(page: Page):
    execute(page, "former = studio")
    first = sample_and_pin(page)
    assert first[1] >= 1
    for _ in range(2):
        run_all(page)
        expect(page.locator(".nbm-studio")).to_have_count(1)
        assert value(page, "former.closed and not studio.closed")
        assert sample_and_pin(page) == first
    drag(page, slider(page, 3), 30)
    until(page, "studio.state.can_undo")


def test_a_studio_that_is_closed_leaves_the_page(page: Page):
    sample_and_pin(page)
    execute(page, "studio.close()")
    expect(page.locator(".nbm-studio")).to_have_count(0)
    until(page, f"{NAMES} == []", seconds=20)
    until(page, f"{COUNTS} == [0, 0, 0]")


def test_studios_of_one_run_and_of_other_cells_live_side_by_side(page: Page):
    execute(page, "panel = nbm.widgets.SamplesPanel(studio.recipe)")
    assert value(page, "not panel.closed and not studio.closed")
    execute(page, "panel.close()")
    assert value(page, "studio.closed") is False
