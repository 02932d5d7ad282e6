"""Singular values of task vectors: what adapters can hold, effective ranks, shared directions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from nbmerge.checkpoints.layout import GROUPS, ROLES
from nbmerge.errors import ArgumentError
from nbmerge.plots import theme
from nbmerge.plots.figures import NotebookFigure
from nbmerge.plots.look import FONT, Look, Theme
from nbmerge.plots.pictures import NARROW, WIDTH, Row, Sheet
from nbmerge.plots.structure.curves import ABOVE, HEIGHT, draw_curve, new_axes, style_of
from nbmerge.plots.structure.part_maps import brief, part_maps

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.statistics.structure import Spectra

WHAT = ("kept", "values", "effective rank", "overlap")
MAPS = 10
"""Most heat maps of one figure."""
TICKS = 8
"""Most numbers on a logarithmic axis."""
LEAST = 1e-7
"""Smallest relative singular value that is drawn: below it is rounding."""
POINTS = 40
"""Most ranks of a curve."""


def plot_spectra(
    spectra: Spectra, what: str = "kept", *, theme: Theme = "auto", width: float = WIDTH, font_size: float = FONT
) -> NotebookFigure:
    """See `Spectra.plot`."""
    if what not in WHAT:
        raise ArgumentError(f"what must be one of {', '.join(WHAT)}, not {what!r}.")
    look = Look(theme, font_size)
    if what in ("effective rank", "overlap"):
        return Sheet(look, width).draw(_maps(spectra, what))
    sheet = Sheet(look, width, NARROW)
    models = list(spectra.models[1:])
    if what == "kept":
        table = _adapter_table(spectra)
        return sheet.draw([Row(HEIGHT, _above(sheet, models), lambda axes: adapter_curves(table, axes))])
    values = _value_table(spectra)
    rows = []
    order = [*GROUPS, *ROLES]
    for kind, table in sorted(values.groupby("kind"), key=lambda pair: order.index(str(pair[0]))):
        rows.append(Row(HEIGHT, _above(sheet, models), partial(_draw_values, table, str(kind), models)))
    return sheet.draw(rows)


def _above(sheet: Sheet, models: list[str]) -> int:
    return ABOVE + theme.legend_height(models, sheet.inner)


def _draw_values(table: pd.DataFrame, kind: str, models: list[str], axes: Axes) -> Axes:
    return singular_value_curves(table, axes, kind=kind, models=models)


def _maps(spectra: Spectra, what: str) -> list[Row]:
    if what == "effective rank":
        table = spectra.table.assign(rank=spectra.table[["effective rank low", "effective rank high"]].mean(axis=1))
        columns = {m: f"effective rank of the task vectors of {m}" for m in list(spectra.models[1:])[:MAPS]}
        return part_maps(_pivot(table, "model", "rank"), columns, spectra.depth)
    pairs = list(combinations(spectra.models[1:], 2))[:MAPS]
    if not pairs:
        raise ArgumentError("An overlap is between two models. Measure two beside the base.")
    table = spectra.overlaps
    overlaps = table.assign(pair=table["first"] + ", " + table["second"])
    rows = []
    for side in ("inputs", "outputs"):
        titles = {f"{a}, {b}": f"shared {side}, {brief(a)} and {brief(b)}" for a, b in pairs}
        rows += part_maps(_pivot(overlaps, "pair", side), titles, spectra.depth, limits=(0.0, 1.0))
    return rows


def _pivot(table: pd.DataFrame, columns: str, value: str) -> pd.DataFrame:
    """Means for each layer and kind, one column for each model or pair."""
    means = table.groupby(["layer", "kind", columns], dropna=False, sort=False)[value].mean()
    return means.unstack(columns).reset_index()


def _adapter_table(spectra: Spectra) -> pd.DataFrame:
    known = min((len(s.values) for s in spectra.spectra if not s.is_complete), default=spectra.rank)
    ranks = np.unique(np.geomspace(1, max(known, 1), POINTS).astype(int))
    return spectra.kept(ranks.tolist())


def _value_table(spectra: Spectra) -> pd.DataFrame:
    """Mean relative singular values of each kind and model, by their numbers."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    groups: dict[tuple[str, str], list[np.ndarray]] = {}
    for s in spectra.spectra:
        if s.energy:
            groups.setdefault((s.kind, s.model), []).append(s.values / s.values[0])
    for (kind, model), found in groups.items():
        length = min(map(len, found))
        mean = np.mean([values[:length] for values in found], axis=0)
        rows += [
            {"kind": kind, "model": model, "number": n, "value": float(v)}
            for n, v in enumerate(mean, start=1)
            if v > LEAST
        ]
    return pd.DataFrame(rows, columns=["kind", "model", "number", "value"])


def adapter_curves(table: pd.DataFrame, axes: Axes | None = None) -> Axes:
    """Draw the share of the changes that adapters of each rank can hold.

    Parameters
    ----------
    table : DataFrame, shape (models, ranks)
        As `Spectra.kept`.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.

    Returns
    -------
    Axes
    """
    models = [str(m) for m in table.index]
    axes = axes or new_axes(models)
    theme.dress(axes, xlabel="rank of the adapter", ylabel="% of ‖δ‖² held")
    x = np.array([float(c) for c in table.columns])
    lines = [draw_curve(axes, i, x, 100 * table.iloc[i].to_numpy(float)) for i in range(len(models))]
    _log_ranks(axes, x)
    axes.set_ylim(0, 100)
    theme.legend(axes, lines, models)
    return axes


def singular_value_curves(
    table: pd.DataFrame, axes: Axes | None = None, *, kind: str = "", models: Sequence[str] | None = None
) -> Axes:
    """Draw singular values, relative to the largest, on logarithmic axes.

    Parameters
    ----------
    table : DataFrame
        model, number (from 1) and value.
    axes : Axes, optional
        Default: new ones, 640 pixels wide.
    kind : str
        What tensors they are of, for the label.
    models : sequence of str, optional
        In the order of their colours, which is the same in several plots of a figure; default those of the table.

    Returns
    -------
    Axes
    """
    models = list(models or dict.fromkeys(map(str, table["model"])))
    axes = axes or new_axes(models)
    theme.dress(axes, xlabel="number of the singular value", ylabel=f"σ / σ₁, {kind}" if kind else "σ / σ₁")
    lines = []
    for i, model in enumerate(models):
        own = table[table["model"] == model]
        style = {"marker": style_of(i)["marker"] if len(own) <= POINTS else ""}
        lines.append(draw_curve(axes, i, own["number"].to_numpy(float), own["value"].to_numpy(float), **style))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    _log_ranks(axes, table["number"].to_numpy(float))
    theme.legend(axes, lines, models)
    return axes


def _log_ranks(axes: Axes, x: np.ndarray) -> None:
    """A logarithmic axis of ranks, with whole numbers."""
    axes.set_xscale("log", base=2)
    most = float(x.max(initial=1.0))
    axes.set_xlim(1, max(most, 2))
    ticks = [2**i for i in range(20) if 2**i <= most]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
