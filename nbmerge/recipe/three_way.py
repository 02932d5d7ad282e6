"""Two changes of one recipe made at the same time, such as by a slider and in a text: joined where they do not collide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, Where, place
from nbmerge.recipe.identity import identify_item, is_same
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.yaml_text import dump_flow

_ABSENT = object()
"""What a key that is not there stands for."""


def join_changes(
    base: Recipe, text: Recipe, other: Recipe, sides: tuple[str, str] = ("in the text", "elsewhere")
) -> Recipe:
    """The recipe with the changes of two others.

    Parameters
    ----------
    base : Recipe
        What both were made from.
    text, other : Recipe
        The two; lines in problems are those of the first.
    sides : (str, str)
        Where each was changed, for messages.

    Raises
    ------
    RecipeError
        With a problem for each value that both have changed, and not to the same.

    Examples
    --------
    >>> from nbmerge import Recipe
    >>> from nbmerge.recipe import join_changes
    >>> base = Recipe.slerp_merge("org/a", "org/b", t=0.5)
    >>> join_changes(base, base.replace(dtype="bfloat16"), base.with_parameter("t", 0.7)).parameters["t"].plain()
    0.7
    """
    joiner = _Joiner(text, sides)
    joined = joiner.join(base.plain(), text.plain(), other.plain(), ())
    if joiner.problems:
        raise RecipeError(joiner.problems)
    return Recipe.of(joined)


class _Joiner:
    def __init__(self, text: Recipe, sides: tuple[str, str]):
        self.text = text
        self.sides = sides
        self.problems: list[Problem] = []

    def join(self, base: Any, one: Any, other: Any, where: Where) -> Any:
        """Any part of plain data, or `_ABSENT`."""
        if is_same(one, other) or is_same(base, other):
            return one
        if is_same(base, one):
            return other
        if isinstance(one, dict) and isinstance(other, dict):
            return self._join_mappings(base if isinstance(base, dict) else {}, one, other, where)
        if all(isinstance(v, list) and v and all(isinstance(i, dict) for i in v) for v in (base, one, other)):
            joined = self._join_lists(base, one, other, where)
            if joined is not None:
                return joined
        first, second = (_say(v) for v in (one, other))
        what = f"{place(where)} is {first} {self.sides[0]} and {second} {self.sides[1]}; it was {_say(base)}."
        keep = "Remove it" if other is _ABSENT else f"Write {second}"
        how = f"{keep} {self.sides[0]} to keep what is {self.sides[1]}, or undo what was changed there."
        self.problems.append(Problem("error", where, what, how, self.text.line(where)))
        return one

    def _join_mappings(
        self, base: dict[Any, Any], one: dict[Any, Any], other: dict[Any, Any], where: Where
    ) -> dict[Any, Any]:
        keys = dict.fromkeys([*one, *other])
        values = {
            k: self.join(base.get(k, _ABSENT), one.get(k, _ABSENT), other.get(k, _ABSENT), (*where, k)) for k in keys
        }
        return {k: v for k, v in values.items() if v is not _ABSENT}

    def _join_lists(self, base: list[Any], one: list[Any], other: list[Any], where: Where) -> list[Any] | None:
        """Items by what identifies them; None where both sides have changed which there are, or their order."""
        items = [_by_identity(v) for v in (base, one, other)]
        if any(len(known) < len(v) for known, v in zip(items, (base, one, other), strict=True)):
            return None
        orders = [list(known) for known in items]
        if orders[1] != orders[0] and orders[2] != orders[0]:
            return None
        order = orders[1] if orders[1] != orders[0] else orders[2]
        lost = [k for k in orders[0] if k not in order]
        keys = [*order, *(k for k in lost if any(k in known and not is_same(known[k], items[0][k]) for known in items))]
        joined = []
        for i, key in enumerate(keys):
            before, first, second = (known.get(key, _ABSENT) for known in items)
            value = self.join(before, first, second, (*where, i))
            if value is not _ABSENT:
                joined.append(value)
        return joined


def _by_identity(items: Sequence[Any]) -> dict[Any, Any]:
    return {identify_item(item): item for item in items}


def _say(value: Any) -> str:
    return "not set" if value is _ABSENT else dump_flow(value)
