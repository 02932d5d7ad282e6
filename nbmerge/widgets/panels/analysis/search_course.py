"""What the browser gets of a search: the best so far of each score, on texts that were searched for and on others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.recipe import Recipe
from nbmerge.widgets.controls.numbers import plain_number
from nbmerge.widgets.panels.analysis.table import describe_table

if TYPE_CHECKING:
    from nbmerge.optimisation import SearchResult, Trial

DIGITS = 5
LISTED = 5
"""Best trials that have a button."""


def describe_search(found: SearchResult, recipe: Recipe | None, models: Sequence[str] = ()) -> dict[str, Any]:
    """Curves, the best trials, warnings, and a table with the newest trial first; `models` are names that may be shortened."""
    best = found.ranked(LISTED)
    return {
        "trials": len(found.trials), "failed": sum(t.state == "failed" for t in found.trials),
        "curves": [_describe_curve(found, name) for name in found.goal.lower],
        "best": [_describe_best(found, trial, recipe) for trial in best], "notes": list(found.notes),
        "table": describe_table(found.table.iloc[::-1], models),
    }  # fmt: skip


def _describe_curve(found: SearchResult, name: str) -> dict[str, Any]:
    steps = list(follow_best(found, name))
    return {
        "name": name, "lower": found.goal.lower[name],
        "points": [[t.number, plain_number(t.scores[name], DIGITS)] for t in found.trials if t.state == "complete"],
        "best": [[t.number, plain_number(t.scores[name], DIGITS)] for t in steps],
        "heldOut": [[t.number, plain_number(t.held_out[name], DIGITS)] for t in steps if name in t.held_out],
    }  # fmt: skip


def follow_best(found: SearchResult, name: str) -> Iterator[Trial]:
    """Each complete trial that was better than all before it: by what the search compares, or of several goals by this score."""
    best: float | None = None
    for trial in found.trials:
        if trial.state == "complete":
            score = trial.scores[name]
            value = (
                found.goal.turned(trial.objective)[0]
                if found.goal.is_single
                else -score
                if found.goal.lower[name]
                else score
            )
            if best is None or value > best:
                best = value
                yield trial


def _describe_best(found: SearchResult, trial: Trial, recipe: Recipe | None) -> dict[str, Any]:
    numbers = [f"{name} {value:.4g}" for name, value in trial.scores.items()]
    numbers += [f"held out {name} {value:.4g}" for name, value in trial.held_out.items()]
    return {
        "trial": trial.number, "text": ", ".join(numbers), "front": any(t.number == trial.number for t in found.front),
        "current": recipe is not None and found.recipe(trial.number) == recipe,
    }  # fmt: skip
