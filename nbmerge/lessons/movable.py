"""A figure with the sliders of its numbers: what all things to move in the lessons are."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
from matplotlib.figure import Figure

from nbmerge.plots import to_png
from nbmerge.plots.figures import DENSE, DPI
from nbmerge.widgets.controls.lifetime import OwningBox

Draw = Callable[..., tuple[Figure, str]]


class Movable(OwningBox):
    """Sliders, menus and buttons above a figure that follows them.

    Where no kernel runs, the figure as it was last drawn and its description take the widget's place.

    Parameters
    ----------
    draw : callable
        ``draw(**values) -> (figure, description)``: the figure for the values of all controls, and one or two sentences
        that say what it shows. They are shown below the figure, and read out by screen readers when they change.
    controls : mapping of str to Widget
        Widgets with a `value`, by the names of the arguments of `draw`.
    label : str
        What the figure is, for people who cannot see it.

    Examples
    --------
    >>> from ipywidgets import FloatSlider
    >>> from nbmerge.lessons import Movable, draw_interpolation
    >>> moved = Movable(draw_interpolation, {"t": FloatSlider(0.5, min=0, max=1)}, "Two ways between two models")
    >>> moved.set(t=0.25)
    >>> moved.description
    'At t = 0.25, ...'
    """

    def __init__(self, draw: Draw, controls: Mapping[str, ipywidgets.Widget], label: str):
        super().__init__()
        self.draw, self.controls, self.label = draw, dict(controls), label
        self.image = (
            ipywidgets.Image(format="png", alt=label) if hasattr(ipywidgets.Image, "alt") else ipywidgets.Image()
        )
        self.text = ipywidgets.HTML()
        self.figure: Figure | None = None
        self.description = ""
        for control in self.controls.values():
            self.watch(control, lambda change: self.refresh(), "value")
        row = ipywidgets.Box(list(self.controls.values()), layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.children = (row, self.image, self.text)
        self._held = False
        self.refresh()

    def set(self, **values: Any) -> None:
        """Set several controls and draw once."""
        self._held = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held = False
        self.refresh()

    def refresh(self) -> None:
        """Draw the figure for the present values."""
        if self._held:
            return
        values = {name: control.value for name, control in self.controls.items()}
        self.figure, self.description = self.draw(**values)
        self.image.value = to_png(self.figure, DENSE)
        self.image.width = str(round(self.figure.get_size_inches()[0] * DPI))
        self.text.value = f'<p role="status">{_escaped(self.description)}</p>'

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        if not isinstance(shown, dict):
            return shown
        picture = base64.b64encode(self.image.value).decode()
        still = (
            f'<figure style="margin:0"><img alt="{_escaped(self.label)}" width="{self.image.width}" '
            f'src="data:image/png;base64,{picture}"><figcaption>{_escaped(self.description)}</figcaption></figure>'
        )
        return {**shown, "text/html": still, "text/plain": self.description}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
