"""The documentation site's own tools: what the link check finds, and that every page has its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.site.build import write_pages
from docs.site.check_links import find_broken

GOOD = (
    '<h1 id="a b">A</h1><a href="sub/second.html#part">x</a><a href="#a%20b">x</a><a href="https://example.org">x</a>'
)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ('<a href="third.html">x</a>', "third.html does not exist"),
        ('<a href="sub/second.html#other">x</a>', "#other has no such section"),
        ('<a href="#nowhere">x</a>', "#nowhere has no such section"),
        ('<img src="picture.png">', "picture.png does not exist"),
        ('<script src="https://cdn.example.org/x.js"></script>', "from another server"),
        ('<link rel="stylesheet" href="//fonts.example.org/x.css">', "from another server"),
    ],
)
def test_links_that_lead_nowhere_are_found(tmp_path, page, message):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "second.html").write_text('<h2 id="part">B</h2><a href="../first.html">x</a>')
    (tmp_path / "first.html").write_text(GOOD)
    assert find_broken(tmp_path) == []
    (tmp_path / "first.html").write_text(GOOD + page)
    (wrong,) = find_broken(tmp_path)
    assert wrong.startswith("first.html")
    assert message in wrong


@pytest.mark.slow
def test_pages_are_written_with_their_links(tmp_path):
    """Sphinx checks the rest when `make site` builds it."""
    write_pages(tmp_path / "source")
    names = {path.relative_to(tmp_path / "source").as_posix() for path in Path(tmp_path / "source").rglob("*")}
    assert {
        "index.md",
        "cli.md",
        "methods/ties.md",
        "methods/pictures/ties.svg",
        "course/01-first-merge.ipynb",
        "_static/example.html",
    } <= names
    assert 'href="_static/example.html"' in (tmp_path / "source" / "pages.md").read_text()
    assert "[`ties`](methods/ties.md)" in (tmp_path / "source" / "methods.md").read_text()
    assert "](project/security.md)" in (tmp_path / "source" / "safety.md").read_text()
    assert not {"search.md", "genindex.md"} & names, "Sphinx would write its own pages over them"
    assert "nbmerge transplant" in (tmp_path / "source" / "cli.md").read_text()
