"""Bars of cells and terminals: who gets one, when it appears, and what it says."""

import subprocess
import sys
import threading

import pytest

import nbmerge as nbm
from nbmerge import progress_bars
from nbmerge.progress import Event
from nbmerge.progress_bars import ProgressBar, show_progress


def event(done: int, kind="bytes", total: int = 1000, tensor: str = "", **more) -> Event:
    return Event(kind, 10, total, tensor, done * 10 // total, done, **more)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress_bars, "in_terminal", lambda: True)
    monkeypatch.delenv("NBMERGE_PROGRESS", raising=False)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by being set."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    made = Clock()
    monkeypatch.setattr(progress_bars, "time", made)
    return made


def test_nothing_is_drawn_without_a_display():
    with show_progress(None, "Merging") as listener:
        assert listener is None


def test_a_listener_is_passed_through(terminal):
    def listen(event):
        raise AssertionError

    with show_progress(listen, "Merging") as listener:
        assert listener is listen


def test_the_progress_argument_decides_whether_a_bar_is_shown(terminal, monkeypatch):
    def kind(progress):
        with show_progress(progress, "Merging") as listener:
            return type(listener).__name__

    assert kind(None) == kind(True) == "ProgressBar"
    assert kind(False) == "NoneType"
    found = []
    thread = threading.Thread(target=lambda: found.append(kind(None)))
    thread.start()
    thread.join()
    assert found == ["NoneType"]
    monkeypatch.setenv("NBMERGE_PROGRESS", "0")
    assert kind(None) == "NoneType"


def test_short_work_shows_nothing(terminal, clock, capsys):
    with show_progress(None, "Merging") as listener:
        listener(event(0, "planned"))
        clock.now += 0.4
        listener(event(1000, "finished"))
    assert capsys.readouterr().err == ""


def test_no_time_left_is_shown_before_it_can_be_estimated(terminal, clock, capsys):
    bar = ProgressBar("Merging")
    bar(event(0, "planned"))
    clock.now += 1
    bar(event(400))
    assert "left" not in capsys.readouterr().err  # 40 %, but within a second
    clock.now += 3
    bar(event(500))
    assert "about 4 s left" in capsys.readouterr().err
    bar.close()


def test_phases_are_described(terminal, clock, capsys):
    bar = ProgressBar("Merging", last="checking how it loads")
    said = {}
    for name, step in {
        "download": event(10, "fetching", 50, "a.safetensors"),
        "merge": event(0, "planned", resumed=3),
        "flush": event(1000, "saving"),
        "check": event(1000, "finished"),
    }.items():
        clock.now += 1
        bar(step)
        said[name] = capsys.readouterr().err
    bar.close()
    assert "Downloading:  20%" in said["download"]
    assert "a.safetensors" in said["download"]
    assert "Merging (resumed, 3 tensors kept):   0%" in said["merge"]
    assert "flushing to disk" in said["flush"]
    assert "checking how it loads" in said["check"]


def test_a_bar_that_cannot_be_drawn_does_not_end_the_work(terminal, clock, monkeypatch):
    bar = ProgressBar("Merging")
    monkeypatch.setattr(ProgressBar, "_make", lambda self: 1 / 0)
    clock.now += 1
    bar(event(100))
    bar.close()


def test_functions_that_take_long_draw_one(family, tmp_path, terminal, monkeypatch, capsys):
    monkeypatch.setattr(progress_bars, "DELAY", 0)
    show = progress_bars.show_progress
    for module in ("engine.merge", "engine.live.live_merge", "statistics.survey", "statistics.measured_distances"):
        monkeypatch.setattr(f"nbmerge.{module}.show_progress", lambda *a, **k: show(*a, **k | {"delay": 0}))
    recipe = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    drawn = {}
    for words, work in {
        "Merging:": lambda **o: nbm.merge(recipe, tmp_path / "out", overwrite=True, **o),
        "Merging in memory:": lambda **o: nbm.live(recipe, **o).close(),
        "Measuring the merge:": lambda **o: nbm.measure_merge(recipe, **o),
        "Measuring the models:": lambda **o: nbm.measure_models(family.base, family.ft1, cache=False, **o),
    }.items():
        work(progress=False)
        assert capsys.readouterr().err == ""
        work()
        drawn[words] = capsys.readouterr().err
    assert [words for words, text in drawn.items() if words not in text] == []


WITHOUT_IPYWIDGETS = """
import sys, types, warnings
sys.modules["ipywidgets"] = None
import IPython
shell = types.SimpleNamespace(config={"IPKernelApp": {}}, kernel=None)
IPython.get_ipython = lambda: shell
from nbmerge.progress import Event
from nbmerge.progress_bars import show_progress
with show_progress(None, "Merging", delay=0) as listen:
    listen(Event("bytes", 1, 10, bytes_done=5))
"""


@pytest.mark.slow
def test_a_kernel_without_ipywidgets_has_text_and_no_warning():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_IPYWIDGETS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Merging:  50%" in done.stderr
    assert "Warning" not in done.stderr


CELLS = """
import threading, time
from nbmerge.progress import Event
from nbmerge.progress_bars import show_progress

def work(last):
    with show_progress(None, "Merging", delay=0.05) as listen:
        def tell():
            time.sleep(0.1)
            for done in range(1, last + 1):
                listen(Event("bytes", 10, 10, bytes_done=done))
                time.sleep(0.11)
        thread = threading.Thread(target=tell)
        thread.start()
        thread.join()
---
work(4)
---
from ipywidgets.widgets.widget import _instances
before = len(_instances)
assert before == 0
work(10)
print(len(_instances) - before)
"""


@pytest.mark.notebook
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets of a kernel that has ended
def test_bars_stand_below_their_cell_and_leave_nothing_behind(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS.split("---\n")])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    _, stopped, finished = notebook.cells
    (shown,) = stopped.outputs  # work that did not come to its end: no red bar, and words that say how far it came
    assert shown["data"]["text/plain"] == "Merging: stopped at 40%."
    assert "widget" not in str(shown["data"])
    gone, printed = finished.outputs
    assert gone["data"] == {"text/plain": "", "text/html": ""}
    assert printed["text"].strip() == "0"
