"""Code blocks of README and docs, with the reason where one is not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- not run: (.+?) -->\n+\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Parameters
    ----------
    page : Path
    line : int
        Of its first line of code, from 1.
    language : str
        As after the fence.
    code : str
    not_run : str
        Why it is not run, from a comment directly above: ``<!-- not run: uploads to the Hub -->``; else empty.
    """

    page: Path
    line: int
    language: str
    code: str
    not_run: str

    @property
    def name(self) -> str:
        """Page and line, as in ``docs/live.md:7``."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """All blocks of a page, or those of a language."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text[: match.start(2)].count("\n") + 1, match[1], match[2], mark[1] if mark else "")
        for match in _FENCE.finditer(text)
        for mark in [_MARK.search(text[: match.start()])]
        if language in (None, match[1])
    ]


def commands(block: Block) -> list[list[str]]:
    """The words of each line of a shell block, without comments and the brackets of what is optional."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in block.code.splitlines())
    return [re.sub(r"\[([^]]*)\]|\.\.\.", r"\1", line).split() for line in lines if line]
