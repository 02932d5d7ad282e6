"""What belongs to a widget ends with it: other widgets, observers, threads, models in memory."""

import gc
import threading
import time
import weakref
from weakref import WeakSet

import ipywidgets
import pytest

from nbmerge.engine.live.live_merge import LiveMerge
from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from nbmerge.widgets import (
    JobLine,
    MergePanel,
    MethodPanel,
    ModelsPanel,
    RecipePanel,
    SamplesPanel,
    ScoresPanel,
    Studio,
    StudioState,
    TokensPanel,
    TracksPanel,
)  # fmt: skip
from nbmerge.widgets.controls.lifetime import OwningBox, close_tree, replace_children
from nbmerge.widgets.state.sampling_session import ModelOutput
from tests.widgets.browser import act

PANELS = [
    MergePanel, MethodPanel, ModelsPanel, RecipePanel, SamplesPanel, ScoresPanel, TokensPanel, TracksPanel,
]  # fmt: skip
QUICK = ("slerp", "della", "passthrough", "karcher", "task_arithmetic")
"""Methods whose parameters have different controls."""


def registered() -> int:
    """Widgets that ipywidgets keeps alive."""
    return len(ipywidgets.widgets.widget._instances)


@pytest.fixture(autouse=True)
def _other_threads():
    """Note the threads of what other tests of this process keep open."""
    gc.collect()
    OTHERS.clear()
    OTHERS.update(threading.enumerate())


OTHERS: WeakSet[threading.Thread] = WeakSet()


def threads() -> list[str]:
    """Names of the threads that this test's widgets left, once those that end have had the time to."""
    end = time.monotonic() + 10
    while (names := [t.name for t in _own_threads()]) and time.monotonic() < end:
        time.sleep(0.01)
    return names


def _own_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("nbmerge") and t not in OTHERS]


def sources(*models) -> list[dict]:
    return [{"model": str(m), "parameters": {"weight": 0.5}} for m in models]


def speaking(studio: Studio) -> None:
    """Make a live model, its pins and the parents, as somebody who listens does."""
    studio.samples.backend = "live"
    studio.state.prompts, studio.samples.length = "the", 1
    studio.samples.pin()
    assert studio.samples.runner.wait(120)
    assert studio.samples.errors.value == ""


def measured(studio: Studio) -> None:
    act(studio.tracks.view, "moved.measure")
    assert studio.state.job.wait(120)
    assert studio.tracks.errors.value == ""


@pytest.mark.slow
def test_a_closed_studio_releases_everything(recipe):
    before = registered()
    studio = Studio(recipe)
    speaking(studio)
    measured(studio)
    live = studio.state.pool.live
    dead = [
        weakref.ref(x) for x in (live, live.workers, live.model, live.pins["A"], studio.state.measurements._statistics)
    ]
    parents = [weakref.ref(p.model) for p in studio.state.pool._parents.values()]
    del live
    studio.close()
    studio.close()
    gc.collect()
    assert registered() == before
    assert [r() for r in dead + parents] == [None] * 8
    assert threads() == []
    assert studio.recipe == recipe  # which can still be merged
    state, panel = weakref.ref(studio.state), weakref.ref(studio.tracks)
    del studio
    gc.collect()
    assert (state(), panel()) == (None, None)


@pytest.mark.slow
def test_closing_all_widgets_releases_everything(recipe):
    studio = Studio(recipe)
    speaking(studio)
    live = weakref.ref(studio.state.pool.live)
    ipywidgets.Widget.close_all()
    gc.collect()
    assert (live(), registered(), studio.closed) == (None, 0, True)


@pytest.mark.parametrize("kind", PANELS)
def test_every_panel_closes_what_it_made(kind, recipe):
    before = registered()
    panel = kind(recipe)
    assert registered() > before + 2
    observed = weakref.ref(panel)
    state = panel.state
    panel.close()
    assert (registered(), threads()) == (before, [])
    del panel
    gc.collect()
    assert observed() is None
    state.set_recipe(recipe.replace(merge_method="ties"))  # nobody observes it any more


