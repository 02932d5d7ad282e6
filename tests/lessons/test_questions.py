"""The course's questions: one right answer each, a reply to every answer, and a widget that gives it."""

from __future__ import annotations

import pytest

from nbmerge import lessons
from nbmerge.displays.markup import escape
from nbmerge.errors import ArgumentError

QUESTIONS = lessons.list_questions()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.name)
def test_every_question_has_one_right_answer_and_tells_why(question):
    replies = [question.reply(n) for n in range(1, len(question.choices) + 1)]
    assert [reply.right for reply in replies].count(True) == 1
    assert question.reply(question.right_answer).right
    assert len({choice.text for choice in question.choices}) == len(replies) >= 2
    assert all(len(reply.words) > 20 for reply in replies)
    assert question.text.endswith(("?", "."))


def test_an_answer_is_graded_where_it_is_chosen():
    asked = lessons.ask(QUESTIONS[0].name)
    wrong = next(n for n in range(1, 4) if n != asked.question.right_answer)
    assert not asked.choose(wrong).right
    assert "Not quite." in asked.answer.value
    asked.choice.value = asked.question.right_answer  # as a click does
    assert "Right." in asked.answer.value
    assert asked.choose(asked.question.choices[0].text) == asked.question.reply(1)
    asked.close()


def test_without_a_kernel_the_answers_are_listed_but_not_graded():
    asked = lessons.ask(QUESTIONS[0].name)
    html = asked._repr_mimebundle_()["text/html"]
    assert all(escape(choice.text) in html for choice in asked.question.choices)
    assert not any(choice.reply in html for choice in asked.question.choices)
    asked.close()


def test_what_is_not_there_is_named():
    with pytest.raises(ArgumentError, match="Did you mean 'norm-of-the-middle'"):
        lessons.ask("norm-of-middle")
    with pytest.raises(ArgumentError, match="no answer 9"):
        QUESTIONS[0].reply(9)


def test_the_text_of_a_question_is_not_html():
    asked = lessons.ask("filled-rows")
    assert "&lt;|user|&gt;" in asked._repr_mimebundle_()["text/html"]
    asked.close()
