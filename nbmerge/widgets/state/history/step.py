"""A step: one recipe that was on screen, and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nbmerge.recipe import Recipe
from nbmerge.recipe.writers import write_plainly
from nbmerge.widgets.state.history.summary import Summary

LONGEST_NAME = 80
"""Characters of a step's name."""


@dataclass(frozen=True)
class Step:
    """One entry of the history.

    Parameters
    ----------
    id : int
        Unique in its history; later steps have larger numbers.
    recipe : Recipe
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
    recipe: Recipe
    source: str | None = None
    parent: int | None = None
    time: float = 0.0
    name: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    summary: Summary | None = None

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
