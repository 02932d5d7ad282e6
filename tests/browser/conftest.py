"""A Studio in a real JupyterLab in a real Chromium, for each test a fresh notebook and kernel."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models import make_family

SCREENSHOTS = Path(__file__).parent / "screenshots"
REQUIRED = os.environ.get("NBMERGE_REQUIRE_BROWSER") == "1"

RECIPE = """
merge_method: task_arithmetic
base_model: family/base
models:
  - model: family/ft1
    parameters: {weight: [0, 0.5, 1]}
  - model: family/ft2
    parameters: {weight: 0.3}
"""
STUDIO = f'import nbmerge as nbm\nstudio = nbm.Studio("""{RECIPE}""", save=False)\nstudio'


def missing() -> str | None:
    """What a browser test lacks here, None when nothing."""
    try:
        from tests.browser.labdrive import chromium
    except ImportError as error:
        return f"{error.name} is not installed"
    return None if chromium() else "Chromium is not installed (Debian, Ubuntu: apt-get install chromium)"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = (yield).get_result()
    setattr(item, f"report_{report.when}", report)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and folder of a JupyterLab with a tiny family in `family`."""
    lacking = missing()
    if lacking:
        (pytest.fail if REQUIRED else pytest.skip)(f"no browser tests: {lacking}")
    from tests.browser.labdrive import lab

    root = tmp_path_factory.mktemp("lab")
    make_family(root / "family", layers=6)
    with lab(root, tmp_path_factory.mktemp("log") / "lab.log") as url:
        yield url, root


@pytest.fixture(scope="session")
def notebook(server):
    """A page with an open notebook, shared by all tests: opening it and starting its kernel takes most of the time."""
    from tests.browser.labdrive import browser, open_notebook

    url, root = server
    write_notebook(root / "studio.ipynb", [STUDIO])
    with browser() as page:
        open_notebook(page, url, "studio.ipynb")
        yield page


@pytest.fixture
def page(notebook, request: pytest.FixtureRequest):
    """The notebook with a fresh Studio. A test fails for any error that its visitor's console would show."""
    from tests.browser.labdrive import SIZE, run_all, theme

    notebook.errors.clear()
    notebook.set_viewport_size(SIZE)
    theme(notebook, "JupyterLab Light")
    run_all(notebook)
    yield notebook
    result = getattr(request.node, "report_call", None)
    if result is None or result.failed:
        SCREENSHOTS.mkdir(exist_ok=True)
        notebook.screenshot(path=SCREENSHOTS / f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower())}.png")
    assert notebook.errors == []


def write_notebook(path: Path, cells: list[str]) -> None:
    """A notebook of code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{i}",
            "metadata": {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for i, source in enumerate(cells)
    ]
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
