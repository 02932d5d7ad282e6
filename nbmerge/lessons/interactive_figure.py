"""A figure with controls for its numbers: the base class of the interactive figures in the lessons."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from nbmerge.displays.markup import Markup, element
from nbmerge.plots import to_png
from nbmerge.plots.figures import DENSE, DPI
from nbmerge.widgets.controls.lifetime import OwningBox

Draw = Callable[..., tuple[Figure, str]]


class InteractiveFigure(OwningBox):
    """Sliders, menus and buttons above a figure that follows them.

    Where no kernel runs, notebooks show the figure as it was last drawn, with its description.

    Parameters
    ----------
    draw : callable
        ``draw(**values) -> (figure, description)``: the figure for the values of all controls, and one or two sentences
        that say what it shows. They appear below the figure; screen readers announce them when they change.
    controls : mapping of str to Widget
        Widgets with a `value`, by the names of the arguments of `draw`.
    label : str
        What the figure shows, as the alternative text of the picture.

    Examples
    --------
    >>> from ipywidgets import FloatSlider
    >>> from nbmerge.lessons import InteractiveFigure, draw_interpolation
    >>> controls = {"t": FloatSlider(0.5, min=0, max=1)}
    >>> figure = InteractiveFigure(draw_interpolation, controls, "Two paths between two models")
    >>> figure.set(t=0.25)
    >>> figure.description
    'At t = 0.25, ...'
    """

    def __init__(self, draw: Draw, controls: Mapping[str, ipywidgets.Widget], label: str):
        super().__init__()
        self.draw, self.controls, self.label = draw, dict(controls), label
        self.picture = ipywidgets.HTML()  # ipywidgets.Image has no alternative text
        self.status = ipywidgets.HTML()
        self.figure: Figure | None = None
        self.description = ""
        for control in self.controls.values():
            self.watch(control, lambda change: self._refresh(), "value")
        row = ipywidgets.Box(list(self.controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.children: tuple[ipywidgets.Widget, ...] = (row, self.picture, self.status)
        self._held = False
        self._refresh()

    def set(self, **values: Any) -> None:
        """Set several controls and draw once."""
        self._held = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held = False
        self._refresh()

    def _refresh(self) -> None:
        """Draw the figure for the present values."""
        if self._held:
            return
        values = {name: control.value for name, control in self.controls.items()}
        self.figure, self.description = self.draw(**values)
        self.picture.value = render(self.figure, self.label)
        self.status.value = element("p", self.description, role="status", style="margin: 4px 0; line-height: 1.5")

    def _draw_still(self) -> Markup:
        """The picture for where no kernel runs."""
        return Markup(self.picture.value)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        if not isinstance(shown, dict):
            return shown
        caption = element("figcaption", self.description)
        still = element("figure", self._draw_still(), caption, style="margin:0")
        return {**shown, "text/html": still, "text/plain": self.description}


def render(figure: Figure, label: str) -> Markup:
    """A figure as HTML, with an alternative text."""
    picture = base64.b64encode(to_png(figure, DENSE)).decode()
    width = round(figure.get_size_inches()[0] * DPI)
    return element(
        "img",
        alt=label,
        width=str(width),
        src=f"data:image/png;base64,{picture}",
        style="display:block; max-width:100%",
    )
