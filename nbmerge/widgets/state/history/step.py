"""A step: one recipe that was on screen, and what is known about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nbmerge.recipe import Recipe
from nbmerge.recipe.writers import write_plainly
from nbmerge.widgets.state.history.summary import Summary

LONGEST_NAME = 80
"""Characters of a step's name."""


class KeptRecipe:
    """A recipe that is read when it is first needed: reading the hundreds of a long history takes seconds.

    Parameters
    ----------
    read : callable
        Returns it.
    """

    def __init__(self, read: Callable[[], Recipe]):
        self._read = read

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe."""
        return self._read()


@dataclass(frozen=True)
class Step:
    """One entry of the history.

    Parameters
    ----------
    id : int
        Unique in its history; later steps have larger numbers.
    given : Recipe or KeptRecipe
        What `recipe` is, or where it comes from.
    source : str or None
        The text it was read from, where that is shown as it is.
    parent : int or None
        The step that was changed into this one.
    time : float
        When it was last changed, in seconds since 1970.
    name : str
        Given by the user; empty without one.
    scores : mapping of str to float
        Scores that were computed for this recipe.
    pins : tuple of str
        Names under which its merge was pinned.
    summary : Summary or None
        What changed, and a small picture; None until they are computed.
    """

    id: int
    given: Recipe | KeptRecipe
    source: str | None = None
    parent: int | None = None
    time: float = 0.0
    name: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    summary: Summary | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe that was on screen."""
        return self.given.recipe if isinstance(self.given, KeptRecipe) else self.given

    @cached_property
    def text(self) -> str:
        """The recipe as it is shown; written only when it is needed, since YAML takes as long as planning."""
        return write_plainly(self.recipe) if self.source is None else self.source

    @cached_property
    def fingerprint(self) -> str:
        """Of the recipe."""
        return self.recipe.fingerprint

    @property
    def importance(self) -> int:
        """How much would be lost with it: 0 nothing but the recipe, 1 its scores, 2 what a user has marked."""
        return 2 if self.name or self.pins else 1 if self.scores else 0
