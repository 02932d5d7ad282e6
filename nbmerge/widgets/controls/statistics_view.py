"""The statistics picture, fast enough to follow a slider: the kernel sends a few kB of numbers, the browser draws them.

For paper and files there are the same pictures by matplotlib: `nbmerge.plots.layer_curves` and `nbmerge.plots.heatmap`,
which take some hundred milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt

from nbmerge.plots import theme
from nbmerge.plots.measures import MEASURES, Measure
from nbmerge.statistics.distances import Changes
from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.view import View

AIR = 0.05
"""Share of the range left free beyond the curves."""
SIGNS = {"distance": " %", "cosine": ""}


class ChangesView(View):
    """Curves over the layers for each parent, and a heat map of layers × kinds of tensor against one of them."""

    script = "changes"

    def __init__(self, guard: Guard) -> None:
        super().__init__({}, guard)

    def draw(self, changes: Changes, what: str, parent: str, colour: Mapping[str, str]) -> None:
        """Draw; arguments as for `picture_data`."""
        self.show(picture_data(changes, what, parent, colour))


def picture_data(changes: Changes, what: str, parent: str, colour: Mapping[str, str]) -> dict[str, Any]:
    """All that the browser needs.

    Parameters
    ----------
    changes : Changes
    what : "distance" or "cosine"
    parent : str
        The model of the heat map.
    colour : mapping of str to str
        Colour of each parent.

    Returns
    -------
    dict
        ``curves`` and ``cells`` are float64 in bytes, of shape (parents, layers) and (kinds, layers): cosines differ
        from 1 by less than float32 can tell.
    """
    measure = MEASURES[what]
    by_layer, grid = changes.by_layer(what), changes.grid(parent, what)
    curves, cells = by_layer.to_numpy(dtype=float).T, grid.to_numpy(dtype=float).T
    low, high = measure.limits(curves)
    air, limits = AIR * (high - low), measure.limits(cells)
    scale = {"same": measure.same, "factor": measure.factor, "sign": SIGNS[what]}
    return {
        "depth": changes.depth, "kinds": list(map(str, grid.columns)), "parents": _parents(changes, colour),
        "curves": curves.tobytes(), "cells": cells.tobytes(),
        "range": [low - air * (not measure.rising), high + air * measure.rising],
        "axis": scale | {"title": f"{measure.label}, by layer", "ticks": 5, "decimals": measure.decimals((low, high))},
        "heat": scale | {
            "title": f"{measure.title(theme.shortened(parent))}, by kind of tensor", "limits": list(limits),
            "towards": f"{measure.toward} {theme.shortened(parent)}", "rising": measure.rising, "decimals": measure.decimals(limits),
        },
        "summary": summarise(curves, changes.parents, measure), "colours": _colours(),
    }  # fmt: skip


def summarise(curves: npt.NDArray[np.float64], parents: tuple[str, ...], measure: Measure) -> str:
    """The picture in a sentence, for screen readers."""
    limits, parts = measure.limits(curves), []
    for name, values in zip(parents, curves, strict=True):
        if not np.isfinite(values).any():
            continue
        ends = [np.nanargmin(values), np.nanargmax(values)]
        low, high = (f"{measure.write(float(values[i]), limits)} in layer {i}" for i in ends)
        parts.append(f"{measure.toward} {name} between {low} and {high}")
    return f"{measure.label}: {'; '.join(parts)}."


def _parents(changes: Changes, colour: Mapping[str, str]) -> list[dict[str, Any]]:
    colours, parents = theme.colours(changes.parents) | dict(colour), []
    for i, name in enumerate(changes.parents):
        turn, k = divmod(i, len(theme.MARKERS))
        dash = theme.DASHES[turn % len(theme.DASHES)]
        parents.append({
            "name": theme.shortened(name), "colour": colours[name], "marker": theme.MARKERS[k],
            "dash": [] if dash == "solid" else list(dash[1]),
        })  # fmt: skip
    return parents


@cache
def _colours() -> bytes:
    """The 256 colours of `theme.SEQUENTIAL`, three bytes each."""
    return np.round(255 * matplotlib.colormaps[theme.SEQUENTIAL](np.arange(256))[:, :3]).astype(np.uint8).tobytes()
