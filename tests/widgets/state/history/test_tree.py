"""The tree of steps."""

from __future__ import annotations

import pytest

from nbmerge.errors import ArgumentError
from nbmerge.recipe import Recipe
from nbmerge.widgets.state.history import History, Step, list_pareto_best


def weighing(value: float) -> Recipe:
    return Recipe.of({"merge_method": "linear", "models": [{"model": "a/b", "parameters": {"weight": value}}, "c/d"]})


@pytest.fixture
def history() -> History:
    """Steps 1, 2, 3 in a row."""
    history = History()
    for value in (1, 2, 3):
        history.add(weighing(value))
    return history


def test_going_back_and_changing_begins_a_branch(history):
    history.undo()
    history.add(weighing(4))
    assert [(s.id, s.parent) for s in history] == [(1, None), (2, 1), (3, 2), (4, 2)]
    assert history.undo().id == 2
    assert history.redo().id == 4  # the child visited last
    history.go(3)
    history.undo()
    assert history.redo().id == 3
    assert history.redo() is None


def test_amending_replaces_a_bare_leaf_only(history):
    assert history.add(weighing(5), amend=True).id == 3
    history.rename(3, "  good\n one ")
    assert history[3].name == "good one"
    assert history.add(weighing(6), amend=True).id == 4
    history.undo()
    assert history.add(weighing(7), amend=True).parent == 3


def test_the_tree_is_bounded_and_keeps_what_matters(history):
    history.rename(1, "start")
    history.go(1)
    for value in range(10, 30):
        history.add(weighing(value))
        history.undo() if value % 2 else None
    history.note(2, scores={"s": 1.0})
    current = history.current_id
    history.prune(4)
    assert len(history) == 4
    assert {1, 2, current} <= {s.id for s in history}
    assert all(s.parent is None or s.parent in history for s in history)
    assert next(iter(history.path_to(current))).id == 1


def test_a_step_that_goes_hands_its_children_up(history):
    history.note(1, name="kept")
    history.prune(2)
    assert [(s.id, s.parent) for s in history] == [(1, None), (3, 1)]
    assert history.undo().id == 1
    assert history.redo().id == 3


def test_steps_are_found_by_what_they_mean(history):
    assert history.find(weighing(2).fingerprint).id == 2
    assert history.find(weighing(9).fingerprint) is None
    with pytest.raises(ArgumentError, match="no step 99"):
        history.go(99)


def test_a_history_with_a_missing_parent_or_current_step_is_repaired():
    history = History([Step(5, weighing(1), parent=2), Step(6, weighing(2), parent=5)], current=77)
    assert history.current_id == 6
    assert history.path_to(6)[0].parent is None


def test_pareto_best_is_what_nothing_beats():
    points = {1: (1.0, 5.0), 2: (2.0, 4.0), 3: (1.0, 4.0), 4: (2.0, float("nan"))}
    steps = [Step(i, weighing(i), scores={"up": up, "down": -down}) for i, (up, down) in points.items()]
    assert list_pareto_best(steps, {"up": False, "down": True}) == {1, 2}
    assert list_pareto_best(steps, {"up": False}) == {2, 4}
    assert list_pareto_best(steps, {}) == set()
