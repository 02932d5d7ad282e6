"""What all panels have in common: a state, a place for errors, a style, and a text repr."""

from __future__ import annotations

from typing import Any

import ipywidgets
from ipywidgets import Layout
from traitlets import Bool

from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.cell import close_previous, find_kernel_shell
from nbmerge.widgets.controls.elements import styles
from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.lifetime import OwningBox, close_tree
from nbmerge.widgets.controls.static_output import WIDGET, StaticOutput
from nbmerge.widgets.state.studio_state import StudioState


class StateBox(OwningBox):
    """A box that shows a state; the state releases its models when the last such box is closed.

    Parameters
    ----------
    state : StudioState
    part : bool, optional
        Whether it is part of a box that closes it; otherwise it is closed when its cell runs again.
    """

    def __init__(self, state: StudioState, *, part: bool = False):
        self.state, self._is_part = state, part
        super().__init__(layout=Layout(width="auto"))
        self.errors = Guard()
        self.at_close(lambda: close_tree(self.errors))
        self.state.attach(self)
        self.at_close(lambda: self.state.detach(self))
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        if not part:
            self._static = StaticOutput(self.state, self.model_id[:12])
            self.at_close(self._static.close)
            self.add_class("nbm-live")
            self.add_class(f"nbm-live-{self._static.key}")
            close_previous(self)

    def _ipython_display_(self, **settings: Any) -> None:
        """Show it in a notebook, with what remains of it where no kernel runs."""
        shell = find_kernel_shell()
        static = getattr(self, "_static", None)
        if shell is None or static is None or self.closed:
            print(repr(self))
            return
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        static.display({WIDGET: view}, repr(self), shell)

    def _open(self) -> None:
        """Make what it shows."""
        raise NotImplementedError


class Panel(StateBox):
    """A part of the Studio that also works alone.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads, optional
        What to start with; not together with `state`.
    state : StudioState, optional
        Shared with other panels.
    part : bool, optional
        Whether it is part of a box that closes it.

    A panel has no state of its own: `_build` makes its widgets once, `_refresh` makes them show the state, and changes by
    the user go to the state. Every callback is wrapped by `self.errors`. A panel in a hidden tab is not `in_view`: it is
    refreshed when its tab is selected, so that no time is spent on what is hidden. Call `redraw` for what changes without the
    state.

    Closing a panel, or running its cell again, closes everything that it has made. The state releases its models when
    the last panel that shows it is closed.
    """

    title = ""
    waits_until_seen = False
    """Whether it draws nothing as a part of a box before the box brings it into view."""
    in_view = Bool(True)

    def __init__(self, recipe: Any = None, state: StudioState | None = None, *, part: bool = False):
        self.in_view = not (part and self.waits_until_seen)
        self._is_outdated = False
        super().__init__(state if state is not None else StudioState(recipe), part=part)

    def _open(self) -> None:
        self.add_class("nbm-panel")
        self.add_class(f"nbm-{self.title.lower()}")
        content = self._build()  # first: where it fails, no other widget is left behind
        self.children = [*([] if self._is_part else [styles()]), *content, self.errors]
        self._seen = -1
        self.watch(self.state, self.errors(lambda change: self._refresh_if_shown()), "revision")
        self.observe(self.errors(lambda change: self._refresh_if_shown()), "in_view")
        self.errors(self._refresh_if_shown)()

    @property
    def recipe(self) -> Recipe | None:
        """The present recipe; set it to anything that `Recipe.load` reads."""
        return self.state.recipe

    @recipe.setter
    def recipe(self, recipe: Any) -> None:
        self.state.open_recipe(Recipe.load(recipe))

    def _build(self) -> list[ipywidgets.Widget]:
        """Make the widgets."""
        raise NotImplementedError

    def _refresh(self) -> None:
        """Show the state."""

    def _draw(self) -> None:
        """Draw, though the state is the same."""
        self._refresh()

    def redraw(self) -> None:
        """Draw again, though the state is the same, such as when work in a thread has ended.

        A panel that is not in view is drawn when it is.
        """
        if self.closed:
            return
        self._is_outdated = True  # first: another thread may bring it into view meanwhile
        if self.in_view:
            self._is_outdated = False
            self._draw()

    def _refresh_if_shown(self) -> None:
        """Show the state if the panel is in view and does not show it yet."""
        if not self.in_view:
            return
        if self._seen != self.state.revision:
            self._seen = self.state.revision
            self.errors.clear()  # what an earlier recipe caused
            self._refresh()
        if self._is_outdated:
            self._is_outdated = False
            self._draw()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.state!r}>"
