"""The README's picture, made from the real Studio in a real JupyterLab.

    python -m tests.browser.screenshot [docs/studio.png]

It opens a notebook with `nbm.Studio()` on the bundled family, reads its scores, measures the models, and takes a picture.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import write_notebook
from tests.browser.labdrive import browser, execute, lab, open_notebook, run_all, theme, until

CELL = "import nbmerge as nbm\nstudio = nbm.Studio()\nstudio"
SIZE = {"width": 1480, "height": 1100}
SCALE = 2.0
"""Sharp on dense screens too."""


def main(out: Path) -> None:
    """Make the picture."""
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
            page.mouse.move(0, 0)
            out.parent.mkdir(parents=True, exist_ok=True)
            studio.screenshot(path=out)
            if page.errors:
                raise SystemExit(f"the page had errors: {page.errors}")
    print(f"wrote {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/studio.png"))
