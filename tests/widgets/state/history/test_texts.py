"""Texts of steps are written when they are asked for."""

from __future__ import annotations

import pytest

from nbmerge.recipe import Recipe
from nbmerge.widgets.state.history import History

TEXT = "merge_method: linear\nmodels:\n  - a  # first\n  - b\nparameters: {weight: 0.5}\n"


def weighted(value: float) -> Recipe:
    return Recipe.load(TEXT).with_parameter("weight", value)


@pytest.fixture
def history() -> History:
    made = History()
    made.add(Recipe.load(TEXT), TEXT)
    made.add(weighted(0.25))
    made.add(weighted(0.75))
    return made


def test_a_text_follows_from_that_of_the_steps_before(history):
    assert [step.source for step in history] == [TEXT, None, None]
    assert history.text_of(3) == TEXT.replace("0.5", "0.75")
    assert history[2].source == TEXT.replace("0.5", "0.25")


def test_a_step_keeps_the_text_of_a_person_when_the_step_before_is_pruned(history):
    history.prune(1)
    assert history.text_of(3) == TEXT.replace("0.5", "0.75")


def test_an_adopted_history_brings_its_texts(history):
    other = History()
    other.add(weighted(0.1))
    other.adopt(history)
    assert other.current.source == TEXT.replace("0.5", "0.75")
