"""Whether texts that were held out still agree with those that a search looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbmerge.optimisation.goals import Goal
from nbmerge.optimisation.trials import Trial

NOTABLE = 0.05
"""Share of its first value by which a score must have gained for anything to be said."""
LOST = 0.25
"""Share of what a held-out score had gained that it may lose again."""
BEHIND = 0.5
"""A held-out perplexity that gains less than this share of what the score gains is behind."""


def find_parting(trials: Sequence[Trial], goal: Goal, best: Trial, held_out: Mapping[str, bool]) -> list[str]:
    """A sentence for each score whose held-out texts do not follow.

    Parameters
    ----------
    trials : sequence of Trial
    goal : Goal
    best : Trial
        The last of those that are looked at.
    held_out : mapping of str to bool
        Whether lower is better on held-out texts, whose score may be of another kind.
    """
    trail = [t for t in trials if t.held_out and t.number <= best.number]
    if not trail or trail[0].number != 0 or best.number == 0:
        return []
    found = (
        _examine(name, trail, goal.lower[name], lower) for name, lower in held_out.items() if name in best.held_out
    )
    return [sentence for sentence in found if sentence]


def _examine(name: str, trail: Sequence[Trial], lower: bool, apart_lower: bool) -> str:
    start, best = trail[0], trail[-1]
    gain = _gain(start.scores[name], best.scores[name], lower)
    apart = _gain(start.held_out[name], best.held_out[name], apart_lower)
    if gain <= NOTABLE * abs(start.scores[name]):
        return ""
    numbers = (
        f"{name!r} went from {start.scores[name]:.4g} to {best.scores[name]:.4g}, "
        f"on held-out texts from {start.held_out[name]:.4g} to {best.held_out[name]:.4g}"
    )
    if apart <= 0:
        return f"Held-out texts did not gain: {numbers}. Search with more or other texts."
    peak = max(trail, key=lambda t: _gain(start.held_out[name], t.held_out[name], apart_lower))
    most = _gain(start.held_out[name], peak.held_out[name], apart_lower)
    if most - apart > LOST * most and _gain(peak.scores[name], best.scores[name], lower) > 0:
        return (
            f"Held-out texts part from those searched for: {numbers}, where trial {peak.number} had {peak.held_out[name]:.4g}. "
            f"Take .recipe({peak.number}), or search with more texts."
        )
    comparable = lower and apart_lower and start.scores[name] > 0 and start.held_out[name] > 0  # perplexities
    if comparable and apart / start.held_out[name] < BEHIND * gain / start.scores[name]:
        return f"Held-out texts gained less than half as much: {numbers}. Search with more or other texts."
    return ""


def _gain(before: float, after: float, lower: bool) -> float:
    return before - after if lower else after - before
