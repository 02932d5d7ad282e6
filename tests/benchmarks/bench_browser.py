"""Milliseconds from a hand's move to what it sees and hears, in a real JupyterLab and Chromium.

    python -m tests.benchmarks.bench_browser [--moves 120] [--layers 32]

Slider, point and key to curve, and slider to distances: 3 models, from the event to the second animation frame after the
line was drawn, when its pixels are on screen.

Edit to first token: the bundled models, from the key's press to the first token of the changed merge on screen.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import write_notebook
from tests.browser.labdrive import browser, lab, open_notebook, run_all, until
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
WATCH = """([selector, event, kind]) => {
    let began = null;
    const node = document.querySelector(selector);
    const token = () => +node.querySelector('section').dataset.tokens && node.querySelector('section').dataset.of;
    const line = () => node.getAttribute('d');
    const state = { token, line }[kind];
    window.bench?.end.abort();
    const bench = window.bench = { times: [], end: new AbortController() };
    const { signal } = bench.end;
    addEventListener(event, () => { bench.before = state(); began = performance.now(); }, { capture: true, signal });
    new MutationObserver(() => {
        if (began === null || !state() || state() === bench.before || signal.aborted) return;
        const since = began;
        began = null;
        requestAnimationFrame(() => requestAnimationFrame(() => bench.times.push(performance.now() - since)));
    }).observe(node, { attributes: true, childList: true, subtree: true });
}"""
CURVE, DISTANCES = ".nbm-tracks .nbm-chosen", ".nbm-tracks .nbm-moved-line"


@contextmanager
def studio(recipe: str, root: Path) -> Iterator[Page]:
    """A page with a Studio."""
    source = f"import nbmerge as nbm\nstudio = nbm.Studio({recipe})\nstudio"
    write_notebook(root / "studio.ipynb", [source])
    with lab(root, root / "lab.log") as url, browser() as page:
        open_notebook(page, url, "studio.ipynb")
        run_all(page)
        expect(page.locator(".nbm-knot").first).to_be_visible()
        yield page
        if page.errors:
            raise SystemExit(f"the page had errors: {page.errors}")


def tab(page: Page, name: str) -> None:
    """Go to a tab of the Studio."""
    page.locator(".nbm-tabs").get_by_role("tab", name=name, exact=True).click()


def pressed(page: Page, moves: int, pause: int) -> list[float]:
    """Raise one layer after another with the keyboard; what each took."""
    page.locator(".nbm-curve-focus").focus()
    page.keyboard.press("Home")
    for move in range(moves):
        page.keyboard.press("End" if move % 20 == 19 else "ArrowRight")
        page.keyboard.press("ArrowUp")
        # Seldom: to be asked in every frame would make the browser draw frames all the time.
        page.wait_for_function("(n) => window.bench.times.length >= n", arg=move + 1, polling=40)
        page.wait_for_timeout(pause)
    return page.evaluate("() => window.bench.times")


def dragged(page: Page, selector: str, moves: int) -> list[float]:
    """Drag something up and down, a pixel or two at a time; what each move took."""
    box = page.locator(selector).first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for move in range(moves):
        page.mouse.move(x, y - 4 - 3 * (move % 6 if move % 12 < 6 else 6 - move % 6))
        page.wait_for_timeout(PAUSE // 2)
    page.mouse.up()
    page.wait_for_timeout(REST)
    return page.evaluate("() => window.bench.times")


def pictures(moves: int, layers: int) -> dict[str, list[float]]:
    """From a hand to the curve and the distances."""
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        make_family(Path(folder) / "family", layers=layers)
        with studio(f'"""{RECIPE}"""', Path(folder)) as page:
            page.get_by_role("button", name="Measure the models").click()
            expect(page.locator(".nbm-moved-line").first).to_be_visible()
            handle, knot = ".nbm-slider:nth-child(4) .nbm-handle", ".nbm-row-curve .nbm-knot circle.nbm-point"
            for name, goal, selector in (
                ("slider to curve", CURVE, handle), ("point to curve", CURVE, knot), ("slider to distances", DISTANCES, handle),
            ):  # fmt: skip
                page.evaluate(WATCH, [goal, "pointermove", "line"])
                times[name] = dragged(page, selector, moves)
            page.evaluate(WATCH, [CURVE, "keydown", "line"])
            times["key to curve"] = pressed(page, min(moves, 18), PAUSE)
    return times


def tokens(moves: int) -> dict[str, list[float]]:
    """From an edit to the first token of the changed merge."""
    with tempfile.TemporaryDirectory() as folder, studio("", Path(folder)) as page:
        tab(page, "Samples")
        page.locator(".nbm-samples").get_by_label("Follow the sliders").check()
        until(page, "studio.samples.runner.wait(30)", seconds=60)
        page.evaluate(WATCH, [".nbm-merged", "keydown", "token"])
        times = pressed(page, moves, REST)
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
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--only", choices=["pictures", "tokens"])
    chosen = parser.parse_args()
    measurements = {"pictures": lambda: pictures(chosen.moves, chosen.layers), "tokens": lambda: tokens(chosen.moves)}
    for kind, measure in measurements.items():
        if chosen.only in (None, kind):
            print(*(told(name, times) for name, times in measure().items()), sep="\n", flush=True)


if __name__ == "__main__":
    main()
