"""Which run of which cell makes a widget, and which former ones it ends."""

import pytest

from nbmerge.errors import RecipeError
from nbmerge.widgets import SamplesPanel, Studio
from nbmerge.widgets.controls import cell


class Shell:
    """As much of a kernel's shell as tells who asked for what."""

    def __init__(self, code="studio", request="1", cell_id=None, kind="execute_request"):
        self.parent = {"header": {"msg_type": kind, "msg_id": request}, "content": {"code": code}}
        self.parent |= {"metadata": {"cellId": cell_id} if cell_id else {}}

    def get_parent(self):
        return self.parent


@pytest.fixture
def run(monkeypatch):
    """Run a cell: what is made afterwards is made by it."""
    return lambda *a, **k: monkeypatch.setattr("IPython.get_ipython", lambda: Shell(*a, **k))


def test_the_same_cell_ends_what_its_former_run_made(run, recipe):
    run(cell_id="a", request="1")
    first, panel = Studio(recipe), SamplesPanel(recipe)
    assert not first.closed  # one run may make several
    run(cell_id="b", request="2")
    beside = Studio(recipe)
    assert not first.closed
    run(code="another text", cell_id="a", request="3")
    again = Studio(recipe)
    assert (first.closed, panel.closed, beside.closed, again.closed) == (True, True, False, False)
    assert all(p.closed for p in (first.setup, first.samples, first.drawer))
    assert not any(p.closed for p in (again.setup, again.samples, again.drawer))


def test_without_ids_the_same_code_is_the_same_cell(run, recipe):
    run(code="studio", request="1")
    first = Studio(recipe)
    run(code="studio2", request="2")
    beside = Studio(recipe)
    run(code="studio", request="3")
    again = Studio(recipe)
    assert (first.closed, beside.closed, again.closed) == (True, False, False)


def test_a_state_that_is_taken_over_keeps_its_models(run, recipe):
    run(cell_id="a", request="1")
    first = Studio(recipe)
    first.state.pool.load_merge(first.state.plan, "live")
    run(cell_id="a", request="2")
    again = Studio(state=first.state)
    assert first.closed
    assert again.state.pool.live is not None


def test_an_invalid_recipe_keeps_the_former_studio(run, recipe):
    run(cell_id="a", request="1")
    first = Studio(recipe)
    run(cell_id="a", request="2")
    with pytest.raises(RecipeError):
        Studio("merge_method: [")
    assert not first.closed


@pytest.mark.parametrize("shell", [None, object(), Shell(kind="comm_msg")], ids=["script", "terminal", "button"])
def test_outside_of_a_cell_nothing_is_ended(monkeypatch, shell):
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    assert cell.find_current_run() is None
