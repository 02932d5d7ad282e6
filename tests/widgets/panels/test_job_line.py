"""The line of running work: numbers that mean something, and one stop for each piece of work."""

import threading

import pytest

from nbmerge.progress import Event
from nbmerge.widgets import JobLine
from nbmerge.widgets.panels.job_line import describe_progress
from nbmerge.widgets.state.activities import Activity
from nbmerge.widgets.state.studio_state import StudioState
from tests.widgets.browser import act


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("tensor", 4, 0, tensors_done=1), "1 of 4 tensors"),
        (Event("tensor", 4, 400, tensors_done=1, bytes_done=100, resumed=3), "3 tensors were finished before"),
        (Event("fetching", 2, 4_000_000, bytes_done=1_000_000), "downloading 1 MB of 4 MB"),
        (Event("saving", 4, 400, tensors_done=4, bytes_done=400), "flushing to disk"),
    ],
)
def test_every_kind_of_progress_is_described(event, words):
    state = StudioState()
    line = JobLine(state=state)
    with state.activities.listed("measure", lambda: None) as activity:
        activity.report(event)
        (running,) = line.view.content["detail"]["running"]
    assert words in running["text"]
    assert line.errors.value == ""


def test_progress_in_words():
    activity = Activity("merge", lambda: None)
    assert describe_progress(activity) == ""
    activity.report(Event("planned", 10, 1_000_000_000, resumed=3))
    assert describe_progress(activity).startswith("0% · 3 tensors were finished before · ")
    assert " left" not in describe_progress(activity)
    activity.pace.note(Event("bytes", 10, 1_000_000_000, bytes_done=0), 0.0)
    activity.pace._began, activity.pace._points = 0.0, type(activity.pace._points)([(0.0, 0.0)])
    activity.pace.note(Event("bytes", 10, 1_000_000_000, tensors_done=5, bytes_done=500_000_000), 5.0)
    activity.event = Event("bytes", 10, 1_000_000_000, tensors_done=5, bytes_done=500_000_000)
    assert describe_progress(activity).startswith("50% · 100 MB/s · 5 s left · ")
    activity.event = Event("fetching", 2, 4_000_000, bytes_done=1_000_000)
    assert "downloading 1 MB of 4 MB" in describe_progress(activity)
    activity.stop()
    assert describe_progress(activity) == "stopping"


def test_all_that_runs_is_listed_and_stopped_by_its_own_button(state):
    line = JobLine(state=state)
    begun, ended = threading.Event(), threading.Event()

    def work(progress, cancel):
        progress(Event("planned", 4, 0))
        begun.set()
        assert cancel.wait(10)
        ended.set()

    state.job.start("measure", work)
    assert begun.wait(10)
    (row,) = line.view.content["detail"]["running"]
    assert (row["title"], row["stopping"]) == ("Measuring", False)
    act(line.view, "stop", id=row["id"])
    assert ended.wait(10)
    assert state.job.wait(10)
    assert line.view.content["detail"]["running"] == []
    assert line.errors.value == ""
