"""A text that is being edited: not applied yet, and kept while the recipe goes on changing elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from nbmerge.recipe import Recipe, change_text, join_changes

SIDES = ("in the text", "in the panels")
"""Where a recipe is changed, for messages."""


@dataclass(frozen=True)
class Draft:
    """A text with what it was begun from.

    Parameters
    ----------
    text : str
    base : Recipe or None
        The recipe that was on screen when its editing began.
    """

    text: str
    base: Recipe | None

    def is_behind(self, recipe: Recipe | None) -> bool:
        """Whether the recipe has changed since."""
        return self.base is not None and recipe is not None and recipe != self.base

    def join(self, written: Recipe, shown: Recipe | None) -> tuple[Recipe, str | None]:
        """The recipe that has the changes of both sides, and the text with them; None where that cannot be kept.

        Parameters
        ----------
        written : Recipe
            What the text says.
        shown : Recipe or None
            The recipe as it is now.

        Raises
        ------
        RecipeError
            Naming each value that both have changed, with its line.
        """
        if self.base is None or shown is None or not self.is_behind(shown):
            return written, self.text
        joined = join_changes(self.base, written, shown, SIDES)
        return joined, change_text(self.text, joined, written)
