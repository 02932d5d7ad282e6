"""What the Studio costs in a real JupyterLab and Chromium: time, widgets, state, memory.

    python -m tests.benchmarks.bench_browser [--moves 120] [--layers 32 80] [--only moves figures tokens size opening growth]

- moves: milliseconds from a slider, a point or a key to the curve, and from a slider to the distances of 3 models: from
  the event to the second animation frame after the line, or the kernel's answer to this event, was drawn, when its pixels
  are on screen. A hand moves 13 times a second, or in every frame.
- figures: from the press of a key to the figure in the drawer drawn again.
- tokens: from the press of a key to the first token of the changed merge on screen, with the bundled models.
- size: widgets of a Studio that was just opened, and the bytes of its state in a saved notebook.
- opening: seconds from running the cell until the curve is on screen, in a fresh kernel that has imported torch, and again.
- growth: what 1,000 moves and 20 more runs of the cell leave in the kernel.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import write_notebook
from tests.browser.labdrive import browser, execute, lab, open_notebook, until, value
from tests.models import make_family

PAUSE, REST = 150, 700
"""Milliseconds between two moves: of a hand that looks what it does, and of one that reads to the end."""
PICTURE = 10_000
"""Milliseconds after which the static picture was drawn, and so matplotlib is imported."""
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
    const node = document.querySelector(selector);
    const line = () => document.querySelector(".nbm-tracks .nbm-chosen").getAttribute("d");
    const find = (selector) => node.querySelector(selector);
    const state = {
        // The recipe that was sampled, once there is a token: the text itself may be what it was.
        token: () => Number(find("td[data-kind=merge]").dataset.tokens) && find("th[data-kind=merge]").dataset.recipe,
        picture: () => find("img").src,
    }[kind] ?? line;
    // Of an answer: whether the kernel's numbers on screen take an action into account; those count up with the clock.
    const shows = kind === "answer"
        ? (move) => Number(node.dataset.answers) >= move.at
        : (move) => state() && state() !== move.before;
    window.bench?.end.abort();
    const bench = window.bench = { times: [], end: new AbortController() };
    const { signal } = bench.end;
    let moves = [];
    addEventListener(event, () => {
        moves = kind === "answer" ? moves.filter((move) => line() !== move.before) : []; // without those that changed nothing
        moves.push({ since: performance.now(), at: Date.now(), before: state() });
    }, { capture: true, signal });
    new MutationObserver(() => {
        const shown = signal.aborted ? [] : moves.filter(shows);
        moves = moves.filter((move) => !shown.includes(move));
        if (shown.length === 0) return;
        requestAnimationFrame(() => requestAnimationFrame(() => {
            for (const { since } of shown) bench.times.push(performance.now() - since);
        }));
    }).observe(node, { attributes: true, childList: true, subtree: kind === "token" || kind === "picture" });
}"""
FLING = """([selector, moves]) => new Promise((done) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    let move = 0;
    const step = () => {
        const up = move % 24 < 12 ? move % 24 : 24 - (move % 24);
        const place = { clientX: x, clientY: y - 4 - 2 * up, pointerId: 1, bubbles: true, button: -1, buttons: 1 };
        window.dispatchEvent(new PointerEvent("pointermove", place));
        move += 1;
        if (move < moves) requestAnimationFrame(step);
        else done();
    };
    step();
})"""
"""Moves a slider that is held, in every frame: faster than Playwright's mouse."""
CURVE, ANSWERED = ".nbm-tracks .nbm-chosen", ".nbm-view.nbm-tracks"
SAMPLES, FIGURE = ".nbm-says-table", ".nbm-panel.nbm-figure"
COUNT = """[
    len(__import__("ipywidgets").widgets.widget._instances),
    __import__("threading").active_count(),
    int(open("/proc/self/statm").read().split()[1]) * __import__("resource").getpagesize() / 1e6,
]"""
"""Widgets, threads, and megabytes of memory of the kernel."""
STATE = """async () => {
    const { commands } = window.jupyterapp;
    await commands.execute("@jupyter-widgets/jupyterlab-manager:saveWidgetState"); // from now on, with each saving
    await commands.execute("docmanager:save");
    const notebook = window.jupyterapp.shell.currentWidget.model.sharedModel;
    return JSON.stringify(notebook.getMetadata("widgets")).length;
}"""
"""Bytes that "Save Widget State Automatically" adds to the notebook."""


