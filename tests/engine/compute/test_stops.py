"""A stop answers within one chunk, whatever a method is doing, from an event, a thread or a signal; then the merge goes on."""

import os
import signal
import threading
import time

import pytest

from nbmerge.cli.terminal.signals import stop_on_ctrl_c
from nbmerge.engine.compute import blocks as blocks_module
from nbmerge.engine.merge import merge
from nbmerge.errors import MergeStopped
from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.engine.output.faults import contents, ended, forked
from tests.models import Family, make_family


@pytest.fixture(scope="module")
def family(tmp_path_factory) -> Family:
    return make_family(tmp_path_factory.mktemp("family"), layers=1, hidden=64, intermediate=64)


def recipe(name: str, family: Family) -> Recipe:
    """A method in its simplest use."""
    method = methods()[name]
    known = {p.name for p in method.parameters}
    values = {"weight": 0.5, "density": 0.5, "t": 0.4, "select_topk": 0.5, "epsilon": 0.1, "r": 0.1, "alpha": 0.2}
    values = {k: v for k, v in values.items() if k in known}
    data = {"merge_method": name, "models": [str(family.ft1), str(family.ft2)], "parameters": values}
    if name in ("slerp", "nearswap", "arcee_fusion"):
        return Recipe.of(data | {"base_model": str(family.ft1)})
    if name == "passthrough":
        return Recipe.of(data | {"models": [str(family.ft1)]})
    return Recipe.of(data | ({} if method.base == "none" else {"base_model": str(family.base)}))


SHARES = {"early": 0.1, "late": 0.6}
STOPS = [(method, when) for method in methods() for when in SHARES]


@pytest.mark.parametrize(("method", "when"), rest_is_slow(STOPS, lambda stop: stop[0] in ("linear", "ties", "tsv_m")))
def test_a_stopped_method_reads_nothing_more(method, when, family, tmp_path, monkeypatch):
    """Within a tensor, looking or mixing: after the stop each worker ends at its next read."""
    monkeypatch.setattr(blocks_module, "BLOCK", 256)
    r, reads, stop = recipe(method, family), [0], threading.Event()
    real = os.preadv

    def preadv(*arguments):
        reads[0] += 1
        if reads[0] == limit:
            stop.set()
        return real(*arguments)

    monkeypatch.setattr(os, "preadv", preadv)
    limit = 0
    whole = contents(merge(r, tmp_path / "whole", threads=1).path)
    limit, reads[0] = max(2, int(SHARES[when] * reads[0])), 0
    with pytest.raises(MergeStopped, match="resume"):
        merge(r, tmp_path / "out", cancel=stop, threads=1)
    assert reads[0] == limit  # not one more
    assert not (tmp_path / "out").exists()
    assert contents(merge(r, tmp_path / "out").path) == whole


def test_a_stop_while_finished_tensors_are_checked(family, tmp_path):
    r, stop = recipe("linear", family), threading.Event()
    with pytest.raises(MergeStopped):
        merge(
            r, tmp_path / "out", cancel=stop, threads=1, progress=lambda e: stop.set() if e.tensors_done == 8 else None
        )
    with pytest.raises(MergeStopped):
        merge(r, tmp_path / "out", cancel=stop)
    done = []
    out = merge(r, tmp_path / "out", progress=lambda e: done.append(e.tensor) if e.kind == "tensor" else None).path
    assert len(done) <= 4  # what the first run had finished is still known
    assert contents(out) == contents(merge(r, tmp_path / "whole").path)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_merge_and_the_next_run_resumes_it(number, family, tmp_path):
    """As the command line does it; the merge waits at a tensor until the signal has come."""
    r, came = recipe("ties", family), tmp_path / "came"

    def program() -> None:
        with stop_on_ctrl_c() as cancel:

            def wait(event) -> None:
                if event.tensors_done == 3 and not came.exists():
                    came.touch()
                    os.kill(os.getpid(), number)
                    assert cancel.wait(20)

            with pytest.raises(MergeStopped):
                merge(r, tmp_path / "out", cancel=cancel, progress=wait, threads=2)

    assert ended(forked(program)) == 0
    assert came.exists()
    assert not (tmp_path / "out").exists()
    done = []
    out = merge(r, tmp_path / "out", progress=lambda e: done.append(e.tensor) if e.kind == "tensor" else None).path
    assert len(done) <= 9
    assert contents(out) == contents(merge(r, tmp_path / "whole").path)


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_in_a_notebook_stops_the_workers(family, tmp_path):
    """Without our handler: KeyboardInterrupt in the thread that waits."""
    main, others = threading.main_thread().ident, set(threading.enumerate())
    events = []

    def interrupt(event) -> None:
        events.append(event.kind)
        if event.tensors_done == 3 and "sent" not in events:
            events.append("sent")
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt):
        merge(recipe("ties", family), tmp_path / "out", progress=interrupt, threads=1)
    assert events[-1] == "stopped"
    for thread in set(threading.enumerate()) - others:  # a worker inside a block ends after it
        thread.join(20)
        assert not thread.is_alive()
    assert merge(recipe("ties", family), tmp_path / "out").path.is_dir()
