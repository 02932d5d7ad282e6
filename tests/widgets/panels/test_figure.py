"""The Figure panel: what is seen is what is downloaded, and what the code makes."""

import pytest

from nbmerge.errors import NbmergeError
from nbmerge.plots import to_bytes, to_png
from nbmerge.widgets import FigurePanel
from nbmerge.widgets.panels.analysis.drawing import FAST, ON_SCREEN, PIXELS_PER_INCH
from tests.widgets.browser import act


@pytest.fixture
def panel(state):
    made = FigurePanel(state=state)
    assert made.runner.wait(30)
    yield made
    made.close()


@pytest.fixture
def sent(panel, monkeypatch):
    messages = []
    monkeypatch.setattr(panel.view, "send", lambda content, buffers: messages.append((content, buffers)))
    return messages


@pytest.mark.slow
def test_it_shows_the_present_gradients_and_follows_them(panel, state):
    before = panel.view.content
    assert before["png"].startswith(b"\x89PNG")
    assert before["parents"] == []
    state.set_recipe(state.recipe.with_parameter("weight", [1, 0], "ft1"))
    assert panel.runner.wait(30)
    content = panel.view.content
    assert content["png"] != before["png"]
    assert content["png"] == to_bytes(panel.figure(), "png", ON_SCREEN, compression=FAST)
    assert [content["width"], content["height"]] == list(panel.figure().get_size_inches() * PIXELS_PER_INCH)


@pytest.mark.slow
def test_statistics_join_it_when_they_are_known(panel, state):
    small = panel.view.content["height"]
    state.measurements.take(state.measurements.prepare(state.plan)(None, None))
    act(panel.view, "choose", parent="base")
    assert panel.runner.wait(30)
    content = panel.view.content
    assert content["parents"] == ["base", "ft1", "ft2"]
    assert content["parent"] == "base"
    assert content["height"] > small
    assert [axes.get_title(loc="left") for axes in panel.figure().axes][-1] == "distance from base"


@pytest.mark.parametrize(("format", "head"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
@pytest.mark.rest_is_slow(keep=1)
def test_files_go_to_the_window_that_asked(panel, sent, format, head):
    act(panel.view, "save", format=format, window="a")
    ((message, (data,)),) = sent
    assert message["file"] == f"task_arithmetic-gradients.{format}"
    assert message["window"] == "a"
    assert data.startswith(head)
    act(panel.view, "save", format="exe", window="a")
    assert len(sent) == 1
    assert "not as" in panel.errors.value


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.slow
def test_the_code_makes_the_same_figure(panel, state, measured):
    if measured:
        state.measurements.take(state.measurements.prepare(state.plan)(None, None))
    act(panel.view, "choose", theme="dark", parent="ft1" if measured else "")
    assert panel.runner.wait(30)
    names = {}
    exec(panel.view.content["code"], names)
    assert to_png(names["figure"]) == to_png(panel.figure())


def test_without_a_valid_recipe_it_says_why(panel, state):
    state.set_recipe(state.recipe.replace(merge_method="tis"))
    assert panel.view.content["reason"] == "Fix the errors in the recipe to see its figure."
    with pytest.raises(NbmergeError, match="Fix the errors"):
        panel.figure()
