"""Milliseconds from a hand's move to what it sees and hears, in a real JupyterLab and Chromium.

    python -m tests.benchmarks.bench_browser [--moves 120]

Slider to statistics picture: 32 layers × 3 models, from the key's press to the second animation frame after the picture
was drawn, when its pixels are on screen; moves at a pace that can be watched, then each as soon as the last was seen. What
the kernel takes is noted there: until the picture's numbers are sent, and for all that follows.

Edit to first token: the bundled models, from the key's press to the first token of the changed merge on screen.
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

PAUSE, REST = 150, 700
"""Milliseconds between two moves: of a hand that looks what it does, and of one that listens to the end."""
RECIPE = """
merge_method: task_arithmetic
base_model: family/base
models:
  - model: family/ft1
    parameters: {weight: [0.2, 0.5, 0.8]}
  - model: family/ft2
    parameters: {weight: 0.3}
"""
WATCH = """([selector, kind]) => {
    let began = null;
    const node = document.querySelector(selector);
    const token = () => +node.querySelector('section').dataset.tokens && node.querySelector('section').dataset.of;
    const picture = () => (node.dataset.drawn ? node : node.querySelector('[data-drawn]')).dataset.drawn;
    const isReady = { token, picture }[kind];
    window.bench = { times: [] };
    addEventListener('keydown', () => { window.bench.before = isReady(); began = performance.now(); }, true);
    new MutationObserver(() => {
        if (began === null || !isReady() || isReady() === window.bench.before) return;
        const since = began;
        began = null;
        requestAnimationFrame(() => requestAnimationFrame(() => window.bench.times.push(performance.now() - since)));
    }).observe(node, { attributes: true, childList: true, subtree: true });
}"""
KERNEL = """
import time
from nbmerge.widgets.state import studio_state as _state
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
_state.StudioState._examined = timed("plan", _state.StudioState._examined)
studio.statistics._predict = timed("statistics", studio.statistics._predict)
move, studio.gradients.sliders._on_move = timed("whole callback", studio.gradients.sliders._on_move), moved
show, studio.statistics.view.draw = studio.statistics.view.draw, shown
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


def pressed(page: Page, moves: int, slots: int, pause: int) -> list[float]:
    """Press an arrow key on one slider after another, always upwards; what each took."""
    first = page.evaluate("() => window.bench.times.length")
    for move in range(moves):
        page.locator(".nbm-sliders .noUi-handle").nth(1 + move % slots).focus()
        page.keyboard.press("ArrowUp")
        # Seldom: to be asked in every frame would make the browser draw frames all the time.
        page.wait_for_function("(n) => window.bench.times.length >= n", arg=first + move + 1, polling=40)
        page.wait_for_timeout(pause)
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
            page.mouse.move(0, 0)
            page.evaluate(WATCH, [".nbm-changes", "picture"])
            times = pressed(page, moves, 32, PAUSE)
            kernel = json.loads(execute(page, "import json; print(json.dumps(kernel))"))
            hurried = pressed(page, moves, 32, 0)[moves:]
    told = {"slider to picture": times, **{f"kernel: {name}": t for name, t in kernel.items()}}
    return told | {"slider to picture, hurried": hurried}


def tokens(moves: int) -> dict[str, list[float]]:
    """From an edit to the first token of the changed merge."""
    with tempfile.TemporaryDirectory() as folder, studio("", Path(folder)) as page:
        tab(page, "Samples")
        page.locator(".nbm-samples").get_by_label("Follow the sliders").check()
        until(page, "studio.samples.runner.wait(30)", seconds=60)
        page.evaluate(WATCH, [".nbm-merged", "token"])
        times = pressed(page, moves, value(page, "studio.state.plan.depth"), REST)
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
