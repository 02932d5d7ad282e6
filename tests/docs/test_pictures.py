"""The pictures of the documentation are there, and a script draws each of them."""

import re
from pathlib import Path
from runpy import run_path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_picture_is_drawn_and_shown():
    names = set(run_path(str(DOCS / "make_pictures.py"))["PICTURES"])
    assert {file.stem for file in (DOCS / "pictures").iterdir()} == names
    shown = re.findall(r"\(pictures/(\w+)\.png\)", (DOCS / "understanding.md").read_text(encoding="utf-8"))
    assert set(shown) == names
