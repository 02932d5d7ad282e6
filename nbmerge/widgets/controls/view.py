"""Views: what a panel shows in the browser as one drawing, instead of dozens of widgets.

The kernel sends `View.content`, from which the browser draws everything; the browser sends actions, which call functions
of the panel. No value travels both ways, so the two can never chase each other. The browser's part is in ``js/``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import anywidget
from pydantic import ConfigDict, ValidationError, validate_call
from traitlets import Dict

from nbmerge.errors import NbmergeError
from nbmerge.widgets.controls.guard import Guard

STATIC = Path(__file__).parents[1] / "static"
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Answer:
    """What an action returns to answer the browser window that asks; the content stays as it is."""

    data: Mapping[str, Any]


class View(anywidget.AnyWidget):
    """A drawing in the browser, made from one content, that sends back what a user does.

    Parameters
    ----------
    actions : mapping of str to callable
        What the browser may ask for. Arguments are checked against the annotations of the function, strictly: a string
        is not a number. One that returns an `Answer` only answers; all others are answered by the content.
    guard : Guard
        Shows what an action raises.

    Attributes
    ----------
    script : str
        Class attribute: the name of the bundle, a folder in ``js/src/views``.
    large : bool
        Class attribute: whether the browser asks for the bundle when it first draws the view. Other bundles are part of the
        widget's state, and so of saved notebooks.
    content : dict
        All that the browser draws. Set it with `show`; ``content["answers"]`` is the number of the last action that it
        takes into account, so that the browser knows how long to trust its own, newer values.
    """

    script: ClassVar[str]
    large: ClassVar[bool] = False

    content = Dict().tag(sync=True)

    def __init_subclass__(cls, **settings: Any) -> None:
        if "script" in vars(cls):
            cls._esm = read_static("loader.js" if cls.large else f"{cls.script}.js")
            cls._css = read_static(f"{cls.script}.css")
        super().__init_subclass__(**settings)

    def __init__(self, actions: Mapping[str, Callable[..., Any]], guard: Guard):
        super().__init__()
        self.add_class(f"nbm-{self.script}")
        self._actions = dict(actions)
        self._checked: dict[str, Callable[..., Any]] = {}
        self._answered = 0
        self._shown: Mapping[str, Any] = {}
        self._busy_with: int | None = None
        self._busy_in = 0
        self._receive = guard(self._act)
        self.on_msg(lambda _, message, buffers: self._take(message))

    def show(self, content: Mapping[str, Any]) -> None:
        """Draw this content. During an action it is taken for the answer, so draw when the change is made, and once."""
        if self._busy_with is not None and self._busy_in == threading.get_ident():
            self._answered, self._busy_with = self._busy_with, None
        self._shown = content
        self.content = {**content, "answers": self._answered}

    def _take(self, message: Any) -> None:
        """Send the bundle that the loader asks for, or receive an action."""
        if message == {"wants": "script"}:
            self.send({"script": read_static(f"{self.script}.js")})
        elif not (
            isinstance(message, dict) and "received" in message
        ):  # which has done its work on its way: see view.ts
            self._receive(message)

    def _act(self, message: Any) -> None:
        """Call the function that an action names."""
        name, arguments, count = _read(message)
        if name not in self._actions:
            raise NbmergeError(
                f"There is no action '{name}'. Reload the page: it may show an older version of nbmerge."
            )
        self._busy_with, self._busy_in = max(count, self._answered), threading.get_ident()
        try:
            if name not in self._checked:  # not made before: a Studio has dozens, and each takes a millisecond
                self._checked[name] = validate_call(config=_STRICT)(self._actions[name])
            answer = _call(self._checked[name], name, arguments)
            if isinstance(answer, Answer):
                self._busy_with = None
                self.send({"answer": dict(answer.data), "to": name})
        finally:
            if self._busy_with is not None and self._shown:  # nothing changed: the browser must go back to what is true
                self.show(self._shown)
            elif self._busy_with is not None:  # what is drawn first is still being made, and will answer
                self._answered, self._busy_with = self._busy_with, None


def _read(message: Any) -> tuple[str, dict[str, Any], int]:
    """Name, arguments and number of an action."""
    fields = message if isinstance(message, dict) else {}
    name, arguments, count = fields.get("action"), fields.get("args", {}), fields.get("count", 0)
    if not isinstance(name, str) or not isinstance(arguments, dict) or not isinstance(count, int):
        raise NbmergeError("The browser sent a message that is not an action.")
    return name, arguments, count


def _call(action: Callable[..., Any], name: str, arguments: dict[str, Any]) -> Any:
    try:
        return action(**arguments)
    except ValidationError as error:
        raise NbmergeError(f"The action '{name}' cannot be called with {arguments}.") from error


def read_static(name: str) -> str:
    """A bundle as a text: given a path, anywidget would keep every widget of the class alive to notify it of changes."""
    return (STATIC / name).read_text(encoding="utf-8")
