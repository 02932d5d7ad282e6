import gc
import threading
import weakref
from types import SimpleNamespace

from nbmerge.widgets.state import debounce as module
from nbmerge.widgets.state.debounce import DebouncedRunner


def test_the_newest_wins_and_stops_what_is_running():
    runner, started, done = DebouncedRunner(print), threading.Event(), []

    def long(cancel):
        started.set()
        done.append(("stopped", cancel.wait(10)))

    runner.submit(long)
    assert started.wait(10)
    for i in range(50):
        runner.submit(lambda cancel, i=i: done.append((i, cancel.is_set())))
    assert runner.wait(10)
    assert done[0] == ("stopped", True)
    assert done[-1] == (49, False)
    assert len(done) < 51


def test_the_first_move_is_followed_at_once_and_later_ones_after_a_pause(monkeypatch):
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "REST", 0.1)
    runner, ran = DebouncedRunner(print), []

    def move(i, after=0.0):
        clock.now += after
        runner.submit_debounced(lambda cancel: ran.append((i, round(clock.now, 3))))

    move(0)
    assert runner.wait(10)
    assert ran == [(0, 100.0)]  # without any rest
    for i in (1, 2, 3):
        move(i, after=0.09)
    clock.now += 0.09
    assert not runner.wait(0.3)  # by this clock it does not rest yet
    clock.now += 0.02
    assert runner.wait(10)
    assert ran == [(0, 100.0), (3, 100.38)]


def test_stop_ends_what_runs_and_forgets_what_waits():
    runner, started, done = DebouncedRunner(print), threading.Event(), []
    runner.submit(lambda cancel: (started.set(), done.append(cancel.wait(10))))
    assert started.wait(10)
    runner.submit_debounced(lambda cancel: done.append("never"))
    runner.stop()
    assert runner.wait(10)
    assert done == [True]
    runner.stop()  # of nothing


def test_work_that_has_ended_is_held_by_nothing():
    """Also by a thread that is slow to end: what is closed then gives its models back at once."""
    runner, go, late, seen = DebouncedRunner(print), threading.Event(), threading.Event(), []
    runner.observe(lambda change: change["new"] or (gc.collect(), seen.append(done()), late.set()), "busy")

    def work(cancel):
        go.wait(10)

    done = weakref.ref(work)
    runner.submit(work)
    del work
    go.set()
    assert late.wait(10)
    assert seen == [None]


def test_errors_are_handed_on_and_work_goes_on():
    seen, busy = [], []
    runner = DebouncedRunner(seen.append)
    runner.observe(lambda change: busy.append(change["new"]), "busy")
    runner.submit(lambda cancel: 1 / 0)
    assert runner.wait(10)
    runner.submit(lambda cancel: seen.append("after"))
    assert runner.wait(10)
    assert isinstance(seen[0], ZeroDivisionError)
    assert seen[1] == "after"
    assert busy == [True, False, True, False]