def test_a_panel_that_fails_to_build_leaves_no_widgets(recipe, monkeypatch):
    before = registered()
    monkeypatch.setattr(JobLine, "_build", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Studio(recipe)
    assert registered() == before


def test_a_state_that_others_show_is_released_by_the_last(recipe):
    state = StudioState(recipe)
    studio, panel = Studio(state=state), SamplesPanel(state=state)
    speaking(studio)
    studio.close()
    assert state.pool.live is not None
    panel.close()
    assert state.pool.live is None


def test_closing_a_studio_cancels_its_jobs(recipe):
    studio, began, seen = Studio(recipe), threading.Event(), []

    def work(progress, cancel):
        began.set()
        seen.append(cancel.wait(20))

    studio.state.job.start("the merge", work)
    assert began.wait(20)
    asked = threading.Event()
    studio.samples.runner.submit(lambda cancel: (asked.set(), seen.append(cancel.wait(20))))
    assert asked.wait(20)
    studio.close()
    assert threads() == []
    assert seen == [True, True]
    studio.samples.runner.submit(lambda cancel: seen.append("too late"))
    assert threads() == []
    assert len(seen) == 2


def test_models_of_a_late_job_are_released_when_it_ends(recipe, monkeypatch):
    """A score of a user's own looks at no stop."""
    monkeypatch.setattr("nbmerge.widgets.state.studio_state.PATIENCE", 0.01)
    studio, began, go_on = Studio(recipe), threading.Event(), threading.Event()
    speaking(studio)
    pool = studio.state.pool

    def work(progress, cancel):
        with pool.live.locked():
            began.set()
            go_on.wait(20)

    studio.state.job.start("score", work)
    assert began.wait(20)
    studio.close()
    assert pool.live is not None
    go_on.set()
    assert threads() == []
    assert pool.live is None


def test_a_late_thread_leaves_no_widgets(recipe):
    before = registered()
    panel = SamplesPanel(recipe)
    panel.close()
    panel.session.on_change(ModelOutput("the merge", "merge"))
    assert registered() == before


def test_pins_take_no_widgets(recipe):
    studio = Studio(recipe)
    speaking(studio)
    before = registered()
    studio.state.pool.live.pin()
    studio.samples.set_parents(False)
    assert registered() == before
    for name in list(studio.state.pool.pins):
        studio.samples.unpin(name)
    assert registered() == before
    studio.close()


@pytest.mark.parametrize("chosen", [QUICK, pytest.param(methods(), marks=pytest.mark.slow)], ids=["quick", "all"])
def test_widgets_that_are_replaced_are_closed(chosen, recipe, deep_family):
    studio = Studio(recipe)

    def round_trip() -> int:
        for method in chosen:
            studio.method.choose(method)
        studio.recipe = recipe.with_parameter("weight", 7.0, "ft2")  # sliders of another range
        studio.recipe = recipe
        studio.state.choose_models(str(deep_family.base), [str(deep_family.ft1)])
        studio.recipe = recipe
        return registered()

    assert round_trip() == round_trip() == round_trip()
    studio.close()


def test_parents_that_are_no_longer_used_are_released(recipe, deep_family):
    state = StudioState(recipe)
    state.pool.load_parent(state.plan, "ft1")
    ft1 = weakref.ref(next(iter(state.pool._parents.values())).model)
    state.set_recipe(Recipe.of({"merge_method": "linear", "models": sources(deep_family.base, deep_family.ft2)}))
    state.pool.load_parent(state.plan, "ft2")
    gc.collect()
    assert ft1() is None


def test_a_stopped_request_builds_no_model(recipe):
    from nbmerge.errors import MergeStopped

    state, cancel = StudioState(recipe), threading.Event()
    cancel.set()
    for make in (
        state.pool.load_merge,
        state.pool.pin,
        lambda plan, cancel: state.pool.load_parent(plan, "ft1", cancel),
    ):
        with pytest.raises(MergeStopped):
            make(state.plan, cancel=cancel)
    assert (state.pool.live, state.pool.virtual, state.pool._parents) == (None, None, {})


def test_a_closed_box_stops_observing_and_runs_its_callbacks_in_reverse():
    state, seen, order = StudioState(), [], []
    box = OwningBox()
    box.watch(state, lambda change: seen.append(change["new"]), "revision")
    box.at_close(lambda: order.append("first"))
    box.at_close(lambda: order.append("second"))
    state.revision = 7
    box.close()
    state.revision = 8
    assert (seen, order) == ([7], ["second", "first"])


def test_a_tree_is_closed_with_layouts_and_styles():
    before = registered()
    shared = ipywidgets.Layout()
    box = ipywidgets.HBox([ipywidgets.VBox([ipywidgets.FloatSlider(layout=shared), ipywidgets.Button(layout=shared)])])
    replace_children(box, [box.children[0], ipywidgets.Label()])
    close_tree(box)
    assert registered() == before


def test_there_is_one_live_model_however_often_a_cell_runs(recipe, monkeypatch):
    from nbmerge.widgets.controls import cell

    counts = []
    for number in range(3):
        monkeypatch.setattr(cell, "find_current_run", lambda number=number: cell.CellRun("id a", str(number)))
        studio = Studio(recipe)
        speaking(studio)
        gc.collect()
        alive = [x for x in gc.get_objects() if type(x) is LiveMerge and not x.closed]
        counts.append((registered(), sum(x is studio.state.pool.live for x in alive), len(alive)))
    assert counts[0] == counts[1] == counts[2]
    studio.close()


@pytest.mark.benchmark
def test_nothing_grows():
    """`python -m tests.benchmarks.bench_lifetimes` prints the same numbers."""
    from tests.benchmarks.bench_lifetimes import measured as rows_of

    rows = {name: numbers for name, *numbers in rows_of(20, 50, [50, 200])}
    few, many = (rows[f"the cell, run {count} times"][:4] for count in (2, 20))
    assert all(later <= earlier for earlier, later in zip(few, many, strict=True)), (few, many)
    assert rows["1 live models, one after the other"][:4] == rows["50 live models, one after the other"][:4]
    assert rows["1 pin"][:3] == rows["200 pins, all but one taken away"][:3]


def test_a_closed_studio_that_is_still_held_frees_its_plan(recipe):
    studio = Studio(recipe, save=False)
    plan = weakref.ref(studio.state.plan)
    studio.state.notes.summarise()
    studio.close()
    threads()  # one that is stopped still holds what it worked on
    gc.collect()
    assert plan() is None
    assert studio.state.plan.recipe == recipe  # made again
