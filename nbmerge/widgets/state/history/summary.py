"""A step at a glance: what changed in words, and its curves as a few numbers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from nbmerge.engine.differences import collect_rows, describe_difference
from nbmerge.engine.planning import Plan, examine
from nbmerge.recipe import Recipe

LONGEST_WORDS = 400
"""Characters of a summary."""
MOST_LINES, MOST_POINTS = 4, 24
"""Size of a small picture."""
SAME = "the same values in other words or points"
"""Of a step that changes how a recipe is written, such as one that adds a point to a level line."""
KEPT_PLANS = 3
"""Plans that are kept for the next summary; steps that are summarised one after the other share them."""


@dataclass(frozen=True)
class Line:
    """One curve of a small picture.

    Parameters
    ----------
    title : str
        "weight of math".
    values : tuple of float
        At evenly spread layers, at most `MOST_POINTS`.
    """

    title: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Summary:
    """What is shown of a step.

    Parameters
    ----------
    words : str
        What changed from its parent.
    lines : tuple of Line
        Its curves; empty where the recipe has no plan.
    """

    words: str
    lines: tuple[Line, ...] = ()


class Summariser:
    """Makes summaries; keeps the last plans, because the next step is usually compared with one of them."""

    def __init__(self) -> None:
        self._plans: OrderedDict[str, Plan | None] = OrderedDict()

    def summarise(self, recipe: Recipe, parent: Recipe | None) -> Summary:
        """The summary of a step with this recipe, after one with that of its parent."""
        after = self._plan(recipe)
        if parent is None:
            words = f"started with {recipe.merge_method} of {_list_models(recipe)}"
        else:
            before = self._plan(parent)
            pair = (parent, recipe) if before is None or after is None else (before, after)
            words = str(describe_difference(*pair) or SAME)
        return Summary(words[:LONGEST_WORDS], () if after is None else draw_lines(after))

    def _plan(self, recipe: Recipe) -> Plan | None:
        key = recipe.fingerprint
        if key not in self._plans:
            self._plans[key] = examine(recipe)[0]
        self._plans.move_to_end(key)
        while len(self._plans) > KEPT_PLANS:
            self._plans.popitem(last=False)
        return self._plans[key]


def draw_lines(plan: Plan) -> tuple[Line, ...]:
    """The curves of a plan as few numbers: those that bend first."""
    lines = []
    for (parameter, model), row in collect_rows(plan).items():
        values = [v for v in row if v is not None]
        if values:
            title = f"{parameter} of {model}" if model else parameter
            lines.append(Line(title, tuple(round(v, 4) for v in _thin_out(values))))
    lines.sort(key=lambda line: len(set(line.values)) == 1)
    return tuple(lines[:MOST_LINES])


def _thin_out(values: list[float]) -> list[float]:
    if len(values) <= MOST_POINTS:
        return values
    return [values[round(i * (len(values) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)]


def _list_models(recipe: Recipe) -> str:
    return ", ".join(dict.fromkeys(s.model.name for piece in recipe.pieces for s in piece.sources))
