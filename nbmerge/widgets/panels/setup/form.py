"""What forms have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.widgets.controls.bench import BenchView
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.studio_state import StudioState


class Form:
    """A part of the setup, without widgets.

    Parameters
    ----------
    state : StudioState
    """

    kind = ""
    """Of its view."""

    def __init__(self, state: StudioState):
        self.state = state
        self.on_change: Callable[[], Any] = lambda: None
        """Called when the content has changed by more than the state, in any thread."""
        self.on_error: Callable[[BaseException], Any] = lambda error: None
        """Called with an error of work that was begun here."""

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for."""
        raise NotImplementedError

    def content(self) -> dict[str, Any]:
        """All that the browser draws."""
        raise NotImplementedError

    def open(self) -> None:
        """Called when it comes on screen."""

    def close(self) -> None:
        """End what was begun here."""


class FormPanel(Panel):
    """A form as a panel of its own.

    Attributes
    ----------
    form : Form
    view : BenchView
    """

    form_class: type[Form] = Form

    def _build(self) -> list[Any]:
        self.form = self.form_class(self.state)
        self.at_close(self.form.close)
        self.view = BenchView(self.form.kind, self.form.actions, self.errors)
        self.form.on_change, self.form.on_error = self.errors(self._refresh), self.errors.show
        self.form.open()
        return [self.view]

    def _refresh(self) -> None:
        with self.state.lock:  # threads draw too: what is drawn last must be the newest
            self.view.draw(self.form.content())
