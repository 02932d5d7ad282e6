"""Milliseconds from a hand's move to what it sees and hears, in a real JupyterLab and Chromium.

    python -m tests.benchmarks.bench_browser [--moves 120]

Slider to statistics picture: 32 layers × 3 models, from the key's press to the second animation frame after the picture was
drawn, when its pixels are on screen. The kernel's part is taken there: what the callback takes, the plan, and the
statistics. Edit to first token: the bundled models, from the key's press to the first token of the changed merge on screen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import write_notebook
from tests.browser.labdrive import browser, execute, lab, open_notebook, run_all, until, value
from tests.models import make_family

RECIPE = """
merge_method: task_arithmetic
base_model: family/base
models:
  - model: family/ft1
    parameters: {weight: [0.2, 0.5, 0.8]}
  - model: family/ft2
    parameters: {weight: 0.3}
"""
WATCH = """(selector) => {
    const waiting = [];
    window.bench = { times: [] };
    addEventListener('keydown', () => { waiting.length = 0; waiting.push(performance.now()); }, true);
    new MutationObserver(() => {
        if (!waiting.length) return;
        const began = waiting.shift();
        requestAnimationFrame(() => requestAnimationFrame(() => window.bench.times.push(performance.now() - began)));
    }).observe(document.querySelector(selector), { attributes: true, childList: true, subtree: true, characterData: true });
}"""
KERNEL = """
import time
from nbmerge.widgets import state as _state, statistics as _panel
kernel = {"to picture": [], "statistics": [], "plan": [], "whole callback": []}
began = [0.0]
def moved(*args):
    began[0] = time.perf_counter()
    move(*args)
def shown(*args):
    show(*args)
    if began[0]:
        kernel["to picture"].append(1000 * (time.perf_counter() - began[0]))
        began[0] = 0.0
def timed(name, function):
    def wrapped(*args, **settings):
        began = time.perf_counter()
        try:
            return function(*args, **settings)
        finally:
            kernel[name].append(1000 * (time.perf_counter() - began))
    return wrapped
_state.examine = timed("plan", _state.examine)
studio.statistics._foresee = timed("statistics", studio.statistics._foresee)
move, studio.gradients.sliders._on_move = timed("whole callback", studio.gradients.sliders._on_move), moved
show, studio.statistics.view.show = studio.statistics.view.show, shown
"""


@contextmanager
def studio(recipe: str, root: Path) -> Iterator[Page]:
    """A page with a Studio."""
    source = f"import nbmerge as nbm\nstudio = nbm.Studio({recipe})\nstudio"
    write_notebook(root / "studio.ipynb", [source])
    with lab(root, root / "lab.log") as url, browser() as page:
        open_notebook(page, url, "studio.ipynb")
        run_all(page)
        expect(page.locator(".nbm-dot").first).to_be_visible()
        yield page
        if page.errors:
            raise SystemExit(f"the page had errors: {page.errors}")


def tab(page: Page, name: str) -> None:
    """Go to a tab of the Studio."""
    page.locator(".nbm-tabs").get_by_role("tab", name=name, exact=True).click()


def pressed(page: Page, moves: int, slots: int) -> list[float]:
    """Press an arrow key on one slider after another; what each took."""
    for move in range(moves):
        handle = page.locator(".nbm-sliders .noUi-handle").nth(1 + move % slots)
        handle.focus()
        page.keyboard.press("ArrowDown" if move // slots % 2 else "ArrowUp")
        page.wait_for_function("(n) => window.bench.times.length >= n", arg=move + 1)
    return page.evaluate("() => window.bench.times")


def pictures(moves: int) -> dict[str, list[float]]:
    """From a slider to the statistics picture."""
    with tempfile.TemporaryDirectory() as folder:
        make_family(Path(folder) / "family", layers=32)
        with studio(f'"""{RECIPE}"""', Path(folder)) as page:
            tab(page, "Statistics")
            page.get_by_role("button", name="Measure the models").click()
            expect(page.locator(".nbm-changes svg.nbm-overlay")).to_be_visible()
            execute(page, KERNEL)
            page.evaluate(WATCH, ".nbm-changes")
            times = pressed(page, moves, 32)
            kernel = json.loads(execute(page, "import json; print(json.dumps(kernel))"))
    return {"slider to picture": times, **{f"kernel: {name}": t for name, t in kernel.items()}}


def tokens(moves: int) -> dict[str, list[float]]:
    """From an edit to the first token of the changed merge."""
    with tempfile.TemporaryDirectory() as folder, studio("", Path(folder)) as page:
        tab(page, "Samples")
        page.locator(".nbm-samples").get_by_label("Follow the sliders").check()
        until(page, "studio.samples.follow.wait(30)", seconds=60)
        page.evaluate(WATCH, ".nbm-merged .nbm-texts")
        times = pressed(page, moves, value(page, "studio.state.plan.depth"))
    return {"edit to first token": times}


def told(name: str, times: list[float]) -> str:
    """One row."""
    times = sorted(times)
    middle, high = times[len(times) // 2], times[min(int(len(times) * 0.95), len(times) - 1)]
    return f"{name:24} p50 {middle:6.1f}   p95 {high:6.1f}   max {times[-1]:6.1f} ms   ({len(times)} moves)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=120)
    parser.add_argument("--only", choices=["pictures", "tokens"])
    chosen = parser.parse_args()
    for kind in (pictures, tokens):
        if chosen.only in (None, kind.__name__):
            print(*(told(name, times) for name, times in kind(chosen.moves).items()), sep="\n", flush=True)


if __name__ == "__main__":
    main()
