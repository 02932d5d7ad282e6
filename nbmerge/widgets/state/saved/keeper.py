"""Writes a Studio's file when the user's hand rests, in a thread that lives as long as there is something to write."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbmerge.errors import advice
from nbmerge.guarded_files import read_model_bytes
from nbmerge.whole_files import write_whole
from nbmerge.widgets.state.after_rest import AfterRest
from nbmerge.widgets.state.saved.document import MOST_BYTES, Document, StepTexts, read_document, write_document
from nbmerge.widgets.state.studio_state import StudioState

REST = 0.8
"""Seconds without a change after which steps are put into words and the file is written."""
KEPT = ("revision", "prompts")
"""What is observed of a state, besides its notes and its draft."""


class Keeper:
    """Puts new steps of a state into words and writes its file, after each change, when changes pause.

    Parameters
    ----------
    state : StudioState
    file : Path, optional
        Without one, nothing is written.

    Attributes
    ----------
    fault : str
        Why the file could not be written; empty where it could.
    before_first_write : callable
        Called once, before anything is written.
    on_fault : callable
        Called with `fault` when it changes, in the thread that writes; replace it to be told.
    """

    def __init__(
        self, state: StudioState, file: Path | None = None, before_first_write: Callable[[], Any] = lambda: None
    ):
        self.state, self.file, self.fault = state, file, ""
        self.on_fault: Callable[[str], Any] = lambda words: None
        self._before_first_write = before_first_write
        self._written = b""
        self._texts: StepTexts = {}
        self._soon = AfterRest(self._keep, REST)
        state.observe(self._soon.note_change, KEPT)
        state.notes.observe(self._soon.note_change, "revision")
        state.draft.observe(self._soon.note_change, "text")

    def close(self) -> None:
        """Write what is still to be written, and observe no longer."""
        self.state.unobserve(self._soon.note_change, KEPT)
        self.state.notes.unobserve(self._soon.note_change, "revision")
        self.state.draft.unobserve(self._soon.note_change, "text")
        if self._soon.close():
            self.keep()

    def keep(self) -> None:
        """Put steps into words and write the file, now."""
        self._soon.work_now()

    def _keep(self) -> None:
        self.state.notes.summarise()
        if self.file is not None and is_worth_keeping(self.state):
            try:
                self._write(self.file)
                self._set_fault("")
            except OSError as error:
                self._set_fault(f"The history is not saved: {advice(error)}")

    def _set_fault(self, words: str) -> None:
        if words != self.fault:
            self.fault = words
            self.on_fault(words)

    def _write(self, file: Path) -> None:
        raw = write_document(self.state, self._texts)
        same = raw.split(b'"start"', 1)[-1]  # all but the time
        if not self._written:
            self._before_first_write()
        if same != self._written:
            write_whole(file, raw)
            self._written = same


def is_worth_keeping(state: StudioState) -> bool:
    """Whether anything was done that running the cell again would not give."""
    return len(state.history) > 1 or state.draft.text is not None or any(step.importance for step in state.history)


def read_file(file: Path) -> Document:
    """Read a Studio's file.

    Raises
    ------
    NbmergeError
        When it cannot be read or is not such a file.
    """
    return read_document(bytes(read_model_bytes(file, 4 * MOST_BYTES)))


def set_aside(file: Path, ending: str) -> Path | None:
    """Give a file another name, so that it is neither read again nor overwritten; None where that fails."""
    other = file.with_name(f"{file.stem}.{ending}")
    try:
        os.replace(file, other)
    except OSError:
        return None
    return other
