"""Ctrl-C and a stop while the network stands still: answered at once, whatever is being waited for."""

import signal
import subprocess
import sys
import threading
import time

import pytest

import nbmerge as nbm
from nbmerge.checkpoints.hub.interruptible import map_all, pause, stopped_by, wait_for
from nbmerge.errors import CheckpointError, MergeStopped

SOON = 0.2
"""Seconds, on a machine that has nothing else to do; tests allow for one that has."""
PATIENT = 8.0
"""Still less than any limit of a request, and than the Hub's silence, which is what a stop must not wait for."""


def still(part: str, reached: threading.Event):
    """A Hub that says nothing more once a path with this part is asked for."""

    def lie(handler, path: str) -> bool:
        if part not in path:
            return False
        reached.set()
        handler.hub.closed.wait(60)
        return True

    return lie


@pytest.mark.parametrize("part", ["/api/models/", "/config.json", "/storage/"], ids=["list", "config", "header"])
def test_a_stop_while_the_network_hangs(part, online, family):
    online.add("org/base", family.base)
    reached, cancel, ends = threading.Event(), threading.Event(), []
    online.lie = still(part, reached)

    def stop():
        assert reached.wait(20)
        ends.append(time.monotonic())
        cancel.set()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(MergeStopped):
        nbm.merge({"merge_method": "passthrough", "models": ["org/base"]}, family.base.parent / "out", cancel=cancel)
    assert time.monotonic() - ends[0] < PATIENT


@pytest.mark.parametrize("command", ["check", pytest.param("merge", marks=pytest.mark.slow)])
@pytest.mark.parametrize("part", ["/api/models/", "/config.json", "/storage/"], ids=["list", "config", "header"])
@pytest.mark.rest_is_slow(keep=1)
def test_ctrl_c_while_the_network_hangs(part, command, hub, env, family, tmp_path):
    hub.add("org/base", family.base)
    reached = threading.Event()
    hub.lie = still(part, reached)
    (tmp_path / "r.yml").write_text("merge_method: passthrough\nmodels: [org/base]\n")
    words = [command, str(tmp_path / "r.yml"), *([str(tmp_path / "out")] if command == "merge" else [])]
    # pytest may have been started with SIGINT ignored, which a child inherits
    start = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from nbmerge.cli import main; main()"
    process = subprocess.Popen([sys.executable, "-c", start, *words], env=env, stderr=subprocess.PIPE, text=True)
    try:
        assert reached.wait(60)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
        took = time.monotonic() - began
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert said.startswith("nbmerge: ")
    assert took < PATIENT
    print(f"ended {took:.3f} s after Ctrl-C")


def test_requests_have_a_timeout():
    answer = threading.Event()
    with pytest.raises(CheckpointError, match="timed out after 0 s while testing"):
        wait_for(lambda: answer.wait(60), 0.1, "testing")
    answer.set()


def test_results_come_in_order_and_the_first_error_ends_it():
    assert map_all(lambda n: n * n, list(range(20)), 4, 5, "It") == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        map_all(lambda n: 1 // n, [1, 0, 1], 2, 5, "It")
    assert map_all(str, [], 4, 5, "It") == []


def test_a_stop_reaches_the_threads_below():
    cancel, stopped = threading.Event(), threading.Event()

    def work():
        cancel.set()
        try:
            pause(60)
        except MergeStopped:
            stopped.set()
            raise

    with stopped_by(cancel), pytest.raises(MergeStopped):
        wait_for(work, 60, "It")
    assert stopped.wait(20)


@pytest.mark.slow  # a process that imports torch
def test_nothing_but_the_model_is_asked_of_the_hub(hub, env, family, tmp_path):
    """Libraries may ask for more on the way, such as lists of programs, and read an answer however long it is."""
    hub.add("org/base", family.base)
    (tmp_path / "r.yml").write_text("merge_method: passthrough\nmodels: [org/base]\n")
    start = "from nbmerge.cli import main; main()"
    words = ["check", str(tmp_path / "r.yml")]
    subprocess.run([sys.executable, "-c", start, *words], env=env, check=True, capture_output=True)
    paths = [r.path for r in hub.requests]
    assert paths
    assert all("org/base" in path or "/storage/" in path for path in paths), paths
