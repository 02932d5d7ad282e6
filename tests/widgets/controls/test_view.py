import threading

import pytest

from nbmerge.widgets.controls.guard import Guard
from nbmerge.widgets.controls.view import Answer, View, read_static
from nbmerge.widgets.panels.recipe import RecipeView
from tests.widgets.browser import act


class Curve(View):
    script = "tracks"


@pytest.fixture
def guard():
    return Guard()


def test_a_view_brings_its_bundle(guard):
    view = Curve({}, guard)
    assert "export{" in view._esm
    assert ".nbm-" in view._css
    assert "nbm-tracks" in view._dom_classes


def test_an_action_is_answered_with_the_new_content(guard):
    sent = []
    view = Curve({"move": lambda slot: view.show({"slot": slot})}, guard)
    view.observe(lambda change: sent.append(change["new"]), "content")
    act(view, "move", slot=3, count=7)
    view.show({"slot": 4})
    assert sent == [{"slot": 3, "answers": 7}, {"slot": 4, "answers": 7}]


def test_the_answer_comes_too_where_nothing_changed_or_the_action_failed(guard):
    def fail() -> None:
        raise ValueError("no")

    view = Curve({"fail": fail}, guard)
    view.show({"value": 1})
    act(view, "fail", count=9)
    assert "ValueError: no" in guard.value
    assert view.content == {"value": 1, "answers": 9}
    act(view, "fail", count=8)  # of another window, overtaken
    assert view.content["answers"] == 9


def test_an_action_may_answer_without_new_content(guard):
    sent = []
    view = Curve({"ask": lambda slot: Answer({"slot": slot})}, guard)
    view.show({"value": 1})
    view.send = sent.append
    view.observe(lambda change: pytest.fail("the content was sent"), "content")
    act(view, "ask", slot=3)
    assert sent == [{"answer": {"slot": 3}, "to": "ask"}]


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("move", {"slot": "3", "value": 0.5}),
        ("move", {"slot": 3}),
        ("move", {"slot": 3, "value": float("nan")}),
        ("move", {"slot": 3, "value": 0.5, "more": 1}),
        ("close", {}),
    ],
)
def test_what_the_browser_sends_is_checked(guard, action, arguments):
    calls = []

    def move(slot: int, value: float) -> None:
        calls.append(slot)

    view = Curve({"move": move}, guard)
    act(view, action, **arguments)
    assert not calls
    assert f"&#x27;{action}&#x27;" in guard.value


@pytest.mark.parametrize("message", [None, "move", {"action": 3}, {"action": "move", "args": [1]}])
def test_an_unknown_message_is_refused(guard, message):
    view = Curve({"move": lambda: None}, guard)
    view._handle_custom_msg(message, [])
    assert "not an action" in guard.value


def test_an_action_before_the_first_content_is_answered_by_it(guard):
    view = Curve({"wait": lambda: None}, guard)
    act(view, "wait", count=5)
    assert view.content == {}  # nothing that a script could draw
    view.show({"value": 1})
    assert view.content == {"value": 1, "answers": 5}


def test_a_confirmation_on_its_way_is_no_action(guard):
    view = Curve({}, guard)
    view._handle_custom_msg({"received": 3}, [])
    assert guard.value == ""
    assert view.content == {}


def test_content_of_another_thread_is_not_taken_for_the_answer(guard):
    sent = []

    def act_slowly() -> None:
        other = threading.Thread(target=lambda: view.show({"progress": 1}))
        other.start()
        other.join()
        view.show({"moved": True})

    view = Curve({"move": act_slowly}, guard)
    view.observe(lambda change: sent.append(change["new"]), "content")
    act(view, "move", count=7)
    assert sent == [{"progress": 1, "answers": 0}, {"moved": True, "answers": 7}]


def test_a_large_bundle_is_sent_when_the_browser_asks_for_it(monkeypatch):
    sent = []
    monkeypatch.setattr(RecipeView, "send", lambda self, content, buffers=None: sent.append(content))
    view = RecipeView({}, Guard())
    assert len(view._esm) < 5_000
    view._handle_custom_msg({"wants": "script"}, [])
    assert sent == [{"script": read_static("editor.js")}]
