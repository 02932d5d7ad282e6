import asyncio
import threading

import pytest

from nbmerge.errors import MergeStopped
from nbmerge.progress import Event
from nbmerge.widgets.state.job import BusyError, Job


def test_it_runs_beside_and_ends():
    job = Job()
    go = threading.Event()
    job.start("work", lambda progress, cancel: go.wait(10) and 42)
    assert job.status == "running"
    assert not job.wait(0)
    go.set()
    assert job.wait(10)
    assert (job.status, job.result) == ("done", 42)


def test_one_at_a_time():
    job = Job()
    go = threading.Event()
    job.start("first", lambda progress, cancel: go.wait(10))
    with pytest.raises(BusyError, match="'first' is still running"):
        job.start("second", lambda progress, cancel: None)
    go.set()
    job.wait(10)
    job.start("second", lambda progress, cancel: "yes")
    job.wait(10)
    assert job.result == "yes"


def test_a_stop_reaches_the_running_job():
    job = Job()

    def work(progress, cancel):
        cancel.wait(10)
        raise MergeStopped("stopped")

    job.start("work", work)
    job.stop()
    assert job.wait(10)
    assert job.status == "stopped"
    assert job.error is None


def test_an_error_is_kept_for_the_screen():
    job = Job()
    job.start("work", lambda progress, cancel: 1 / 0)
    job.wait(10)
    assert job.status == "failed"
    assert isinstance(job.error, ZeroDivisionError)


def test_progress_is_thinned_out_but_the_last_event_always_comes():
    job, seen = Job(), []
    job.observe(lambda change: seen.append(change["new"]), "event")

    def work(progress, cancel):
        for i in range(1, 1001):
            progress(Event("tensor", 1000, 0, tensors_done=i))

    job.start("work", work)
    job.wait(10)
    events = [e for e in seen if e is not None]
    assert events[-1].tensors_done == 1000
    assert len(events) < 100


def test_its_end_may_start_what_comes_next():
    job, ended = Job(), threading.Event()

    def chain(change):
        if change["new"] == "done" and job.name == "first":
            job.start("second", lambda progress, cancel: ended.set())

    job.observe(chain, "status")
    job.start("first", lambda progress, cancel: None)
    assert ended.wait(10)
    job.wait(10)


def test_a_cell_can_await_it():
    job = Job()
    job.start("work", lambda progress, cancel: "done")

    async def cell():
        return await job

    assert asyncio.run(cell())
    assert job.result == "done"
