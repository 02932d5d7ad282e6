"""A recipe in another tool's language, and what that language cannot express."""

from __future__ import annotations

from dataclasses import dataclass

from nbmerge.problems import Problem


@dataclass(frozen=True)
class Export:
    """What `Recipe.to_mergekit` gives.

    Parameters
    ----------
    text : str
        The other tool's recipe.
    lost : tuple of Problem
        What it cannot express, the worst first: an error means a different model or none, a warning a difference in some
        cases, an info something other than weights, or a case that does not occur with trained weights.
    """

    text: str
    lost: tuple[Problem, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the other tool makes the same weights, up to rounding."""
        return not any(p.severity == "error" for p in self.lost)

    def __str__(self) -> str:
        return self.text
