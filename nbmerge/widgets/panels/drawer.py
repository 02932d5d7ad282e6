"""The drawer: panels that are not always needed, made when their tab is first opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets

from nbmerge.widgets.controls.bench import BenchView
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.panels.summary import summarise_recipe
from nbmerge.widgets.state.studio_state import StudioState


class Drawer(Panel):
    """Tabs, of which at most one is open; each holds one panel.

    Parameters
    ----------
    state : StudioState
    tabs : mapping of str to callable
        ``() -> Panel`` for each name, called when the tab is first opened, or its panel first asked for.
    needed : mapping of str to callable
        ``(state) -> bool`` for tabs that are not always there.

    Attributes
    ----------
    opened : str
        Name of the open tab; empty while the drawer is closed.
    """

    title = "Drawer"

    def __init__(
        self,
        state: StudioState,
        tabs: Mapping[str, Callable[[], Panel]],
        needed: Mapping[str, Callable[[StudioState], bool]] | None = None,
        *,
        part: bool = True,
    ):
        self._tabs, self._needed = dict(tabs), dict(needed or {})
        self._panels: dict[str, Panel] = {}
        self.opened = ""
        super().__init__(state=state, part=part)

    def _build(self) -> list[ipywidgets.Widget]:
        self.view = BenchView("drawer", {"toggle": self.toggle}, self.errors)
        self.box = ipywidgets.VBox()
        return [self.view, self.box]

    def panel(self, name: str) -> Panel:
        """The panel of a tab, made where that is needed."""
        if name not in self._panels:
            panel = self._tabs[name]()
            panel.in_view = False
            self._panels[name] = panel
            self.at_close(panel.close)
        return self._panels[name]

    def toggle(self, tab: str) -> None:
        """Open a tab; the open one is closed."""
        self.show("" if tab == self.opened else tab)

    def show(self, tab: str) -> None:
        """Open a tab, or close the drawer with an empty name."""
        self.opened = tab if tab in self._tabs else ""
        shown = self.panel(self.opened) if self.opened else None
        for panel in self._panels.values():
            panel.in_view = panel is shown
        self.box.children = () if shown is None else (shown,)
        self._refresh()

    def _refresh(self) -> None:
        tabs = [tab for tab in self._tabs if tab == self.opened or self._needed.get(tab, _always)(self.state)]
        self.view.draw({"tabs": tabs, "open": self.opened, "summary": summarise_recipe(self.state.recipe)})


def _always(state: StudioState) -> bool:
    return True
