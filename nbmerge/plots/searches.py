"""Searches: their course, trials over each value, the Pareto front, and each trial as a line through all values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.lines import Line2D

from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import WIDTH, Row, Sheet
from nbmerge.plots.theme import legend_height

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.optimisation import Choice, Goal, Range, SearchResult, Space

COURSE, SLICE, FRONT, LINE = 170, 110, 260, 36
"""Heights in pixels; the last is that of one value of `trial_lines`."""
HEAD, GAP = 26, 8
"""Room for a title, and around a legend."""
SLICES = 6
"""Values that are drawn: those that mattered most."""
MOST_LETTERS = 36
"""Letters of a value's name beside its line."""
SHADES = 0.1, 0.75
"""Part of the colour map of lines: thin ones in its last colours cannot be seen on white."""
SHOWN = 0.1
"""Share of the worst trials that may lie outside of the axes."""


def plot_search(
    found: SearchResult, what: str, *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `SearchResult.plot`."""
    sheet = Sheet(Look(theme, font_size), width)
    if what == "coordinates":
        return sheet.draw([Row(LINE * len(found.space.names), HEAD, partial(_lines, found))])
    scores = _list_compared(found.goal)
    rows = []
    if not found.goal.is_single:
        rows.append(Row(FRONT, HEAD, partial(_front, found), own_axis=True))
    for score, lower in scores.items():
        above = legend_height(_course_words(score, lower, bool(_list_failed(found))), sheet.inner) + GAP
        rows.append(Row(COURSE, above, partial(_course, found, score, lower), own_axis=True))
    if found.held_out:
        above = legend_height(_held_out_words(found.held_out), sheet.inner) + GAP
        rows.append(Row(SLICE, above, partial(_held_out, found), own_axis=True))
    for name in list(found.importance)[: max(SLICES // len(scores), 1)]:
        rows += [Row(SLICE, HEAD, partial(_slice, found, name, score, lower)) for score, lower in scores.items()]
    return sheet.draw(rows)


def _list_compared(goal: Goal) -> dict[str, bool]:
    """What trials are compared by, and whether lower is better: the scores, or the one number that is made of them."""
    return goal.lower if goal.kind == "pareto" else {goal.title: False}


def _complete(found: SearchResult) -> pd.DataFrame:
    return found.table[found.table["state"] == "complete"]


def _list_failed(found: SearchResult) -> list[int]:
    return [t.number for t in found.trials if t.state == "failed"]


def _course(found: SearchResult, score: str, lower: bool, axes: Axes) -> None:
    search_course(_complete(found), axes, score=score, lower=lower, failed=_list_failed(found))
    _limit_trials(axes, found)


def search_course(
    table: pd.DataFrame, axes: Axes | None = None, *, score: str, lower: bool = False, failed: Sequence[int] = ()
) -> Axes:
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
    failed : sequence of int
        Trials without a score: crosses at the edge of the worst scores.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=COURSE + 2 * HEAD + theme.BOTTOM, top=2 * HEAD)
    theme.dress(axes, xlabel="trial")
    trial, values = table["trial"].to_numpy(float), table[score].to_numpy(float)
    running = np.minimum.accumulate(values) if lower else np.maximum.accumulate(values)
    dots = axes.scatter(trial, values, **_dots(axes))
    (line,) = axes.plot(trial, running, color=theme.PALETTE[0], linewidth=1.6, drawstyle="steps-post")
    axes.set_ylim(_find_limits(running, values, lower))
    handles: list[Artist] = [dots, line]
    if failed:
        style: dict[str, Any] = {"marker": "x", "s": 16, "color": theme.PALETTE[1], "linewidths": 1.2}
        edge = np.full(len(failed), 0.96 if lower else 0.04)
        handles.append(axes.scatter(failed, edge, transform=axes.get_xaxis_transform(), **style))
    theme.legend(axes, handles, _course_words(score, lower, bool(failed)))
    return axes


def _dots(axes: Axes) -> dict[str, Any]:
    """How trials are drawn that are not the best."""
    return {"s": 14, "color": theme.look_of(axes).ink, "alpha": 0.55, "linewidths": 0}


def _course_words(score: str, lower: bool, has_failed: bool) -> list[str]:
    return [f"{score} ({'lower' if lower else 'higher'} is better)", "best so far", *(["failed"] if has_failed else [])]


def _held_out_words(held_out: Mapping[str, bool]) -> list[str]:
    return [f"{name}, held out ({'lower' if lower else 'higher'} is better)" for name, lower in held_out.items()]


def _held_out(found: SearchResult, axes: Axes) -> None:
    """Scores on held-out texts of the trials that were the best at their time."""
    theme.dress(axes, xlabel="trial")
    lines, table = [], _complete(found)
    for i, name in enumerate(found.held_out):
        own = table.dropna(subset=f"held_out[{name}]")
        style: dict[str, Any] = {
            "color": theme.PALETTE[(1 + i) % len(theme.PALETTE)],
            "marker": theme.MARKERS[i % len(theme.MARKERS)],
        }
        lines += axes.plot(own["trial"], own[f"held_out[{name}]"], markersize=4, linewidth=1, **style)
    _limit_trials(axes, found)
    theme.legend(axes, lines, _held_out_words(found.held_out))


def _find_limits(shown: np.ndarray, values: np.ndarray, lower: bool) -> tuple[float, float]:
    """Ends of an axis with all that matters, without the worst trials: a few would flatten everything else."""
    worst = np.quantile(values, 1 - SHOWN if lower else SHOWN)
    low, high = min(shown.min(), worst, values.min() if lower else worst), max(shown.max(), worst)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _limit_trials(axes: Axes, found: SearchResult) -> None:
    """The same axis of trials in all plots of a figure."""
    last = max(t.number for t in found.trials)
    room = 0.02 * last + 0.1
    axes.set_xlim(-room, last + room)


def _slice(found: SearchResult, name: str, score: str, lower: bool, axes: Axes) -> None:
    share, part = found.importance[name], found.space.dimensions[name]
    title = f"{score} over {name}" + (f", importance {share:.2f}" if any(found.importance.values()) else "")
    limits = None if hasattr(part, "options") else (part.low, part.high)
    search_slice(_complete(found), axes, value=name, score=score, title=title, lower=lower, limits=limits)


def search_slice(
    table: pd.DataFrame, axes: Axes | None = None, *, value: str, score: str, title: str = "", lower: bool = False,
    limits: tuple[float, float] | None = None,
) -> Axes:  # fmt: skip
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
    limits : (float, float), optional
        The range that values were taken from.

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
    elif limits is not None:
        room = 0.02 * (limits[1] - limits[0])
        axes.set_xlim(limits[0] - room, limits[1] + room)
    norm = Normalize(0, max(float(table["trial"].max()), 1.0))
    edge: dict[str, Any] = {
        "edgecolors": theme.look_of(axes).ink,
        "linewidths": 0.4,
    }  # the darkest dots on a dark ground, too
    axes.scatter(x, y, c=table["trial"], cmap=theme.SEQUENTIAL, norm=norm, s=14, clip_on=True, **edge)
    axes.set_ylim(_find_limits(y.min(keepdims=True) if lower else y.max(keepdims=True), y, lower))
    _colour_bar(axes, norm, "trial")
    return axes


def _front(found: SearchResult, axes: Axes) -> None:
    first, second, *_ = found.goal.lower
    score_front(_complete(found), axes, scores=(first, second), lower=found.goal.lower)


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
    axes.scatter(rest[x], rest[y], **_dots(axes))
    axes.plot(front[x], front[y], color=theme.PALETTE[0], marker="D", markersize=5, linewidth=1.2)
    for name, set_limits in ((x, axes.set_xlim), (y, axes.set_ylim)):
        set_limits(_find_limits(front[name].to_numpy(float), table[name].to_numpy(float), lower[name]))
    return axes


def _lines(found: SearchResult, axes: Axes) -> None:
    score, lower = next(iter(_list_compared(found.goal).items()))
    trial_lines(_complete(found), axes, space=found.space, score=score, lower=lower, best=found.best_trial.number)


def trial_lines(
    table: pd.DataFrame, axes: Axes | None = None, *, space: Space, score: str, lower: bool = False,
    best: int | None = None,
) -> Axes:  # fmt: skip
    """Draw each trial as a line through all of its values, from the top down: parallel coordinates.

    Parameters
    ----------
    table : DataFrame
        With the column ``trial``, one for each value of the space, and `score`.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    space : Space
        Each value is drawn over its range, from left to right.
    score : str
        What lines are coloured by; better ones are brighter and wider, and lie above.
    lower : bool
        Whether lower is better.
    best : int, optional
        The trial that is drawn in another colour, with a dot for each value; default the one with the best score.

    Returns
    -------
    Axes
    """
    axes = axes or theme.new_axes(height=LINE * len(space.names) + HEAD + theme.BOTTOM, top=HEAD)
    theme.dress(axes, xlabel="share of the range of each value", grid=False)
    table = table.sort_values(score, ascending=not lower, kind="stable")
    values, numbers = table[score].to_numpy(float), table["trial"].to_numpy()
    chosen = len(table) - 1 if best is None else int(np.flatnonzero(numbers == best)[0])
    theme.title(
        axes, f"values of each trial, coloured by {theme.shortened(score)}; ● trial {numbers[chosen]}, the best"
    )
    rows = np.arange(len(space.names))
    shares = np.column_stack([_shares(table[name], space, name) for name in space.names])
    for row in rows:
        axes.plot([0, 1], [row, row], color=theme.look_of(axes).ink, alpha=0.3, linewidth=0.8, zorder=0)
    ends = np.quantile(values, [0.0, 1 - SHOWN] if lower else [SHOWN, 1.0])
    norm = Normalize(ends[0], ends[1] if ends[1] > ends[0] else ends[0] + 1)
    shades = matplotlib.colormaps[theme.SEQUENTIAL](np.linspace(*SHADES, 256))
    colours = ListedColormap(shades[::-1] if lower else shades)
    rank = np.linspace(0, 1, len(values))  # the worst first
    points = np.stack([shares, np.broadcast_to(rows, shares.shape)], axis=-1)
    lines = LineCollection(
        list(points), colors=colours(norm(values)), linewidths=0.6 + rank, alpha=0.15 + 0.75 * rank**2
    )
    axes.add_collection(lines)
    axes.add_line(Line2D(shares[chosen], rows, color=theme.PALETTE[1], linewidth=2, marker="o", markersize=4))
    axes.set_ylim(len(rows) - 0.6, -0.4)
    _name_lines(axes, space)
    _colour_bar(axes, norm, "", colours)
    return axes


def _name_lines(axes: Axes, space: Space) -> None:
    """Names and ranges at the left of parallel lines from 0 to 1, which begin where the longest name ends."""
    look, width = theme.look_of(axes), theme.pixels(axes)[0]
    names = [theme.shortened(name, MOST_LETTERS) for name in space.names]
    needed = theme.px(theme.SMALL) * 0.6 * max(map(len, names)) + theme.NAME_GAP - theme.LEFT
    axes.set_xlim(-max(needed, 0.0) / max(width - needed, 1.0) - 0.01, 1.01)
    axes.set_xticks(np.linspace(0, 1, 6))
    style: dict[str, Any] = {"ha": "right", "va": "center", "color": look.ink, "fontsize": look.small}
    style |= {"textcoords": "offset points"}
    for row, (name, part) in enumerate(zip(names, space.dimensions.values(), strict=True)):
        span = theme.shortened(_say_range(part), MOST_LETTERS)
        axes.annotate(theme.plain(name), (0, row), xytext=(-6, 5 * look.scale), **style)
        axes.annotate(theme.plain(span), (0, row), xytext=(-6, -5 * look.scale), alpha=0.8, **style)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_bounds(0, 1)


def _say_range(part: Range | Choice) -> str:
    """What lies at the left end of a line, and what at the right end."""
    return ", ".join(map(str, part.options)) if hasattr(part, "options") else f"{part.low:g} to {part.high:g}"


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
