"""The draft: a text that is being edited, not applied yet, and kept while the recipe goes on changing elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traitlets import HasTraits, Unicode

from nbmerge.recipe import Recipe, change_text, join_changes

if TYPE_CHECKING:
    from nbmerge.widgets.state.studio_state import StudioState

SIDES = ("in the text", "in the panels")
"""Where a recipe is changed, for messages."""


class Draft(HasTraits):
    """What stands in an editor of a state's recipe.

    Parameters
    ----------
    state : StudioState

    Attributes
    ----------
    text : str or None
        None where nothing is being edited.
    base : Recipe or None
        The recipe that was on screen when the editing began.
    """

    text = Unicode(None, allow_none=True)

    def __init__(self, state: StudioState):
        super().__init__()
        self._state = state
        self.base: Recipe | None = None

    def edit(self, text: str) -> None:
        """Note what stands in the editor; it is kept until it is applied or dropped."""
        with self._state.lock:
            if text == self._state.text:
                self.text = None
            elif text != self.text:
                if self.text is None:
                    self.base = self._state.recipe
                self.text = text

    def resume(self, text: str, base: Recipe | None) -> None:
        """Go on editing a text that was kept; `base` is the recipe that its editing began with."""
        with self._state.lock:
            if text != self._state.text:
                self.base, self.text = base, text

    @property
    def is_behind(self) -> bool:
        """Whether the recipe has changed elsewhere since the editing began."""
        return self.text is not None and has_changed(self.base, self._state.recipe)

    def apply(self) -> bool:
        """Apply it together with what has changed elsewhere since the editing began.

        False when the text is not a valid recipe, or both have changed the same value: then `StudioState.refused` says
        which.
        """
        with self._state.lock:
            return self.text is None or self._state.apply_text(self.text, self.base)

    def drop(self) -> None:
        """Forget it."""
        with self._state.lock:
            self.text = None
            self._state.drop_refused()


def has_changed(base: Recipe | None, shown: Recipe | None) -> bool:
    """Whether the recipe on screen is another than the one that an editing began with."""
    return base is not None and shown is not None and shown != base


def join_text(text: str, written: Recipe, base: Recipe | None, shown: Recipe | None) -> tuple[Recipe, str | None]:
    """The recipe that has the changes of both sides, and the text with them; None where that cannot be kept.

    Parameters
    ----------
    text : str
    written : Recipe
        What the text says.
    base : Recipe or None
        The recipe that its editing began with.
    shown : Recipe or None
        The recipe as it is now.

    Raises
    ------
    RecipeError
        Naming each value that both have changed, with its line.
    """
    if base is None or shown is None or not has_changed(base, shown):
        return written, text
    joined = join_changes(base, written, shown, SIDES)
    return joined, change_text(text, joined, written)
