"""Questions with answers that are graded, for the course: the reply to a wrong answer says why it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import ipywidgets
import yaml

from nbmerge.displays.markup import Markup, element, join
from nbmerge.errors import ArgumentError
from nbmerge.problems import nearest
from nbmerge.widgets.controls.lifetime import OwningBox

PARAGRAPH = "margin: 4px 0; line-height: 1.5"
STYLE = Markup(
    "<style>.nbm-question :is(.widget-radio-box, .jupyter-widget-radio-box) label "
    "{display: flex; align-items: flex-start; height: auto} "
    ".nbm-question label input {flex: none; order: -1}</style>"
)
"""Long answers have several lines; ipywidgets gives every answer the height of one."""


@dataclass(frozen=True)
class Reply:
    """What a question replies to an answer.

    Parameters
    ----------
    right : bool
    words : str
        Why the answer is right, or what is wrong about it.
    """

    right: bool
    words: str

    def __str__(self) -> str:
        return f"{'Right.' if self.right else 'Not quite.'} {self.words}"

    __repr__ = __str__


@dataclass(frozen=True)
class Choice:
    """One of the answers that a question offers.

    Parameters
    ----------
    text : str
    reply : str
    right : bool
    """

    text: str
    reply: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with a few answers, one of which is right.

    Parameters
    ----------
    name : str
    text : str
    choices : tuple of Choice
    """

    name: str
    text: str
    choices: tuple[Choice, ...]

    def reply(self, answer: int | str) -> Reply:
        """Grade an answer: its number, counted from 1, or its text.

        Raises
        ------
        ArgumentError
            If there is no such answer.
        """
        for number, choice in enumerate(self.choices, 1):
            if answer in (number, choice.text):
                return Reply(choice.right, choice.reply)
        offered = "; ".join(f"{number}: {choice.text}" for number, choice in enumerate(self.choices, 1))
        raise ArgumentError(f"This question has no answer {answer!r}. Its answers are {offered}.")

    @property
    def right_answer(self) -> int:
        """Number of the right answer."""
        return next(number for number, choice in enumerate(self.choices, 1) if choice.right)


class QuestionWidget(OwningBox):
    """A question on screen: buttons for its answers, and the reply to the one that was chosen.

    Parameters
    ----------
    question : Question
    """

    def __init__(self, question: Question):
        super().__init__()
        self.question = question
        numbers = [(f"{n}. {choice.text}", n) for n, choice in enumerate(question.choices, 1)]
        wide = ipywidgets.Layout(width="auto")
        self.choice = ipywidgets.RadioButtons(options=numbers, value=None, layout=wide)
        self.answer = ipywidgets.HTML(element("p", role="status", style=PARAGRAPH))
        self.watch(self.choice, self._show, "value")
        self.add_class("nbm-question")
        # A Label would have one line, and cut off what does not fit.
        text = ipywidgets.HTML(join(STYLE, element("p", question.text, style=PARAGRAPH)))
        self.children = (text, self.choice, self.answer)

    def choose(self, answer: int | str) -> Reply:
        """Choose an answer, as a click does.

        Raises
        ------
        ArgumentError
            If there is no such answer.
        """
        reply = self.question.reply(answer)
        texts = [choice.text for choice in self.question.choices]
        self.choice.value = answer if isinstance(answer, int) else texts.index(answer) + 1
        return reply

    def _show(self, change: Any) -> None:
        if change["new"] is not None:
            reply = str(self.question.reply(change["new"]))
            self.answer.value = element("p", reply, role="status", style=PARAGRAPH)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        shown = super()._repr_mimebundle_(**options)
        if not isinstance(shown, dict):
            return shown
        listed = element("ol", *(element("li", choice.text) for choice in self.question.choices))
        still = join(element("p", self.question.text), listed)
        return {**shown, "text/html": still, "text/plain": self.question.text}


def ask(name: str) -> QuestionWidget:
    """Ask one of the course's questions.

    Parameters
    ----------
    name : str
        See `list_questions`.

    Returns
    -------
    QuestionWidget
        A widget; its `choose` answers from Python.

    Raises
    ------
    ArgumentError
        If there is no such question.

    Examples
    --------
    >>> question = nbm.lessons.ask("norm-of-the-middle")
    >>> question.choose(1)
    Not quite. ...
    """
    known = _load()
    if name not in known:
        raise ArgumentError(f"There is no question {name!r}. {nearest(name, known)}")
    return QuestionWidget(known[name])


def list_questions() -> list[Question]:
    """All questions, in the order of the course."""
    return list(_load().values())


@cache
def _load() -> Mapping[str, Question]:
    text = files("nbmerge.lessons").joinpath("questions.yml").read_text(encoding="utf-8")
    return {name: _read(name, entry) for name, entry in yaml.safe_load(text).items()}


def _read(name: str, entry: Mapping[str, Any]) -> Question:
    choices = []
    for answer in entry["answers"]:
        ((text, reply),) = ((k, v) for k, v in answer.items() if k != "right")
        choices.append(Choice(str(text), reply, answer.get("right", False)))
    return Question(name, entry["question"], tuple(choices))
