"""What all panels have in common: a state, a place for errors, a style, and a text for where no widgets are shown."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
from ipywidgets import Layout
from traitlets import Bool

from nbmerge.problems import Problem
from nbmerge.recipe import Recipe
from nbmerge.widgets.cell import end_former
from nbmerge.widgets.guard import Guard
from nbmerge.widgets.lifetime import OwningBox, close_tree
from nbmerge.widgets.state import StudioState

STYLE = (Path(__file__).parent / "static" / "studio.css").read_text(encoding="utf-8")


class StateBox(OwningBox):
    """A box around a state, which lets go of its models when nobody shows it any more.

    Parameters
    ----------
    state : StudioState
    part : bool, optional
        Whether it belongs to something that closes it; what does not is closed when its cell runs again.
    """

    def __init__(self, state: StudioState, *, part: bool = False):
        self.state = state
        super().__init__(layout=Layout(width="auto"))
        self.errors = Guard()
        self.at_close(lambda: close_tree(self.errors))
        self.state.enter(self)
        self.at_close(lambda: self.state.leave(self))
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        if not part:
            end_former(self)

    def _open(self) -> None:
        """Make what it shows."""
        raise NotImplementedError


class Panel(StateBox):
    """A part of the Studio that also works alone.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads, optional
        What to start with; not together with `state`.
    state : StudioState, optional
        Shared with other panels.
    part : bool, optional
        Whether it belongs to something that closes it.

    A panel holds no truth: `_build` makes its widgets once, `_refresh` makes them show the state, and what a person
    does goes to the state. Every callback is wrapped by `self.errors`. A panel that stands behind another one in tabs is
    out of `sight`: it shows the state when it comes to the front again, so that nobody waits for what nobody sees.

    What a panel has made ends with it: `close` it, or run its cell again. The state lets go of models in memory when the
    last panel that shows it is closed.
    """

    title = ""
    sight = Bool(True)

    def __init__(self, recipe: Any = None, state: StudioState | None = None, *, part: bool = False):
        self._busy = False
        super().__init__(state if state is not None else StudioState(recipe), part=part)

    def _open(self) -> None:
        self.add_class("nbm-panel")
        self.add_class(f"nbm-{self.title.lower()}")
        content = self._build()  # first: where it fails, no other widget is left behind
        self.children = [styles(), *content, self.errors]
        self._seen = -1
        self.watch(self.state, self.errors(lambda change: self._follow()), "revision")
        self.observe(self.errors(lambda change: self._follow()), "sight")
        self.errors(self._follow)()

    @property
    def recipe(self) -> Recipe | None:
        """The recipe as it stands; set it to anything that `Recipe.load` reads."""
        return self.state.recipe

    @recipe.setter
    def recipe(self, recipe: Any) -> None:
        self.state.set_recipe(Recipe.load(recipe))

    def _build(self) -> list[ipywidgets.Widget]:
        """Make the widgets."""
        raise NotImplementedError

    def _refresh(self) -> None:
        """Show the state."""

    def _follow(self) -> None:
        """Show the state if somebody sees it and it is not shown yet."""
        if self.sight and self._seen != self.state.revision:
            self._seen = self.state.revision
            self._refresh()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.state!r}>"


def styles() -> ipywidgets.HTML:
    """The style sheet; every panel brings it, since each may be shown alone."""
    return ipywidgets.HTML(f"<style>{STYLE}</style>", layout=Layout(display="none"))


def text(content: str = "", kind: str = "") -> ipywidgets.HTML:
    """A piece of HTML that wraps and takes the panel's width."""
    widget = ipywidgets.HTML(content)
    widget.add_class("nbm-text")
    if kind:
        widget.add_class(f"nbm-{kind}")
    return widget


def row(*children: ipywidgets.Widget, kind: str = "") -> ipywidgets.HBox:
    """Widgets beside each other, wrapping where it gets narrow."""
    box = ipywidgets.HBox(list(children))
    box.add_class("nbm-row")
    if kind:
        box.add_class(f"nbm-{kind}")
    return box


def button(label: str, on_click: Any, *, hint: str = "", style: str = "", icon: str = "") -> ipywidgets.Button:
    """A button as wide as its label."""
    widget = ipywidgets.Button(
        description=label, tooltip=hint, button_style=style, icon=icon, layout=Layout(width="auto")
    )
    widget.on_click(on_click)
    return widget


def field(kind: type, description: str = "", width: str = "auto", **settings: Any) -> ipywidgets.Widget:
    """An input whose description is never cut off."""
    return kind(description=description, style={"description_width": "initial"}, layout=Layout(width=width), **settings)


def hint(widget: ipywidgets.Widget, words: str) -> ipywidgets.Widget:
    """Give a widget words to show under a resting mouse."""
    name = "tooltip" if widget.has_trait("tooltip") else "description_tooltip"  # ipywidgets 8 and 7
    setattr(widget, name, words)
    return widget


def show(widget: ipywidgets.Widget, visible: bool) -> None:
    """Show or hide a widget without taking its place in the tree."""
    widget.layout.display = "" if visible else "none"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as HTML; cells are HTML already, the first of each row names it."""
    columns = "".join(f"<th scope='col'>{html.escape(name)}</th>" for name in head)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(c if c.startswith('<td') else f'<td>{c}</td>' for c in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<div class='nbm-wide'><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"


def problem_list(problems: tuple[Problem, ...], source: str = "") -> str:
    """Problems as HTML in the order of their lines, the worst first, each with the words that stand there."""
    lines = source.splitlines()
    items = []
    severities = list(dict.fromkeys(p.severity for p in problems))
    for problem in sorted(problems, key=lambda p: (severities.index(p.severity), p.line or 0)):
        quoted = ""
        if problem.line and problem.line <= len(lines):
            quoted = f"<code>line {problem.line}: {html.escape(lines[problem.line - 1].strip())}</code>"
        where = f"<span class='nbm-where'>{html.escape(problem.place)}</span> " if problem.place and not quoted else ""
        body = f"{where}{html.escape(problem.what)} {html.escape(problem.how)}".strip()
        items.append(f"<li class='nbm-{problem.severity}-item'><b>{problem.severity}</b> {quoted} {body}</li>")
    return f"<ul class='nbm-problems'>{''.join(items)}</ul>" if items else ""