@contextmanager
def notebook(recipe: str, root: Path) -> Iterator[Page]:
    """A page with a notebook of one cell that makes a Studio; its kernel has imported torch and nothing else."""
    source = f"import nbmerge as nbm\nstudio = nbm.Studio({recipe}, save=False)\nstudio"
    write_notebook(root / "studio.ipynb", [source])
    with lab(root, root / "lab.log") as url, browser() as page:
        open_notebook(page, url, "studio.ipynb")
        execute(page, "import torch")
        yield page
        if page.errors:
            raise SystemExit(f"the page had errors: {page.errors}")


@contextmanager
def studio(recipe: str, root: Path) -> Iterator[Page]:
    """A page with a Studio."""
    with notebook(recipe, root) as page:
        paint(page)
        yield page


@contextmanager
def studio_of(layers: int) -> Iterator[Page]:
    """A page with a Studio of three models."""
    with tempfile.TemporaryDirectory() as folder:
        make_family(Path(folder) / "family", layers=layers)
        with studio(f'"""{RECIPE}"""', Path(folder)) as page:
            yield page


def paint(page: Page) -> float:
    """Run the cell; seconds until the curve is on screen."""
    page.evaluate("""() => {
        window.painted = null;
        const began = performance.now();
        const former = document.querySelector(".nbm-knot circle");
        const look = () => {
            const now = document.querySelector(".nbm-knot circle");
            if (now && now !== former) requestAnimationFrame(() => { window.painted = performance.now() - began; });
            else requestAnimationFrame(look);
        };
        window.jupyterapp.commands.execute("notebook:run-all-cells");
        look();
    }""")
    page.wait_for_function("() => window.painted !== null", timeout=60_000, polling=40)
    return page.evaluate("() => window.painted") / 1000


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


