import pytest

from nbmerge.cli.terminal.progress import progress_bar
from nbmerge.progress import Event

EVENTS = [
    Event("fetching", 2, 100, "a.safetensors", bytes_done=50),
    Event("planned", 2, 1000, resumed=1),
    Event("bytes", 2, 1000, bytes_done=10),
    Event("tensor", 2, 1000, "x", 1, 500),
    Event("bytes", 2, 1000, bytes_done=700, tensors_done=1),
    Event("saving", 2, 1000, bytes_done=1000, tensors_done=2),
    Event("finished", 2, 1000, bytes_done=1000, tensors_done=2),
]


@pytest.mark.parametrize("quiet", [True, False])
def test_every_event_is_taken_where_nothing_is_drawn(quiet, capsys):
    with progress_bar("Merging", quiet) as listen:
        for event in EVENTS:
            listen(event)

    assert capsys.readouterr().err == ""


def test_a_terminal_sees_what_is_being_done(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress_bar("Merging") as listen:
        for event in EVENTS:
            listen(event)
        seen = capsys.readouterr().err

    assert "flushing to disk" in seen
