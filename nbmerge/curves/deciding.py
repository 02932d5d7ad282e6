"""Which rules of a recipe decide a track's values in a slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nbmerge.curves.tracks import Track
from nbmerge.engine.planning import Plan
from nbmerge.methods import REQUIRED
from nbmerge.recipe import Recipe, Rule, Slice
from nbmerge.recipe.sections import Parameters, Section


@dataclass(frozen=True)
class Entry:
    """A rule of a setting.

    Parameters
    ----------
    rule : Rule
    inherited : bool
        Whether it stands at a farther level of the recipe, or is the method's default.
    changed : bool
        Whether it is new, or values were asked for all of its layers.
    """

    rule: Rule
    inherited: bool = False
    changed: bool = False


@dataclass(frozen=True)
class Part:
    """A slice of a recipe as a track sees it.

    Parameters
    ----------
    number : int
        Its place in `Recipe.pieces`.
    start, depth : int
        Its first layer in the section's result, and how many it has.
    entries : tuple of Entry
        The rules that decide, in their order; the last has no filter.
    """

    number: int
    start: int
    depth: int
    entries: tuple[Entry, ...]


def list_parts(recipe: Recipe, plan: Plan, track: Track) -> Iterator[Part]:
    """Every slice of a recipe with the rules for a track; the plan is of that recipe."""
    number = 0
    for section in recipe.sections:
        start = 0
        for k, piece in enumerate(section.slices):
            depth = plan.piece_depths[number]
            yield Part(number, start, depth, tuple(_list_entries(_levels(recipe, section, k, piece, track), track)))
            start, number = start + depth, number + 1


def _levels(recipe: Recipe, section: Section, k: int, piece: Slice, track: Track) -> list[Parameters]:
    """The parameters that apply to a track, the nearest first; the first is where changes are written."""
    above = [*(settings for _, settings in section.levels(k)), recipe.parameters]
    if track.model is None:
        return above
    own = next((s.parameters for s in piece.sources if s.model == track.model), {})
    return [own, *above]


def _list_entries(levels: list[Parameters], track: Track) -> Iterator[Entry]:
    name = track.parameter.name
    for i, settings in enumerate(levels):
        for rule in settings[name].rules if name in settings else ():
            yield Entry(rule, inherited=i > 0)
            if rule.filter is None:
                return
    default = track.parameter.default
    yield Entry(Rule(0.0 if default is REQUIRED else default), inherited=True)
