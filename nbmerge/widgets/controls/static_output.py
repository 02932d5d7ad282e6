"""What remains of a Studio where no kernel runs: a picture of the gradients and the recipe, beside the live widget.

A notebook's viewer without a kernel (GitHub, nbconvert, JupyterLab after a restart) cannot show widgets. So two outputs
are made: a static one, then the widget. A style hides the static one in every page in which the widget lives. It is
brought up to date while nobody works, so that a saved notebook shows what was drawn last.
"""

from __future__ import annotations

import time
from typing import Any

from nbmerge.displays import to_html
from nbmerge.displays.layout import block
from nbmerge.displays.markup import Markup, element, join
from nbmerge.widgets.state.after_rest import AfterRest
from nbmerge.widgets.state.studio_state import StudioState

REST = 4.0
"""Seconds without a change after which the static output is drawn again."""
MOST_CHARACTERS = 400_000
"""Size of the static output; a picture that makes it larger is left out."""
WIDGET = "application/vnd.jupyter.widget-view+json"


class StaticOutput:
    """The static output of one widget.

    Parameters
    ----------
    state : StudioState
        What it shows.
    key : str
        Identifies the widget in a page; the widget has the class ``nbm-live-KEY``.
    """

    def __init__(self, state: StudioState, key: str):
        self.state, self.key = state, key
        self._soon: AfterRest | None = None
        self._shown = ""

    def display(self, widget: dict[str, Any], text: str, shell: Any) -> None:
        """Publish both outputs in the running cell.

        Parameters
        ----------
        widget : dict
            The widget's own output, by MIME type.
        text : str
            What is shown as plain text.
        shell : InteractiveShell
        """
        self._text, self._shell = text, shell
        # A front end that names its cells is one that somebody looks at: the picture, which needs matplotlib, can wait.
        waits = bool((shell.get_parent().get("metadata") or {}).get("cellId"))
        self._publish(picture=not waits)
        shell.display_pub.publish({**widget, "text/plain": "Run the cell to use the Studio."})
        if self._soon is None:
            self._soon = AfterRest(lambda: self._publish(picture=True, update=True), REST, 60.0, "nbmerge picture")
            self.state.observe(self._soon.note_change, "revision")
        if waits:
            self._soon.note_change()

    def close(self) -> None:
        """Observe the state no longer."""
        if self._soon is not None:
            self.state.unobserve(self._soon.note_change, "revision")
            self._soon.close()

    def _publish(self, picture: bool, update: bool = False) -> None:
        html = render_static(self.state, self.key, picture)
        if update and html == self._shown:
            return
        self._shown = html
        self._shell.display_pub.publish(
            {"text/html": html, "text/plain": self._text if not update else self.state.text},
            transient={"display_id": f"nbm-{self.key}"}, update=update,
        )  # fmt: skip


def render_static(state: StudioState, key: str, picture: bool = True) -> str:
    """A state as HTML that needs no kernel, hidden where the widget with this key lives."""
    recipe = state.recipe
    hidden = f":root:has(.nbm-live-{key}) .nbm-static-{key}{{display:none}}"
    # JupyterLab writes "Error displaying widget" where the kernel was restarted; the static output says what to do.
    lost = (
        f".jp-OutputArea-child:has(.nbm-static-{key})+.jp-OutputArea-child "
        f"[data-mime-type='{WIDGET}']:not(:has(*)){{display:none}}"
    )
    style = Markup(f"<style>{hidden} {lost}</style>")  # all of it is made here, none of it is a text of a user
    head = element("p", f"The Studio as it was at {time.strftime('%H:%M')}. Run the cell to go on.")
    if recipe is None:
        body = element("p", "No models are chosen.")
    else:
        body = Markup(to_html(recipe)) if picture else block(element("pre", state.text))
        if len(body) > MOST_CHARACTERS:
            body = block(element("pre", state.text[: MOST_CHARACTERS // 8]))
    return str(join(style, element("div", head, body, **{"class": f"nbm-static-{key}"})))
