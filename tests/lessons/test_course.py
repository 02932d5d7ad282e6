"""The course: what every notebook has, and that every question is asked where it belongs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nbmerge import lessons

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


each_notebook = pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)


def read_cells(path: Path) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]]


def read_sources() -> str:
    return "\n".join(cell for path in sorted(NOTEBOOKS.glob("*.ipynb")) for cell in read_cells(path))


@each_notebook
def test_a_notebook_says_what_it_takes_and_asks_and_leads_on(path):
    first, *cells = read_cells(path)
    assert first.startswith("# ")
    assert re.search(r"^\*\*Time:\*\* \d+ minutes, .* \*\*Before:\*\* ", first, re.MULTILINE)
    assert any("lessons.ask(" in cell for cell in cells)
    assert re.search(r"^## Next", cells[-1], re.MULTILINE)


@each_notebook
def test_a_notebook_can_be_opened_where_nbmerge_is_not_installed(path):
    """The links are to this notebook, and the first cell installs what the README says."""
    first, setup, *_ = read_cells(path)
    hosts = re.findall(r"\((https://[^)]*/notebooks/([^)]*))\)", first)
    assert [name for _, name in hosts] == [path.name] * 3
    assert [re.split(r"[./]", link)[2] for link, _ in hosts] == ["colab", "kaggle", "mybinder"]
    (install,) = re.findall(r"^ *(%pip install .*)$", setup, re.MULTILINE)
    assert f"\n{install}\n" in (NOTEBOOKS.parent / "README.md").read_text("utf-8")
    assert setup == read_cells(NOTEBOOKS / "01-first-merge.ipynb")[1]


def test_questions_are_asked_in_the_order_of_their_file():
    asked = re.findall(r'lessons\.ask\("([^"]+)"\)', read_sources())
    assert asked == [question.name for question in lessons.list_questions()]


def test_notebooks_lead_to_each_other():
    for target in re.findall(r"\]\(([^)#:]+\.ipynb)\)", read_sources()):
        assert (NOTEBOOKS / target).exists(), target
