"""Overfitting: whether scores of held-out texts still improve with those that a search optimises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbmerge.optimisation.goals import Goal
from nbmerge.optimisation.trials import Trial

NOTABLE = 0.05
"""Share of its first value by which a score must have improved before overfitting is looked for."""
LOST = 0.25
"""Share of its improvement that a held-out score may lose again."""
LEAST_SHARE = 0.5
"""Share of the improvement of a perplexity that its held-out texts should have at least."""


def describe_overfitting(trials: Sequence[Trial], goal: Goal, best: Trial, held_out: Mapping[str, bool]) -> list[str]:
    """One sentence for each score whose held-out texts do not improve with it.

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
        return f"Held-out texts did not improve: {numbers}. Search with more or other texts."
    peak = max(trail, key=lambda t: _gain(start.held_out[name], t.held_out[name], apart_lower))
    most = _gain(start.held_out[name], peak.held_out[name], apart_lower)
    if most - apart > LOST * most and _gain(peak.scores[name], best.scores[name], lower) > 0:
        return (
            f"Held-out texts got worse again: {numbers}, and had {peak.held_out[name]:.4g} at trial {peak.number}. "
            f"Take .recipe({peak.number}), or search with more texts."
        )
    comparable = lower and apart_lower and start.scores[name] > 0 and start.held_out[name] > 0  # perplexities
    if comparable and apart / start.held_out[name] < LEAST_SHARE * gain / start.scores[name]:
        return f"Held-out texts improved less than half as much: {numbers}. Search with more or other texts."
    return ""


def _gain(before: float, after: float, lower: bool) -> float:
    return before - after if lower else after - before
