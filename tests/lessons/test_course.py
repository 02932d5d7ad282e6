"""The course: every question that a notebook asks exists, and every question is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

from nbmerge import lessons

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def read_sources() -> str:
    cells = [
        cell for path in sorted(NOTEBOOKS.glob("*.ipynb")) for cell in json.loads(path.read_text("utf-8"))["cells"]
    ]
    return "\n".join("".join(cell["source"]) for cell in cells)


def test_questions_are_asked_in_the_order_of_their_file():
    asked = re.findall(r'lessons\.ask\("([^"]+)"\)', read_sources())
    assert asked == [question.name for question in lessons.list_questions()]


def test_notebooks_lead_to_each_other():
    for target in re.findall(r"\]\(([^)#:]+\.ipynb)\)", read_sources()):
        assert (NOTEBOOKS / target).exists(), target
