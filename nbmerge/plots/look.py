"""How a figure looks: its theme and the size of its text. Every plot reads it from the axes that it draws on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from nbmerge.errors import ArgumentError
from nbmerge.palette import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT = 9.0
"""Points; 12 px at 1 : 1, like JupyterLab's own text."""
SMALL = 7.5
"""Points; 10 px, for numbers inside a picture."""
Theme = Literal["auto", "light", "dark"]
THEMES: dict[str, tuple[str, str]] = {
    "auto": (INK, "none"),
    "light": ("#222222", "#ffffff"),
    "dark": ("#dddddd", "#111111"),
}
"""Ink and ground. "auto" is transparent, and reads on both grounds of JupyterLab; the others are for paper and slides."""


@dataclass(frozen=True)
class Look:
    """Theme and text size of a figure.

    Parameters
    ----------
    theme : "auto", "light" or "dark"
        "auto" has a transparent ground and reads on white and black alike; "light" is for paper, "dark" for slides.
    font_size : float
        Size of the text in points.

    Raises
    ------
    ArgumentError
        For another theme, and for text that cannot be read or does not fit.
    """

    theme: Theme = "auto"
    font_size: float = FONT

    def __post_init__(self) -> None:
        if self.theme not in get_args(Theme):
            raise ArgumentError(f"theme must be one of {', '.join(THEMES)}, not {self.theme!r}.")
        if not 4 <= self.font_size <= 40:
            raise ArgumentError(f"font_size must be 4 to 40 points, not {self.font_size!r}.")

    @property
    def ink(self) -> str:
        """Colour of text and axes."""
        return THEMES[self.theme][0]

    @property
    def ground(self) -> str:
        """Colour of the ground, or "none"."""
        return THEMES[self.theme][1]

    @property
    def scale(self) -> float:
        """Size of text and margins, relative to the default."""
        return self.font_size / FONT

    @property
    def small(self) -> float:
        """Size of numbers inside a picture, in points."""
        return SMALL * self.scale


def look_of(axes: Axes) -> Look:
    """The look of the figure that axes are in; the default for figures from elsewhere."""
    look = getattr(axes.figure.figure, "look", None)
    return look if isinstance(look, Look) else Look()
