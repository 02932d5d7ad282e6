"""One line that says what was kept of earlier work, with a button that brings it back."""

from __future__ import annotations

import html

import ipywidgets

from nbmerge.widgets.controls.elements import button, set_visible, text
from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.state.saved import Session


class RestoreLine(ipywidgets.HBox):
    """Offers what a session can restore; hidden where there is nothing to say.

    Parameters
    ----------
    session : Session
    guard : Guard
        Shows what goes wrong.
    continued : bool
        Whether the Studio goes on from the previous run of its cell, which is then said.
    """

    def __init__(self, session: Session, guard: Guard, continued: bool = False):
        self.session = session
        self.note = text(kind="status")
        self.restore = button("", guard(lambda _: self._restore()), style="primary")
        self.start_over = button(
            "Start over", guard(lambda _: self._start_over()), hint="Go back to the recipe of the cell; nothing is lost"
        )
        self.dismiss = button(
            "", guard(lambda _: self._dismiss()), hint="Hide this line; nothing is deleted", icon="times"
        )
        super().__init__([self.note, self.restore, self.start_over, self.dismiss])
        self.add_class("nbm-row")
        self.add_class("nbm-restore")
        self._continued = continued
        session.keeper.on_fault = self._say_fault
        self._show()

    def _restore(self) -> None:
        title = self.session.offer_title
        self.session.restore()
        self._say(f"Restored {title}. Undo and the history go back to every step.")

    def _start_over(self) -> None:
        history = self.session.state.history
        first = next(iter(history.path_to(history.current_id))) if history.current_id is not None else None
        if first is not None:
            self.session.state.go(first.id)
        self._say("The recipe of the cell. Redo and the history lead back to what was drawn.")

    def _dismiss(self) -> None:
        self.session.dismiss()
        set_visible(self, False)

    def _show(self) -> None:
        session, steps = self.session, len(self.session.state.history)
        set_visible(self.restore, session.offer is not None)
        set_visible(self.start_over, self._continued)
        if session.offer is not None:
            self.restore.description = f"Restore {session.offer_title}"
            self.note.value = "An earlier session of this cell was kept."
        elif self._continued:
            self.note.value = f"This cell ran again and goes on where it was left ({steps} steps)."
        else:
            self.note.value = html.escape(session.message)
        set_visible(self, bool(self.note.value))

    def _say_fault(self, words: str) -> None:
        """That the file cannot be written, or that it can again; an offer that is open stays."""
        if self.session.offer is None:
            self._say(words)
            set_visible(self, bool(words))

    def _say(self, words: str) -> None:
        self.note.value = html.escape(words)
        for widget in (self.restore, self.start_over):
            set_visible(widget, False)
