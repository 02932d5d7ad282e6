"""The folder in which models are looked for: what is in it, and where one can go from there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from nbmerge.checkpoints import Scan, scan_folder
from nbmerge.checkpoints.folders import Entry, Listing, complete_name, list_folder
from nbmerge.errors import CheckpointError
from nbmerge.widgets.panels.setup.offers import Offers, make_text
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.studio_state import StudioState

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", re.ASCII)


class FolderBrowser:
    """Shows what is in a folder, and opens others. Disks may be slow: they are read in a thread, and the newest request wins.

    Parameters
    ----------
    state : StudioState
        Remembers the folder.
    add : callable
        ``(path)``: adds a model whose path was entered; called in the thread.
    on_error : callable
        ``(error)``: shows what went wrong, and what has changed.

    Attributes
    ----------
    on_begin : callable
        Called before a folder is read, to clear the last error.
    on_change : callable
        Called when `describe` has changed, in any thread.
    """

    def __init__(self, state: StudioState, add: Callable[[str], Any], on_error: Callable[[BaseException], Any]):
        self.state, self._add, self._on_error = state, add, on_error
        self.on_begin: Callable[[], Any] = lambda: None
        self.on_change: Callable[[], Any] = lambda: None
        self.runner = DebouncedRunner(self._fail, "look up models", state.activities)
        self._completer = DebouncedRunner(self._fail, "complete a path")
        self._listing: Listing | None = None
        self._scan: Scan | None = None
        self._busy, self._opened = "", 0
        self._completions: list[str] = []
        self._rows: tuple[Any, tuple[list[dict[str, Any]], list[str]]] = None, ([], [])

    # --- actions ---

    def show(self) -> None:
        """List the folder that was looked at last; at first the one that the notebook runs in."""
        folder = self._folder

        def work(cancel: Event) -> None:
            listing = _list_nearest(folder)
            self._show(listing)
            if listing.folder != folder:
                raise CheckpointError(f"{folder} cannot be opened any more. This is the nearest folder above it.")

        self._begin(f"Opening {folder} …", work)

    def enter(self, text: str) -> None:
        """Open a folder whose path was typed; a model is added."""

        def work(cancel: Event) -> None:
            path = self._locate(text)
            if os.path.isfile(path) or os.path.isfile(path / "config.json"):
                self._add(str(path))
                self._show(self._listing)
            elif _HUB_ID.fullmatch(text) and not path.is_dir():
                raise CheckpointError(
                    f"{str(path)!r:.300} is not a folder. If it is a model on the Hub, enter it under 'A model of the Hugging Face Hub'."
                )
            else:
                self._show(list_folder(path))

        self._begin(f"Opening {text:.200} …", work)

    def browse(self, path: str) -> None:
        """Open a folder that is listed, or the one above. Of a link, its target is opened, so that a loop of links ends."""

        def work(cancel: Event) -> None:
            self._show(list_folder(_follow_link(path)))

        self._begin(f"Opening {path:.200} …", work)

    def search(self) -> None:
        """List the models in the folder and in all folders below it."""
        folder = self._folder

        def work(cancel: Event) -> None:
            scan = scan_folder(folder)
            self._show(self._listing, scan)

        self._begin(f"Looking for models below {folder} …", work)

    def complete(self, text: str) -> None:
        """Propose folders whose paths begin with a text."""

        def work(cancel: Event) -> None:
            head, begun = os.path.split(text)
            prefix = text[: len(text) - len(begun)]
            self._completions = [f"{prefix}{name}{os.sep}" for name in complete_name(self._locate(head), begun)]
            self.on_change()

        self._completer.submit(work)

    def close(self) -> None:
        """Look for nothing any more."""
        self.runner.close()
        self._completer.close()

    # --- work ---

    def _begin(self, busy: str, work: Callable[[Event], Any]) -> None:
        self._busy = busy
        self.on_begin()
        self.on_change()
        self.runner.submit(work)

    def _show(self, listing: Listing | None, scan: Scan | None = None) -> None:
        if listing is not None:
            self.state.models_folder = str(listing.folder)
        self._listing, self._scan, self._completions = listing, scan, []
        self._busy, self._opened = "", self._opened + 1  # last: it tells that the rows are others
        self.on_change()

    def _fail(self, error: BaseException) -> None:
        self._busy = ""
        self._on_error(error)

    @property
    def _folder(self) -> Path:
        """The present folder."""
        return Path(self.state.models_folder) if self.state.models_folder else _find_start()

    def _locate(self, text: str) -> Path:
        """The path that a text stands for, in the present folder where it is relative."""
        try:
            return Path(os.path.abspath(self._folder / Path(text).expanduser()))
        except RuntimeError as error:  # the home of an unknown user
            raise CheckpointError(f"{text!r:.300} cannot be opened: {error}.") from error

    # --- content ---

    def describe(self, offers: Offers) -> dict[str, Any]:
        """What the browser draws."""
        folder = self._folder
        rows, notes = self._list_rows(offers)
        return {
            "path": make_text(str(folder)), "parent": str(folder.parent) if folder.parent != folder else "",
            "opened": self._opened, "below": self._scan is not None, "rows": rows, "note": " ".join(notes),
            "busy": make_text(self._busy), "completions": self._completions,
        }  # fmt: skip

    def _list_rows(self, offers: Offers) -> tuple[list[dict[str, Any]], list[str]]:
        """The rows and what is to be said of them, which stay until something is opened, added or removed."""
        key = (self._opened, *offers.paths)
        if self._rows[0] != key:
            rows, notes = list[dict[str, Any]](), list[str]()
            if self._scan is not None:
                rows, notes = _list_found(self._scan, offers), _describe_limits(self._scan)
            elif self._listing is not None:
                rows, notes = _list_entries(self._listing, offers), _describe_rest(self._listing)
            self._rows = key, (rows, notes)
        return self._rows[1]


def _find_start() -> Path:
    """The folder that the notebook runs in; the home folder where that is gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path.home()


