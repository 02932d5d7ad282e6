"""Nothing is lost: restarts of the kernel, cells that run again, pages without a kernel. In a real JupyterLab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("playwright.sync_api", reason="no browser tests: playwright is not installed")

from playwright.sync_api import Page, expect

from tests.browser.conftest import RECIPE, write_notebook
from tests.browser.labdrive import PATIENCE, execute, open_notebook, run_all, until, value

pytestmark = pytest.mark.browser

NAME = "kept.ipynb"
CELL = f'import nbmerge as nbm\nstudio = nbm.Studio("""{RECIPE}""")\nstudio'
DRAW = 'studio.state.edit(lambda r: r.with_parameter("lambda", 0.375))'
DRAWN = "studio.state.plan.tensors[0].values.shared['lambda'] == 0.375"
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
BANNER = """() => {
    const { top } = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
    const studio = document.querySelector('.nbm-studio').getBoundingClientRect();
    const [x, y] = [studio.left + 40, Math.max(top, studio.top) + 12];
    return document.elementFromPoint(x, y)?.matches('.nbm-live') ?? false;
}"""
"""Whether the top of the Studio, or of what is in sight of it, is its banner: all else in it takes no pointer."""
PASS_THROUGH = """.nbm-live.jupyter-widgets-disconnected { pointer-events: none }
    .nbm-live.jupyter-widgets-disconnected::before { pointer-events: auto }"""
ICONS = """() => [...document.querySelectorAll('.jupyter-widgets-disconnected')]
    .map(e => getComputedStyle(e, '::before').content).filter(c => c !== 'none')"""


@pytest.fixture
def kept(notebook, server):
    """A notebook of its own, in a second page, whose Studio is kept."""
    url, root = server
    write_notebook(root / NAME, [CELL])
    for file in (root / ".nbmerge").glob("kept-*"):
        file.unlink()
    page = notebook.context.new_page()
    open_notebook(page, url, NAME)
    run_all(page)
    yield page
    shut_down(url)
    page.close()


def shut_down(url: str) -> None:
    """End the notebook's session with its kernel."""
    for session in json.loads(urllib.request.urlopen(f"{url}/api/sessions").read()):
        if session["path"] == NAME:
            urllib.request.urlopen(urllib.request.Request(f"{url}/api/sessions/{session['id']}", method="DELETE"))


def wait_for_file(page: Page, root) -> None:
    until(page, f"[*__import__('pathlib').Path({str(root)!r}).glob('.nbmerge/kept-*.json')]")


def test_after_a_restart_there_is_one_banner_and_everything_is_offered_again(kept: Page, server):
    execute(kept, DRAW)
    wait_for_file(kept, server[1])
    kept.evaluate(RESTART)
    kept.wait_for_selector(".nbm-live.jupyter-widgets-disconnected", timeout=PATIENCE)
    (words,) = kept.evaluate(ICONS)
    assert "Run the cell to go on" in words
    kept.add_style_tag(content=PASS_THROUGH)
    for end in ("start", "end"):  # wherever one is in the Studio
        kept.evaluate(f"() => document.querySelector('.nbm-studio').scrollIntoView({{ block: '{end}' }})")
        kept.wait_for_function(BANNER)
    run_all(kept)
    assert not value(kept, DRAWN)
    kept.locator(".nbm-restore button").filter(has_text=re.compile(r"Restore \d\d:\d\d \(2 steps\)")).click()
    until(kept, DRAWN)
    expect(kept.locator(".nbm-restore")).to_contain_text("Restored")


def test_a_cell_that_runs_again_keeps_the_curve_and_says_so(kept: Page):
    execute(kept, DRAW)
    run_all(kept)
    assert value(kept, DRAWN)
    expect(kept.locator(".nbm-restore")).to_contain_text("goes on where it was left (2 steps)")
    kept.locator(".nbm-restore button").filter(has_text="Start over").click()
    until(kept, f"not ({DRAWN})")
    kept.locator(".nbm-bar").get_by_role("button", name="Redo").click()
    until(kept, DRAWN)


def test_a_saved_notebook_shows_picture_and_recipe_where_its_kernel_is_gone(kept: Page, server):
    url, root = server
    static = kept.locator("[class^=nbm-static]")
    expect(static).to_have_count(1)
    expect(static).to_be_hidden()  # while the Studio lives
    expect(kept.locator(".nbm-studio")).to_be_visible()
    execute(kept, DRAW)
    expect(static.locator("img")).to_have_count(1, timeout=PATIENCE)  # drawn when nobody works
    expect(static.locator("pre")).to_contain_text("0.375")
    kept.evaluate(SAVE)
    outputs = json.loads((root / NAME).read_text())["cells"][0]["outputs"]
    assert [sorted(o["data"]) for o in outputs] == [
        ["text/html", "text/plain"],
        ["application/vnd.jupyter.widget-view+json", "text/plain"],
    ]
    assert "0.375" in "".join(outputs[0]["data"]["text/plain"])
    assert len(json.dumps(outputs)) < 400_000
    shut_down(url)
    open_notebook(kept, url, NAME)
    expect(static).to_be_visible(timeout=PATIENCE)
    expect(static).to_contain_text("Run the cell to go on")
    expect(kept.get_by_text("Error displaying widget")).to_be_hidden()
    run_all(kept)
    expect(kept.locator(".nbm-studio")).to_be_visible()
    expect(static).to_be_hidden()


def test_a_page_that_nbconvert_writes_shows_picture_and_recipe_without_the_internet(notebook, server):
    url, root = server
    write_notebook(root / "page.ipynb", [CELL])
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", "html", "page.ipynb"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    page = notebook.context.new_page()
    page.goto(f"{url}/files/page.html", wait_until="domcontentloaded")
    static = page.locator("[class^=nbm-static]")
    expect(static).to_be_visible()
    expect(static.locator("pre")).to_contain_text("merge_method: task_arithmetic")
    assert static.locator("img").evaluate("img => img.naturalWidth") > 300
    page.close()
