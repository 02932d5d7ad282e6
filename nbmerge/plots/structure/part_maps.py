"""Rows of a figure that are maps of layers × kinds, with one colour scale."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from nbmerge.plots import theme
from nbmerge.plots.analysis.effects import DIVERGING, HEAD, ROW, effect_map, kinds_of
from nbmerge.plots.pictures import Row

if TYPE_CHECKING:
    import pandas as pd

SEQUENTIAL = theme.SEQUENTIAL
BRIEF = 18
"""Letters of a model's name in a title that has room for two."""


def part_maps(
    table: pd.DataFrame, titles: Mapping[str, str], depth: int, *, limits: tuple[float, float] | None = None, signed: bool = False
) -> list[Row]:  # fmt: skip
    """One map for each of some columns, all with the same scale.

    Parameters
    ----------
    table : DataFrame
        With layer, kind and the columns.
    titles : mapping of str to str
        Columns, and what is written over their maps.
    depth : int
        Number of layers.
    limits : (float, float), optional
        Ends of the scale; by default from 0 to the largest number, or, for numbers of either sign, from its negative.
    signed : bool
        Whether numbers have either sign.
    """
    if limits is None:
        numbers = table[list(titles)].to_numpy(dtype=float)
        most = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)) or 1.0
        limits = (-most if signed else 0.0, most)
    options = {"limits": limits, "colours": DIVERGING if signed else SEQUENTIAL}
    height = ROW * len(kinds_of(table))
    return [Row(height, HEAD, partial(_draw, table, column, title, depth, options)) for column, title in titles.items()]


def _draw(table: pd.DataFrame, value: str, title: str, depth: int, options: Mapping[str, object], axes: Axes) -> Axes:
    return effect_map(table, axes, value=value, depth=depth, title=title, **options)  # type: ignore[arg-type]


def brief(name: str) -> str:
    """A model's name in a title that has room for two."""
    return theme.shortened(name, BRIEF)
