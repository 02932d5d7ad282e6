"""A real JupyterLab on loopback, driven with Playwright and the system's Chromium.

`lab` starts a server with folders of its own, `browser` a page in which nothing but loopback can be reached and which
notes every error, and the functions below do what hands do. Everything waits by polling, nothing sleeps.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, Playwright, sync_playwright

CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-first-run",
    "--force-color-profile=srgb", "--font-render-hinting=none",
    # "Works without the internet" is a property under test: every other host is unknown.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
SIZE = {"width": 1500, "height": 1300}
PATIENCE = 60_000
"""Milliseconds for what a loaded machine may be slow at: opening, running."""

_COMMAND = "([name, args]) => window.jupyterapp.commands.execute(name, args)"
_IDLE = """() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"""
_DONE = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .filter(c => c.model.type === 'code' && c.model.sharedModel.getSource().trim())
    .every(c => c.model.executionCount !== null && c.model.executionState !== 'running')"""
_EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    let out = '', error = null;
    const future = kernel.requestExecute({ code, store_history: false, silent: false, stop_on_error: false });
    future.onIOPub = m => {
        if (m.header.msg_type === 'stream') out += m.content.text;
        if (m.header.msg_type === 'error') error = m.content.ename + ': ' + m.content.evalue;
    };
    await future.done;
    if (error) throw new Error(error);
    return out;
}"""
_FAILED = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error'], "
    ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']"
)


def chromium() -> str | None:
    """Path of the browser, None where there is none. NBMERGE_CHROMIUM names another one."""
    names = (
        os.environ.get("NBMERGE_CHROMIUM", ""),
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    )
    return next((found for name in names if name and (found := shutil.which(name))), None)


@contextlib.contextmanager
def lab(root: Path, log: Path) -> Iterator[str]:
    """A JupyterLab server whose files are those under `root`. Yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tempfile.mkdtemp(prefix="nbmerge-lab-")
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={root}", "--expose-app-in-browser",
        "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--JupyterNotebookApp.expose_app_in_browser=True",  # Notebook 7, which the same server serves below /notebooks
    ]  # fmt: skip
    with open(log, "w") as out:
        server = subprocess.Popen(
            command, cwd=root, env=_environment(home), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            _await_server(url, server, log)
            yield url
        finally:
            _stop(url, server)
            shutil.rmtree(home, ignore_errors=True)


def _environment(home: str) -> dict[str, str]:
    folders = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython",
        "MPLCONFIGDIR": "matplotlib", "NBMERGE_PRESETS": "presets.yml",
    }  # fmt: skip
    environment = dict(os.environ, JUPYTER_PREFER_ENV_PATH="1") | {k: f"{home}/{v}" for k, v in folders.items()}
    environment.pop("MPLBACKEND", None)
    # Without this a toast asks about news and covers a corner of the page.
    news = Path(home, "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings")
    news.parent.mkdir(parents=True)
    news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    return environment


def _await_server(url: str, server: subprocess.Popen, log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{url}/api/status", timeout=2).read()
            return
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"JupyterLab did not start (exit status {server.poll()}):\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _stop(url: str, server: subprocess.Popen) -> None:
    if server.poll() is None:
        with contextlib.suppress(OSError):
            for kernel in json.loads(urllib.request.urlopen(f"{url}/api/kernels", timeout=5).read()):
                request = urllib.request.Request(f"{url}/api/kernels/{kernel['id']}", method="DELETE")
                urllib.request.urlopen(request, timeout=10)
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


def _of_themes(stack: str) -> bool:
    """Whether an error is JupyterLab's own, which takes a stylesheet away twice where themes change quickly."""
    frames = [line for line in stack.splitlines() if line.strip().startswith("at ")]
    return "removeChild" in stack and bool(frames) and all("/static/lab/jlab_core." in line for line in frames)


_running: list[Playwright] = []


@contextlib.contextmanager
def _playwright() -> Iterator[Playwright]:
    """The one playwright of this process: it refuses to be started inside itself, as by a test with a browser of its own."""
    if _running:
        yield _running[0]
        return
    with sync_playwright() as playwright:
        _running.append(playwright)
        try:
            yield playwright
        finally:
            _running.clear()


@contextlib.contextmanager
def browser(size: dict[str, int] = SIZE, scale: float = 1.0) -> Iterator[Page]:
    """A page; `page.errors` collects what a visitor's console would show."""
    with _playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium(), headless=True, args=CHROMIUM_ARGS)
        context = chrome.new_context(viewport=size, device_scale_factor=scale, reduced_motion="reduce")
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: None if _of_themes(error.stack or "") else page.errors.append(str(error)))
        page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
        try:
            yield page
        finally:
            chrome.close()


def open_notebook(page: Page, url: str, name: str, application: str = "doc/tree") -> None:
    """Open a notebook and wait until its kernel is ready; before that, "run all" would ask for a kernel instead.

    `application` is "doc/tree" for JupyterLab, "notebooks" for Notebook 7.
    """
    page.goto(f"{url}/{application}/{name}?reset", wait_until="domcontentloaded")
    page.wait_for_selector(".jp-NotebookPanel .jp-Notebook .jp-Cell", timeout=PATIENCE)
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady", timeout=PATIENCE)
    page.wait_for_function(_IDLE, timeout=PATIENCE)


def run_all(page: Page) -> None:
    """Run every cell and wait for the last; the first error output fails."""
    page.evaluate(_COMMAND, ["notebook:clear-all-cell-outputs", {}])
    page.evaluate(_COMMAND, ["notebook:run-all-cells", {}])
    page.wait_for_function(
        f"(failed) => ({_DONE})() || document.querySelector(failed)", arg=_FAILED, timeout=2 * PATIENCE
    )
    page.wait_for_function(_IDLE, timeout=PATIENCE)
    failed = page.locator(_FAILED)
    if failed.count():
        raise AssertionError(failed.first.inner_text())


def theme(page: Page, name: str) -> None:
    """Change JupyterLab's theme: "JupyterLab Light" or "JupyterLab Dark"."""
    page.evaluate(_COMMAND, ["apputils:change-theme", {"theme": name}])
    light = str("Light" in name).lower()
    page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{light}'", timeout=PATIENCE)


def execute(page: Page, code: str) -> str:
    """Run code in the notebook's kernel; what it printed."""
    return page.evaluate(_EXECUTE, code)


def value(page: Page, expression: str) -> Any:
    """A JSON-able expression's value in the notebook's kernel."""
    return json.loads(execute(page, f"import json; print(json.dumps({expression}))"))


def until(page: Page, expression: str, seconds: float = 15) -> None:
    """Wait until an expression is true in the kernel."""
    end = time.monotonic() + seconds
    while not value(page, f"bool({expression})"):
        if time.monotonic() > end:
            raise AssertionError(f"never became true in the kernel: {expression}")
        page.wait_for_timeout(50)


def drag(page: Page, handle: Locator, up: float) -> None:
    """Take something with the mouse and move it by some pixels; up is positive."""
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - up, steps=8)
    page.mouse.up()
