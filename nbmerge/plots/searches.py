"""Searches: their course, trials over each value, the Pareto front, and each trial as a line through all values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Row, Sheet
from nbmerge.plots.theme import legend_height

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.optimisation import SearchResult, Space

COURSE, SLICE, FRONT, LINE = 170, 110, 260, 36
"""Heights in pixels; the last is that of one value of `trial_lines`."""
HEAD, GAP = 26, 8
"""Room for a title, and around a legend."""
SLICES = 6
"""Values that are drawn: those that mattered most."""
MOST_LETTERS = 36
"""Letters of a value's name beside its line."""
SHOWN = 0.1
"""Share of the worst trials that may lie outside of the axes."""


def plot_search(
    found: SearchResult, what: str, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `SearchResult.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    table = found.table[found.table["state"] == "complete"]
    score = found.goal.title
    lower = found.goal.kind == "pareto" and found.goal.lower[score]
    if what == "coordinates":
        draw = partial(_lines, table, found.space, score, lower)
        return sheet.draw([Row(LINE * len(found.space.names), HEAD, draw)])
    rows = []
    if not found.goal.is_single:
        first, second = list(found.goal.lower)[:2]
        rows.append(Row(FRONT, HEAD, partial(_front, table, first, second, found.goal.lower), own_axis=True))
    words = [f"{score} (higher is better)", "best so far"]
    rows.append(
        Row(COURSE, legend_height(words, sheet.inner) + GAP, partial(_course, table, score, lower), own_axis=True)
    )
    if found.held_out:
        words = _held_out_words(found.held_out)
        above = legend_height(words, sheet.inner) + GAP
        rows.append(Row(SLICE, above, partial(_held_out, table, found.held_out), own_axis=True))
    for name, share in list(found.importance.items())[:SLICES]:
        rows.append(Row(SLICE, HEAD, partial(_slice, table, name, score, lower, share)))
    return sheet.draw(rows)


def _course(table: pd.DataFrame, score: str, lower: bool, axes: Axes) -> Axes:
    return search_course(table, axes, score=score, lower=lower)


def search_course(table: pd.DataFrame, axes: Axes | None = None, *, score: str, lower: bool = False) -> Axes:
    """Draw each trial's score, and the best so far.

    Parameters
    ----------
    table : DataFrame
        With the columns ``trial`` and `score`.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    score : str
        Column to draw.
    lower : bool
        Whether lower is better.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=COURSE + 2 * HEAD + theme.BOTTOM, top=2 * HEAD)
    theme.dress(axes, xlabel="trial")
    trial, values = table["trial"].to_numpy(float), table[score].to_numpy(float)
    running = np.minimum.accumulate(values) if lower else np.maximum.accumulate(values)
    dots = axes.scatter(trial, values, s=9, color=theme.look_of(axes).ink, alpha=0.45, linewidths=0)
    (line,) = axes.plot(trial, running, color=theme.PALETTE[0], linewidth=1.6, drawstyle="steps-post")
    _limit(axes, running, values, lower)
    _limit_trials(axes, table)
    theme.legend(axes, [dots, line], [f"{score} ({'lower' if lower else 'higher'} is better)", "best so far"])
    return axes


def _held_out_words(held_out: Mapping[str, bool]) -> list[str]:
    return [f"{name}, held out ({'lower' if lower else 'higher'} is better)" for name, lower in held_out.items()]


def _held_out(table: pd.DataFrame, held_out: Mapping[str, bool], axes: Axes) -> Axes:
    """Scores on held-out texts of the trials that were the best at their time."""
    theme.dress(axes, xlabel="trial")
    lines = []
    for i, name in enumerate(held_out):
        own = table.dropna(subset=f"held_out[{name}]")
        style: dict[str, Any] = {
            "color": theme.PALETTE[(1 + i) % len(theme.PALETTE)],
            "marker": theme.MARKERS[i % len(theme.MARKERS)],
        }
        lines += axes.plot(own["trial"], own[f"held_out[{name}]"], markersize=4, linewidth=1, **style)
    _limit_trials(axes, table)
    theme.legend(axes, lines, _held_out_words(held_out))
    return axes


def _limit(axes: Axes, shown: np.ndarray, values: np.ndarray, lower: bool) -> None:
    """Show all that matters, and leave out the worst trials: a few would flatten everything else."""
    worst = np.quantile(values, 1 - SHOWN if lower else SHOWN)
    low, high = min(shown.min(), worst, values.min() if lower else worst), max(shown.max(), worst)
    room = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - room, high + room)


def _limit_trials(axes: Axes, table: pd.DataFrame) -> None:
    """The same axis of trials in all plots of a figure."""
    room = 0.02 * table["trial"].max() + 0.1
    axes.set_xlim(-room, table["trial"].max() + room)


def _slice(table: pd.DataFrame, name: str, score: str, lower: bool, share: float, axes: Axes) -> Axes:
    title = f"{score} over {name}, importance {share:.2f}"
    return search_slice(table, axes, value=name, score=score, title=title, lower=lower)


def search_slice(
    table: pd.DataFrame, axes: Axes | None = None, *, value: str, score: str, title: str = "", lower: bool = False
) -> Axes:
    """Draw the score of each trial over one of its values; later trials are brighter.

    Parameters
    ----------
    table : DataFrame
        With the columns ``trial``, `value` and `score`.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    value, score : str
        Columns to draw. Words are drawn side by side.
    title : str
    lower : bool
        Whether lower is better.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=SLICE + HEAD + theme.BOTTOM, top=HEAD)
    theme.dress(axes)
    theme.title(axes, theme.shortened(title or value, max(theme.letters(theme.pixels(axes)[0]), 12)))
    x, y = table[value], table[score].to_numpy(float)
    if x.dtype.kind not in "fiu":
        words = sorted(map(str, set(x)))
        axes.set_xticks(range(len(words)), [theme.plain(theme.shortened(word, 16)) for word in words])
        x = x.map(lambda word: words.index(str(word)))
        axes.set_xlim(-0.5, len(words) - 0.5)
    norm = Normalize(0, max(float(table["trial"].max()), 1.0))
    edge: dict[str, Any] = {
        "edgecolors": theme.look_of(axes).ink,
        "linewidths": 0.4,
    }  # the darkest dots on a dark ground, too
    axes.scatter(x, y, c=table["trial"], cmap=theme.SEQUENTIAL, norm=norm, s=14, clip_on=True, **edge)
    _limit(axes, y.min(keepdims=True) if lower else y.max(keepdims=True), y, lower)
    _colour_bar(axes, norm, "trial")
    return axes


def _front(table: pd.DataFrame, first: str, second: str, lower: Mapping[str, bool], axes: Axes) -> Axes:
    return score_front(table, axes, scores=(first, second), lower=lower)


def score_front(
    table: pd.DataFrame, axes: Axes | None = None, *, scores: tuple[str, str], lower: Mapping[str, bool]
) -> Axes:
    """Draw two scores of each trial against each other, with the Pareto front.

    Parameters
    ----------
    table : DataFrame
        With a column for each score and ``best``: whether no trial is better.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    scores : (str, str)
    lower : mapping of str to bool
        Whether lower is better.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=FRONT + HEAD + theme.BOTTOM, top=HEAD)
    x, y = scores
    names = [f"{theme.shortened(name)} ({'lower' if lower[name] else 'higher'} is better)" for name in scores]
    theme.dress(axes, xlabel=theme.plain(names[0]))
    theme.title(axes, f"{names[1]} over {theme.shortened(x)}; ◆ Pareto front")
    rest, front = table[~table["best"]], table[table["best"]].sort_values(x)
    axes.scatter(rest[x], rest[y], s=12, color=theme.look_of(axes).ink, alpha=0.45, linewidths=0)
    axes.plot(front[x], front[y], color=theme.PALETTE[0], marker="D", markersize=5, linewidth=1.2)
    return axes


def _lines(table: pd.DataFrame, space: Space, score: str, lower: bool, axes: Axes) -> Axes:
    return trial_lines(table, axes, space=space, score=score, lower=lower)


def trial_lines(
    table: pd.DataFrame, axes: Axes | None = None, *, space: Space, score: str, lower: bool = False
) -> Axes:
    """Draw each trial as a line through all of its values, from the top down: parallel coordinates.

    Parameters
    ----------
    table : DataFrame
        With a column for each value of the space and `score`.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    space : Space
        Each value is drawn over its range, from left to right.
    score : str
        What lines are coloured by; better ones are brighter and lie above. The best is red.
    lower : bool
        Whether lower is better.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=LINE * len(space.names) + HEAD + theme.BOTTOM, top=HEAD)
    theme.dress(axes, xlabel="share of the range of each value", grid=False)
    theme.title(axes, f"values of each trial, coloured by {theme.shortened(score)}")
    table = table.sort_values(score, ascending=not lower, kind="stable")
    values = table[score].to_numpy(float)
    rows = np.arange(len(space.names))
    shares = np.column_stack([_shares(table[name], space, name) for name in space.names])
    for row in rows:
        axes.plot([0, 1], [row, row], color=theme.look_of(axes).ink, alpha=0.3, linewidth=0.8, zorder=0)
    ends = np.quantile(values, [0.0, 1 - SHOWN] if lower else [SHOWN, 1.0])
    norm = Normalize(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1)
    colours = matplotlib.colormaps[f"{theme.SEQUENTIAL}_r" if lower else theme.SEQUENTIAL]
    points = np.stack([shares, np.broadcast_to(rows, shares.shape)], axis=-1)
    axes.add_collection(LineCollection(list(points), colors=colours(norm(values)), linewidths=0.9, alpha=0.6))
    axes.add_line(Line2D(shares[-1], rows, color=theme.PALETTE[1], linewidth=2, marker="o", markersize=4))
    axes.set_ylim(len(rows) - 0.6, -0.4)
    _name_lines(axes, space.names)
    _colour_bar(axes, norm, "", colours)
    return axes


def _name_lines(axes: Axes, names: Sequence[str]) -> None:
    """Names at the left of parallel lines from 0 to 1, which begin where the longest name ends."""
    look, width = theme.look_of(axes), theme.pixels(axes)[0]
    names = [theme.shortened(name, MOST_LETTERS) for name in names]
    needed = theme.px(theme.SMALL) * 0.6 * max(map(len, names)) + theme.NAME_GAP - theme.LEFT
    axes.set_xlim(-max(needed, 0.0) / max(width - needed, 1.0) - 0.01, 1.01)
    axes.set_xticks(np.linspace(0, 1, 6))
    for row, name in enumerate(names):
        style: dict[str, Any] = {"ha": "right", "va": "center", "color": look.ink, "fontsize": look.small}
        axes.annotate(theme.plain(name), (0, row), xytext=(-6, 0), textcoords="offset points", **style)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 1)


def _shares(values: pd.Series[Any], space: Space, name: str) -> np.ndarray:
    """Where values lie in their range, from 0 to 1; words side by side."""
    part = space.dimensions[name]
    if hasattr(part, "options"):
        return np.array([(part.options.index(v) + 0.5) / len(part.options) for v in values])
    return np.array([part.share(float(v)) for v in values])


def _colour_bar(axes: Axes, norm: Normalize, label: str, colours: Any = theme.SEQUENTIAL) -> None:
    look, width = theme.look_of(axes), theme.pixels(axes)[0]
    place = axes.inset_axes((1 + 10 / width, 0.0, 12 / width, 1.0))
    bar = axes.figure.colorbar(ScalarMappable(norm, colours), cax=place)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=look.ink, labelsize=look.small, length=2)
    bar.ax.set_title(label, color=look.ink, fontsize=look.small)
