"""Pictures of the real Studio in a real JupyterLab.

    python -m tests.browser.screenshot [docs/studio.png]
    python -m tests.browser.screenshot --all FOLDER

The first are those of the README and of the site's first page, `studio.png` and beside it `studio-dark.png`: `nbm.Studio()` on
the bundled family, with scores and distances. The others are to be looked at after a change: 8, 32 and 80 layers, two themes
and three widths.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import write_notebook
from tests.browser.labdrive import browser, execute, lab, open_notebook, run_all, theme, until
from tests.models import make_family

OPEN = """
studio.recipe = {{"merge_method": "task_arithmetic", "base_model": "{name}/base", "models": [
    {{"model": "{name}/ft1", "parameters": {{"weight": [0, 0.5, 1]}}}},
    {{"model": "{name}/ft2", "parameters": {{"weight": 0.3}}}}]}}
"""
"""Also of the tests that need a certain number of layers."""
CELL = "import nbmerge as nbm\nstudio = nbm.Studio()\nstudio"
SIZE = {"width": 1480, "height": 1800}
SCALE = 2.0
"""Sharp on dense screens too."""


def main(out: Path) -> None:
    """Make the picture, and the same in the dark theme."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_notebook(root / "studio.ipynb", [CELL])
        with lab(root, root / "lab.log") as url, browser(SIZE, SCALE) as page:
            open_notebook(page, url, "studio.ipynb")
            theme(page, "JupyterLab Light")
            run_all(page)
            studio = page.locator(".nbm-studio")
            expect(studio.locator(".nbm-knot").first).to_be_visible()
            studio.get_by_role("button", name="Compute").click()
            expect(studio.locator(".nbm-score strong").last).not_to_be_empty(timeout=60_000)
            for slot, goal in ((4, 0.2), (5, 0.5), (4, 0.8)):  # a history, as a hand makes one
                execute(page, f"studio.tracks.rows['curve'].set_values([[{slot}, {goal}]], {slot})")
                studio.get_by_role("button", name="Compute").click()
                until(page, "studio.scores.history.latest.fingerprint == studio.recipe.fingerprint", seconds=60)
            studio.get_by_role("button", name="Measure the models").click()
            expect(studio.locator(".nbm-moved-line").first).to_be_visible()
            studio.get_by_role("button", name="Generate").click()
            until(page, "not studio.samples.runner.busy", seconds=60)
            out.parent.mkdir(parents=True, exist_ok=True)
            dark = out.with_stem(f"{out.stem}-dark")
            for name, file in (("Light", out), ("Dark", dark)):
                theme(page, f"JupyterLab {name}")
                page.mouse.move(0, 0)
                page.wait_for_timeout(1000)
                studio.screenshot(path=file)
            if page.errors:
                raise SystemExit(f"the page had errors: {page.errors}")
    print(f"wrote {out} and {dark}")


def take_all(out: Path) -> None:
    """Make the pictures of all depths, themes and widths."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_notebook(root / "studio.ipynb", ["import nbmerge as nbm\nstudio = nbm.Studio(save=False)\nstudio"])
        with lab(root, root / "lab.log") as url, browser() as page:
            open_notebook(page, url, "studio.ipynb")
            run_all(page)
            for layers in (8, 32, 80):
                make_family(root / f"family{layers}", layers=layers)
                execute(page, OPEN.format(name=f"family{layers}"))
                page.get_by_role("button", name="Measure the models").click()
                expect(page.locator(".nbm-moved-line").first).to_be_visible(timeout=60_000)
                for name in ("Light", "Dark"):
                    theme(page, f"JupyterLab {name}")
                    for width in (700, 1100, 1500):
                        page.set_viewport_size({"width": width, "height": 2000})
                        page.mouse.move(0, 0)
                        page.wait_for_timeout(500)  # resized views draw in the next frames
                        page.locator(".nbm-studio").screenshot(path=out / f"{layers}-{name.lower()}-{width}.png")
    print(f"wrote 18 pictures to {out}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--all"]:
        take_all(Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/studio.png"))
