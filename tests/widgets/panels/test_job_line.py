"""The line of running work."""

import pytest

from nbmerge.progress import Event
from nbmerge.widgets import JobLine
from nbmerge.widgets.state.studio_state import StudioState


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
