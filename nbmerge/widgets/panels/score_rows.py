"""Scores as rows: value, change since the step before, and a history whose points lead back to their steps."""

from __future__ import annotations

import math
from typing import Any

from nbmerge.sampling import ScoreHistory, ScoreRecord
from nbmerge.widgets.state.history import History

SHOWN = 48
"""Most points of a history on screen."""


def draw_rows(scores: ScoreHistory, steps: History, recipe: str) -> list[dict[str, Any]]:
    """Every score as the browser takes it.

    Parameters
    ----------
    scores : ScoreHistory
    steps : History
        Where the points of a history lead back to.
    recipe : str
        Fingerprint of the recipe on screen. Where it was not scored, the latest values are shown as out of date.
    """
    record = scores.find(recipe)
    shown = record or scores.latest
    places = {r.fingerprint: step.id for r in scores.records if (step := steps.find(r.fingerprint)) is not None}
    return [_draw(scores, steps, places, name, shown, record is None) for name in scores.scores]


def _draw(
    scores: ScoreHistory, steps: History, places: dict[str, int], name: str, record: ScoreRecord | None, is_stale: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name, "lower": scores.is_lower_better(name), "state": "none", "value": "", "change": "", "better": None,
        "fault": "", "best": "", "points": [],
    }  # fmt: skip
    best = scores.best(name)
    if best is not None:
        row["best"] = write_number(best.values[name])
    known = [r for r in scores.records if name in r.values][-SHOWN:]
    row["points"] = [_point(r, name, places.get(r.fingerprint), r is best, r is record) for r in known]
    if record is not None and name in record.failed:
        return {**row, "state": "failed", "fault": record.failed[name]}
    if record is None or name not in record.values:
        return row
    value, before = record.values[name], find_before(scores, steps, name, record)
    row |= {"state": "stale" if is_stale else "current", "value": write_number(value)}
    if is_stale or before is None or write_number(value) == write_number(before):
        return {**row, "change": "" if is_stale else "first value" if before is None else "unchanged"}
    arrow = "▲" if value > before else "▼"
    return {
        **row,
        "change": f"{arrow} {write_number(abs(value - before))}",
        "better": scores.is_better(name, value, before),
    }


def _point(record: ScoreRecord, name: str, step: int | None, is_best: bool, is_shown: bool) -> dict[str, Any]:
    value = record.values[name]
    return {
        "value": value if math.isfinite(value) else None, "text": write_number(value), "step": step, "best": is_best,
        "shown": is_shown,
    }  # fmt: skip


def find_before(scores: ScoreHistory, steps: History, name: str, record: ScoreRecord) -> float | None:
    """The value at the nearest step that led to this one and has the score; without one, the value before in time."""
    step = steps.find(record.fingerprint) if record.fingerprint else None
    for former in reversed(steps.path_to(step.id)[:-1] if step is not None else []):
        scored = scores.find(former.fingerprint)
        if scored is not None and scored is not record and name in scored.values:
            return scored.values[name]
    earlier = [r.values[name] for r in scores.records[: scores.records.index(record)] if name in r.values]
    return earlier[-1] if earlier else None


def write_number(value: float) -> str:
    """A score with about three digits."""
    if math.isnan(value):
        return "not a number"
    return f"{value:.3g}" if 0 < abs(value) < 0.0995 else f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}"