def _follow_link(path: str) -> str:
    """Where a path leads, as far as that can be said in text."""
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return path
    return real if make_text(real) == real else path


def _list_nearest(folder: Path) -> Listing:
    """What is in a folder or, where it is gone, in the nearest one above it that can be read."""
    try:
        return list_folder(folder)
    except CheckpointError:
        if folder.parent == folder:
            raise
        return _list_nearest(folder.parent)


def _list_entries(listing: Listing, offers: Offers) -> list[dict[str, Any]]:
    """The rows of a folder; the first one is the folder itself where it is a model."""
    rows = [_make_row(entry, offers) for entry in listing.entries]
    if listing.found is None:
        return rows
    own = offers.offer_found(listing.found, "this folder")
    return [own | {"opens": ""}, *rows]


def _make_row(entry: Entry, offers: Offers) -> dict[str, Any]:
    name, path = entry.path.name, str(entry.path)
    row = offers.offer(path, name, "folder") if entry.found is None else offers.offer_found(entry.found, name)
    if entry.target:
        row["detail"] = " · ".join(filter(None, (row["detail"], make_text(f"link to {entry.target}"))))
    return row | {"opens": path if entry.can_open else ""}


def _list_found(scan: Scan, offers: Offers) -> list[dict[str, Any]]:
    """The rows of a search; links are not followed by it, and can be opened."""
    rows = []
    for found in scan.models:
        inner = found.path.relative_to(scan.folder)
        row = offers.offer_found(found, str(inner) if inner.parts else "this folder")
        rows.append(row | {"opens": str(found.path) if found.kind == "link" else ""})
    return rows


def _describe_limits(scan: Scan) -> list[str]:
    if not scan.is_complete:
        return ["The folder is large; only its beginning was searched. Open a folder in it to search there."]
    return [] if scan.models else ["There is no model in this folder or below it."]


def _describe_rest(listing: Listing) -> list[str]:
    """What is not listed, and why."""
    notes = []
    if not listing.entries and listing.found is None:
        notes.append("There are no models and no folders here.")
    if not listing.is_complete:
        notes.append("The folder is very large; not all of it was read.")
    if listing.left_out:
        notes.append(f"{_count(listing.left_out, 'more folder')} not listed; enter a path to open one.")
    if listing.unseen:
        notes.append(
            f"{_count(listing.unseen, 'folder')} shown without a check, which took too long; open one to see what it is."
        )
    if listing.hidden:
        notes.append(f"{_count(listing.hidden, 'hidden folder')} not listed; enter a path to open one.")
    if listing.unnamed:
        notes.append(f"{_count(listing.unnamed, 'folder')} left out, because the name is not valid UTF-8.")
    return notes


def _count(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"
