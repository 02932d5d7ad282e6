import threading

from nbmerge.widgets.state.latest_only import LatestOnly


def test_the_newest_wins_and_nothing_queues_up():
    started, go, done = threading.Event(), threading.Event(), []
    latest = LatestOnly(lambda error: done.append(error))
    latest.submit(lambda: (started.set(), go.wait(10), done.append(0)))
    assert started.wait(10)
    for i in range(1, 100):
        latest.submit(lambda i=i: done.append(i))
    go.set()
    assert latest.wait(10)
    assert done == [0, 99]


def test_errors_are_handed_on_and_work_goes_on():
    seen = []
    latest = LatestOnly(seen.append)
    latest.submit(lambda: 1 / 0)
    assert latest.wait(10)
    latest.submit(lambda: seen.append("after"))
    assert latest.wait(10)
    assert isinstance(seen[0], ZeroDivisionError)
    assert seen[1] == "after"
