"""One protocol for widgets, terminals and tests: what comes, in which order, and how it ends."""

import threading
from contextlib import suppress

import pytest

from nbmerge import progress as progress_module
from nbmerge.engine.merge import merge
from nbmerge.engine.verify import verify
from nbmerge.errors import MergeError, MergeStopped, OutputError
from nbmerge.progress import ENDS, Event, OverallProgress, Reporter
from nbmerge.recipe import Recipe
from tests.engine.output.faults import Calls, failing


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


def told(work, *arguments, **more) -> list[Event]:
    """All events of a piece of work, however it ends."""
    events: list[Event] = []
    listener = more.pop("listener", lambda e: None)
    with suppress(MergeError, OutputError):
        work(*arguments, progress=lambda e: (events.append(e), listener(e)), **more)
    assert [e.kind for e in events if e.kind in ENDS] == [events[-1].kind]  # one end, and it is the last
    return events


def kinds(events: list[Event]) -> list[str]:
    """What is told of every tensor; bytes are told besides where one takes long."""
    return [e.kind for e in events if e.kind != "bytes"]


def test_a_merge_from_its_plan_to_its_end(half, tmp_path):
    events = told(merge, half, tmp_path / "out")
    assert kinds(events) == ["planned", *["tensor"] * 30, "saving", "finished"]
    assert {e.tensors for e in events} == {30}
    assert [e.tensors_done for e in events if e.kind == "tensor"] == list(range(1, 31))
    assert [e.bytes_done for e in events] == sorted(e.bytes_done for e in events)
    assert events[-1].bytes_done == events[-1].bytes > 0
    assert [e.seconds for e in events] == sorted(e.seconds for e in events)


def test_finished_means_that_the_model_has_its_name(half, tmp_path):
    there = {}
    told(merge, half, tmp_path / "out", listener=lambda e: there.setdefault(e.kind, (tmp_path / "out").exists()))
    assert there["saving"] is False
    assert there["finished"] is True


def test_bytes_come_while_a_tensor_is_written(half, tmp_path, monkeypatch):
    monkeypatch.setattr(progress_module, "EVERY", 0.0)
    events = told(merge, half, tmp_path / "out", threads=1)
    assert [e.kind for e in events[:3]] == ["planned", "bytes", "tensor"]
    assert events[1].bytes_done > 0
    assert events[1].tensors_done == 0


@pytest.mark.parametrize("call", ["pwrite", "fsync", "rename"])
def test_failures_are_reported_wherever_they_occur(call, half, tmp_path):
    """Also while everything is brought to the disk and gets its name."""
    concerns = lambda first, *_: isinstance(first, int) or str(first).startswith(str(tmp_path))  # noqa: E731
    with Calls(call, concerns=concerns) as calls:
        merge(half, tmp_path / "count")
    with Calls(call, calls.count - 1, failing(28), concerns):
        events = told(merge, half, tmp_path / "out")
    assert events[-1].kind == "failed"
    assert "No space left" in events[-1].error
    assert "finished" not in {e.kind for e in events}


def test_an_impossible_merge_fails_before_any_progress(half, tmp_path):
    (tmp_path / "out").write_text("x")
    (event,) = told(merge, half, tmp_path / "out")
    assert event.kind == "failed"
    assert "not a folder" in event.error


def test_a_stop_and_the_resumed_tensors_are_reported(half, tmp_path):
    stop = threading.Event()
    events = told(
        merge,
        half,
        tmp_path / "out",
        cancel=stop,
        threads=1,
        listener=lambda e: stop.set() if e.tensors_done == 10 else None,
    )
    assert events[-1].kind == "stopped"
    done = events[-1].tensors_done
    events = told(merge, half, tmp_path / "out")
    assert {e.resumed for e in events} == {done}
    assert {e.tensors for e in events} == {30 - done}
    assert f"{done} resumed" in str(events[0])


def test_an_interrupt_is_a_stop():
    events = []
    OverallProgress(events.append).__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [e.kind for e in events] == ["stopped"]


def test_an_error_in_a_listener_is_not_hidden_by_another():
    def listener(event):
        raise ZeroDivisionError(event.kind)

    with pytest.raises(ZeroDivisionError, match="planned"), OverallProgress(listener) as overall:
        overall(Event("planned", 3, 10))


def test_ends_of_steps_are_not_the_end():
    events = []
    with OverallProgress(events.append) as overall:
        for kind in ("fetching", "planned", "tensor", "finished"):
            overall(Event(kind, 1, 10))
    assert [e.kind for e in events] == ["fetching", "planned", "tensor", "saving", "finished"]


LISTENERS = {"silent": None, "heard": lambda event: None}


def test_progress_needs_no_listener(half, tmp_path):
    with OverallProgress(None) as overall:
        assert overall(Event("planned", 1, 1)) is None
    written = [merge(half, tmp_path / name, progress=listener).path for name, listener in LISTENERS.items()]
    assert len({(path / "model.safetensors").read_bytes() for path in written}) == 1


def test_time_left_follows_from_the_speed_so_far():
    event = Event("tensor", 4, 400, "a", 1, 100, seconds=2.0)
    assert event.seconds_left == pytest.approx(6.0)
    assert Event("planned", 4, 400).seconds_left is None
    assert Event("tensor", 1, 100, "a", 1, 100, seconds=2.0).seconds_left == 0


def test_a_reporter_counts_from_several_threads():
    events = []
    report = Reporter(events.append, 100, 1000)

    def work():
        for i in range(25):
            report.add(5)
            report.tell("tensor", str(i), 5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events[-1].tensors_done == 100
    assert events[-1].bytes_done == 1000


def test_a_worker_that_was_left_behind_reports_nothing_after_the_end():
    events = []
    report = Reporter(events.append, 2, 100)
    report.tell("tensor", "a", 50)
    report.tell("stopped")
    report.add(50)
    report.tell("tensor", "b", 50)
    assert [e.kind for e in events] == ["tensor", "stopped"]


def test_verifying_reports_progress_and_can_be_stopped(half, tmp_path):
    out = merge(half, tmp_path / "out").path
    assert kinds(told(verify, out)) == ["planned", *["tensor"] * 30, "finished"]
    stop = threading.Event()
    stop.set()
    with pytest.raises(MergeStopped):
        verify(out, cancel=stop)


def test_saving_a_live_merge_reports_its_tensors(half, tmp_path):
    from nbmerge.engine.live import live

    with live(half) as merged:
        events = told(merged.save, tmp_path / "out")
    assert kinds(events) == ["planned", *["tensor"] * 30, "finished"]
    assert events[-1].bytes_done == events[-1].bytes == sum(t.nbytes for t in merged._plan.tensors)
