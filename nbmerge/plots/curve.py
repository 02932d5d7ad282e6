"""Lines of the Studio's curve editor, and the margins that its sliders stand in line with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbmerge.plots.theme import PALETTE

LEFT, RIGHT = 44, 14
"""Margins beside the axes in pixels."""


@dataclass(frozen=True)
class Line:
    """One curve of the picture.

    Parameters
    ----------
    values : sequence of float or None
        One per slot; None where it has nothing to say.
    label : str
    colour : str
    selected : bool
        Drawn strong; the others are there to be compared with.
    dash : str or tuple
        A line style of matplotlib.
    spread : sequence of (float, float) or None, optional
        Smallest and largest value per slot, where one slot holds several.
    """

    values: Sequence[float | None]
    label: str = ""
    colour: str = PALETTE[0]
    selected: bool = True
    dash: str | tuple[int, tuple[float, ...]] = "solid"
    spread: Sequence[tuple[float, float] | None] | None = None
