"""What the rows of the Tracks panel have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from nbmerge.engine.planning import Plan
from nbmerge.widgets.state.studio_state import StudioState

if TYPE_CHECKING:
    from nbmerge.widgets.panels.tracks.panel import TracksPanel


class Row:
    """One row of a Tracks panel.

    Parameters
    ----------
    panel : TracksPanel
        Whose `state`, `columns` and `errors` the row uses; `panel.redraw()` draws again when the row itself has changed.

    Attributes
    ----------
    name : str
        Class attribute: the key of its part of the content, the first part of its actions' names, and the name of the script
        that draws it.
    """

    name: ClassVar[str]

    def __init__(self, panel: TracksPanel):
        self.panel = panel

    @property
    def state(self) -> StudioState:
        """The state that the panel shows."""
        return self.panel.state

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for; see `View`."""
        return {}

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """What its script draws; None to hide the row."""
        raise NotImplementedError

    def close(self) -> None:
        """Free what it holds, when the panel is closed."""
