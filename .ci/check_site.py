"""Opens a built documentation site in a browser without a network: accessibility, search, and pictures that load.

python .ci/check_site.py build/site/html
"""

import os
import shutil
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

SITE = Path(sys.argv[1]).resolve()
PAGES = (
    "index",
    "start",
    "guides",
    "recipes",
    "pages",
    "_static/example",
    "methods",
    "methods/ties",
    "understanding",
    "api",
    "course/01-first-merge",
)
SEARCHES = {"density": "ties", "LoRA": "adapters", "resume": "Reliability"}
"""Words that a reader looks for, and a page that each should find, by a part of its title."""
NAMES = (os.environ.get("NBMERGE_CHROMIUM", "chromium"), "chromium-browser", "google-chrome", "google-chrome-stable")


def check_page(page: Page, name: str, theme: str) -> None:
    """No serious finding of axe-core, and no picture that does not load."""
    page.goto(f"file://{SITE}/{name}.html")
    found = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert not found, f"{name}, {theme}: " + "; ".join(f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found)
    broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)")
    assert not broken, f"{name}: pictures that do not load: {broken}"


chromium = next(path for path in map(shutil.which, NAMES) if path)
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    for theme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1300, "height": 1000}, color_scheme=theme, offline=True)
        tab = context.new_page()
        for name in PAGES:
            check_page(tab, name, theme)
    for word, found in SEARCHES.items():
        tab.goto(f"file://{SITE}/search.html?q={word}")
        expect(tab.locator("#search-results a", has_text=found).first).to_be_visible(timeout=30_000)
    browser.close()
print(f"{len(PAGES)} pages have no serious accessibility problem in either theme, and search works offline")
