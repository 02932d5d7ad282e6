"""Checks a built site: every link inside it leads somewhere, and no page loads anything from another server."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The ids of a page, its links, and what it loads."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read an element."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag in ("script", "img", "iframe", "source", "video", "audio") and "src" in given:
            self.loaded.add(given["src"])
        elif tag == "link" and {"stylesheet", "preload", "icon"} & set(given.get("rel", "").split()):
            self.loaded.add(given.get("href", ""))
        elif tag == "a" and given.get("href"):
            self.links.add(given["href"])


def find_broken(site: Path) -> list[str]:
    """What is wrong with the links of a site, as "page: link"; empty if nothing is."""
    files = (
        path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts
    )  # the theme keeps a template there
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in files}
    wrong = []
    for path, page in pages.items():
        for link in sorted(page.links | page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    wrong.append(f"{path.relative_to(site)} loads {link} from another server")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                wrong.append(f"{path.relative_to(site)}: {link} does not exist")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                wrong.append(f"{path.relative_to(site)}: {link} has no such section")
    return wrong