def dragged(page: Page, selector: str, moves: int, pause: int = PAUSE // 2) -> list[float]:
    """Drag something up and down, a pixel or two at a time; what each move took."""
    box = page.locator(selector).first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for move in range(moves):
        page.mouse.move(x, y - 4 - 3 * (move % 6 if move % 12 < 6 else 6 - move % 6))
        page.wait_for_timeout(pause)
    page.mouse.up()
    page.wait_for_timeout(REST)
    return page.evaluate("() => window.bench.times")


def flung(page: Page, selector: str, moves: int) -> list[float]:
    """Drag a slider as fast as frames are drawn; what each move took."""
    box = page.locator(selector).first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.evaluate(FLING, [selector, moves])
    page.mouse.up()
    page.wait_for_timeout(REST)
    return page.evaluate("() => window.bench.times")


def moves(number: int, layers: int) -> Iterator[str]:
    """From a hand to the curve and the distances."""
    with studio_of(layers) as page:
        page.get_by_role("button", name="Measure the models").click()
        expect(page.locator(".nbm-moved-line").first).to_be_visible(timeout=60_000)
        handle, knot = ".nbm-slider:nth-child(4) .nbm-handle", ".nbm-row-curve .nbm-knot circle.nbm-point"
        for name, goal, kind, selector in (
            ("slider to curve", CURVE, "line", handle), ("point to curve", CURVE, "line", knot),
            ("slider to distances", ANSWERED, "answer", handle),
        ):  # fmt: skip
            page.evaluate(WATCH, [goal, "pointermove", kind])
            yield describe(f"{name}, {layers} layers", dragged(page, selector, number))
        page.evaluate(WATCH, [ANSWERED, "pointermove", "answer"])
        yield describe(f"the same in every frame, {layers} layers", flung(page, handle, number))
        page.evaluate(WATCH, [CURVE, "keydown", "line"])
        yield describe(f"key to curve, {layers} layers", pressed(page, min(number, 18), PAUSE))


def figures(number: int, layers: int) -> Iterator[str]:
    """From an edit to the figure of it."""
    with studio_of(layers) as page:
        page.locator(".nbm-drawer-tabs [data-tab='Figure']").click()
        expect(page.locator(FIGURE).locator("img")).to_be_visible(timeout=60_000)
        page.wait_for_timeout(REST)
        page.evaluate(WATCH, [FIGURE, "keydown", "picture"])
        yield describe(f"key to figure, {layers} layers", pressed(page, min(number, 18), REST))


def tokens(number: int) -> Iterator[str]:
    """From an edit to the first token of the changed merge."""
    with tempfile.TemporaryDirectory() as folder, studio("None", Path(folder)) as page:
        page.locator(".nbm-samples").get_by_label("Follow the sliders").check()
        until(page, "studio.samples.runner.wait(30)", seconds=60)
        page.evaluate(WATCH, [SAMPLES, "keydown", "token"])
        yield describe("edit to first token", pressed(page, number, REST))


def size(layers: int) -> Iterator[str]:
    """Widgets, and kilobytes of state."""
    with studio_of(layers) as page:
        yield f"size, {layers} layers: {value(page, COUNT)[0]} widgets, {page.evaluate(STATE) / 1000:.0f} kB of state"


def opening(layers: int, times: int = 5) -> Iterator[str]:
    """Seconds until the curve is on screen."""
    with tempfile.TemporaryDirectory() as folder:
        make_family(Path(folder) / "family", layers=layers)
        with notebook(f'"""{RECIPE}"""', Path(folder)) as page:
            first = paint(page)
            again = [paint(page) for _ in range(times)]
    seconds = ", ".join(f"{each:.2f}" for each in again)
    yield f"opening, {layers} layers: {first:.2f} s in a fresh kernel beyond torch's import; again {seconds} s"


def growth(layers: int, number: int = 1000, runs: int = 20) -> Iterator[str]:
    """Widgets, threads and megabytes before and after many moves, and after many runs of the cell."""
    with studio_of(layers) as page:
        page.get_by_role("button", name="Measure the models").click()
        expect(page.locator(".nbm-moved-line").first).to_be_visible(timeout=60_000)
        page.wait_for_timeout(PICTURE)
        knot = ".nbm-row-curve .nbm-knot circle.nbm-point"
        for done in (0, 200, number):
            for _ in range((done - 200 if done > 200 else done) // 100):
                page.evaluate(WATCH, [CURVE, "pointermove", "line"])
                dragged(page, knot, 100, pause=25)
            yield f"growth, {layers} layers, after {done} moves: {describe_counts(page)}"
        for done in range(1, runs + 1):
            paint(page)
            if done in (1, 5, runs):
                page.wait_for_timeout(REST)
                yield f"growth, {layers} layers, after {done} more runs: {describe_counts(page)}"


def describe_counts(page: Page) -> str:
    execute(page, "import gc; gc.collect()")
    widgets, threads, memory = value(page, COUNT)
    return f"{widgets} widgets, {threads} threads, {memory:.0f} MB"


def describe(name: str, times: list[float]) -> str:
    """One row."""
    times = sorted(times)
    middle, high = times[len(times) // 2], times[min(int(len(times) * 0.95), len(times) - 1)]
    return f"{name:32} p50 {middle:6.1f}   p95 {high:6.1f}   max {times[-1]:6.1f} ms   ({len(times)} moves)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=120)
    parser.add_argument("--layers", type=int, nargs="+", default=[32, 80])
    parser.add_argument("--only", nargs="+", choices=[*BY_DEPTH, "tokens"], default=[*BY_DEPTH, "tokens"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as bytecode:
        compile_modules(bytecode)
        measure(chosen)


def compile_modules(folder: str) -> None:
    """Have bytecode of nbmerge, as an installed package has, also where the environment writes none."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = folder
    subprocess.run([sys.executable, "-c", "import torch, nbmerge; nbmerge.Studio(save=False)"], check=True)


def measure(chosen: argparse.Namespace) -> None:
    """Measure and print each kind."""
    for kind in chosen.only:
        began = time.monotonic()
        for layers in chosen.layers if kind in BY_DEPTH else [0]:
            rows = tokens(chosen.moves) if kind == "tokens" else BY_DEPTH[kind](layers, chosen.moves)
            for row in rows:
                print(row, flush=True)
        print(f"    ({kind}: {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f})", flush=True)


BY_DEPTH = {
    "moves": lambda layers, number: moves(number, layers),
    "figures": lambda layers, number: figures(number, layers),
    "size": lambda layers, number: size(layers),
    "opening": lambda layers, number: opening(layers),
    "growth": lambda layers, number: growth(layers),
}  # fmt: skip


if __name__ == "__main__":
    main()
