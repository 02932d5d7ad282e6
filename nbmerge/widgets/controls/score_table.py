"""Scores as HTML: each with its history, small enough to stand beside the curve that is being moved."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from nbmerge.sampling import ScoreHistory, ScoreRecord

WIDTH, HEIGHT, EDGE = 132, 32, 6
"""Of a history in pixels, and the space left around it."""
SHOWN = 48
"""Most records of a history on screen."""


def score_table(history: ScoreHistory, recipe: str) -> str:
    """Every score: its value, how it changed, its best, its history.

    Parameters
    ----------
    history : ScoreHistory
    recipe : str
        Fingerprint of the recipe on screen. Where it was not read, the latest values are shown as out of date.
    """
    record = history.find(recipe)
    rows = "".join(_row(history, name, record or history.latest, record is None) for name in history.scores)
    is_stale = record is None and history.latest is not None
    kind = "nbm-score-table nbm-stale" if is_stale else "nbm-score-table"
    return f"<div class='{kind}'>{rows}</div>" if rows else ""


def _row(history: ScoreHistory, name: str, record: ScoreRecord | None, is_stale: bool) -> str:
    title = html.escape(name)
    fault = record.failed.get(name) if record else None
    if fault:
        return f"<div class='nbm-score'><b>{title}</b><span class='nbm-fault' role='alert'>{html.escape(fault)}</span></div>"
    if record is None or name not in record.values:
        return f"<div class='nbm-score'><b>{title}</b><span class='nbm-quiet'>not computed yet</span></div>"
    values, best = history.values(name), history.best(name)
    top = best.values[name] if best else math.nan
    until = [r.values[name] for r in history.records[: history.records.index(record) + 1] if name in r.values]
    note = "out of date: of an earlier recipe" if is_stale else change(history, name, until)
    return (
        f"<div class='nbm-score'><b>{title}</b><strong>{number(record.values[name])}</strong>"
        f"<span class='nbm-quiet'>{note}</span>{sparkline(values, top, name)}"
        f"<span class='nbm-quiet'>best {number(top)}</span></div>"
    )


def number(value: float) -> str:
    """A score with about three digits."""
    if math.isnan(value):
        return "not a number"
    return f"{value:.3g}" if 0 < abs(value) < 0.0995 else f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}"


def change(history: ScoreHistory, name: str, values: Sequence[float]) -> str:
    """How a score changed with the last record, in an arrow and a word."""
    if len(values) < 2 or number(values[-1]) == number(values[-2]):
        return "unchanged" if len(values) > 1 else "first value"
    now, before = values[-1], values[-2]
    arrow = "▲" if now > before else "▼"
    word = "better" if history.is_better(name, now, before) else "worse"
    return f"{arrow} {number(abs(now - before))} {word}"


def sparkline(history: Sequence[float], best: float, name: str) -> str:
    """A history as a line, its end a dot, its best a ring."""
    values = [v for v in history[-SHOWN:] if math.isfinite(v)]
    if not values:
        return ""
    low, high = min(values), max(values)
    across = (WIDTH - 2 * EDGE) / max(len(values) - 1, 1)

    def place(i: int) -> tuple[float, float]:
        share = (values[i] - low) / (high - low) if high > low else 0.5
        return EDGE + (i * across if len(values) > 1 else WIDTH - 2 * EDGE), HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, range(len(values))))
    end = "<circle class='nbm-now' cx='{:.1f}' cy='{:.1f}' r='3'/>".format(*place(len(values) - 1))
    ring = (
        "<circle class='nbm-best' cx='{:.1f}' cy='{:.1f}' r='4'/>".format(*place(values.index(best)))
        if best in values
        else ""
    )
    label = f"{name}: {len(history)} values from {number(low)} to {number(high)}, now {number(history[-1])}"
    return (
        f"<svg role='img' aria-label='{html.escape(label, quote=True)}' width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}'>"
        f"<polyline points='{line}'/>{ring}{end}</svg>"
    )
