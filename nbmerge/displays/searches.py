"""The result of a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbmerge.displays.analysis import digits
from nbmerge.displays.layout import block, bullets, fold, heading, table
from nbmerge.displays.markup import Markup, join

if TYPE_CHECKING:
    from nbmerge.optimisation import SearchResult, Trial

SHOWN = 10
"""Trials that are listed: the best, or the front."""
NAMES = 12
"""Values of a trial that are columns; of more, those that mattered most."""


def show_search(found: SearchResult) -> Markup:
    """The best trials, what mattered, what failed and whether held-out texts agree."""
    counts = f"{len(found.trials)} trials", f"{found.seconds:.1f} s"
    notes = bullets(found.notes) if found.notes else join()
    if not found.front:
        return block(heading("Search", *counts), notes)
    names = list(found.importance)[:NAMES]
    goal = [] if found.goal.kind == "pareto" else [found.goal.title]
    apart = [f"{name}, held out" for name in found.held_out]
    head = ["trial", *goal, *found.goal.lower, *apart, *names]
    top = heading("Search", *counts, f"best trial {found.best_trial.number}")
    rows = [_row(found, trial, names) for trial in found.ranked(SHOWN)]
    shares = [[name, f"{share:.2f}"] for name, share in found.importance.items()]
    return block(top, table(head, rows), fold("What mattered", table(["value", "importance"], shares)), notes)


def _row(found: SearchResult, trial: Trial, names: list[str]) -> list[str]:
    goal = [] if found.goal.kind == "pareto" else [digits(trial.objective[0])]
    scores = [digits(trial.scores[name]) for name in found.goal.lower]
    apart = [digits(trial.held_out[name]) if name in trial.held_out else "" for name in found.held_out]
    values = [trial.values[name] for name in names]
    words = [digits(v) if isinstance(v, float) else str(v) for v in values]
    return [str(trial.number), *goal, *scores, *apart, *words]
