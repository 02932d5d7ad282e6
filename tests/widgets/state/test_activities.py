"""What runs is listed; its time left is not guessed."""

import threading

import pytest

from nbmerge.pace import Pace
from nbmerge.progress import Event
from nbmerge.widgets.state.activities import Activities
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.job import Job


def test_jobs_and_runners_are_listed_while_they_run_and_stopped_from_there():
    activities, names = Activities(), []
    activities.observe(lambda change: names.append([a.name for a in change["new"]]), "running")
    job, runner = Job(activities), DebouncedRunner(pytest.fail, "sample", activities)
    begun = threading.Barrier(3, timeout=10)

    def work(cancel, **rest):
        begun.wait()
        assert cancel.wait(10)

    job.start("merge", work)
    runner.submit(work)
    begun.wait()
    assert sorted(a.name for a in activities.running) == ["merge", "sample"]
    activities.stop()
    assert job.wait(10)
    assert runner.wait(10)
    assert activities.running == ()
    assert names[-1] == []
    assert job.status == "done"


def test_work_that_fails_is_no_longer_listed():
    activities, errors = Activities(), []
    runner = DebouncedRunner(errors.append, "score", activities)
    runner.submit(lambda cancel: 1 / 0)
    assert runner.wait(10)
    assert len(errors) == 1
    assert activities.running == ()


def event(done, kind="bytes"):
    return Event(kind, 100, 1000, tensors_done=done // 10, bytes_done=done)


def test_no_time_left_is_shown_before_it_can_be_estimated():
    pace = Pace()
    assert (pace.share, pace.speed, pace.seconds_left) == (None, None, None)
    pace.note(event(0, "planned"), 0.0)
    pace.note(event(400), 1.0)  # fast, and too early to tell
    assert (pace.share, pace.seconds_left) == (0.4, None)
    pace.note(event(400), 2.0)
    assert pace.seconds_left == pytest.approx(3.0)
    slow = Pace()
    slow.note(event(0, "planned"), 0.0)
    slow.note(event(40), 10.0)
    assert slow.seconds_left is None  # 4 %


def test_the_time_left_follows_a_change_of_speed():
    pace = Pace()
    pace.note(event(0, "planned"), 0.0)
    for second in range(1, 11):
        pace.note(event(50 * second), float(second))
    assert pace.speed == pytest.approx(50)
    for second in range(11, 21):
        pace.note(event(500 + 5 * (second - 10)), float(second))
    assert pace.speed == pytest.approx(5)
    assert pace.seconds_left > 450 / 27.5


def test_work_says_what_it_does_and_forgets_the_progress_of_what_it_did():
    activities = Activities()
    assert activities.current is None
    with activities.listed("sample", lambda: None) as activity:
        assert activities.current is activity
        activity.begin("merging in memory")
        activity.report(event(500))
        assert activity.pace.share == 0.5
        activity.begin("the merge, prompt 1 of 2")
        assert (activity.note, activity.event, activity.pace.share) == ("the merge, prompt 1 of 2", None, None)
    assert activities.current is None
