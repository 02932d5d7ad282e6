"""Merges killed at random instants: nothing incomplete under the name, and the next run comes to the same, keeping all it can."""

import os
import random
import threading
from pathlib import Path

import pytest

from nbmerge.engine.merge import merge
from nbmerge.engine.output.commit import beside
from nbmerge.errors import MergeStopped
from nbmerge.recipe import Recipe
from tests.engine.output.faults import Calls, contents, dying, dying_after, ended, forked
from tests.engine.output.kills import Case, Tally, at_call, at_random, trial
from tests.models import Family

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def ties(family) -> Recipe:
    models = [{"model": str(m), "parameters": {"weight": 0.5, "density": 0.5}} for m in (family.ft1, family.ft2)]
    return Recipe.of({"merge_method": "ties", "models": models, "base_model": str(family.base)})


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["new", "replacing"])
def case(request, ties, tmp_path_factory) -> Case:
    folder = tmp_path_factory.mktemp("kills") / "case"
    return Case(ties, folder, {"max_shard_size": 6000, "threads": 2}, older=request.param)


def sound(tally: Tally) -> bool:
    return not (tally.broken or tally.different or tally.recomputed)


@pytest.mark.slow
def test_kills_at_random_instants(case):
    rng = random.Random(5)
    total = sum((trial(case, f"random-{i}", at_random(rng, case, most=2)) for i in range(3)), Tally())
    assert sound(total), total


STEPS = [
    ("pwrite", 0.0, dying), ("pwrite", 0.5, dying_after), ("open text", 0.5, dying_after), ("fsync", 0.0, dying_after),
    ("fsync", 1.0, dying), ("rename", 0.0, dying), ("rename", 1.0, dying), ("rename", 1.0, dying_after),
]  # fmt: skip
"""A system call, which of them (0 the first, 1 the last), and whether it is done before the kill."""


@pytest.mark.parametrize(("call", "share", "act"), STEPS)
@pytest.mark.rest_is_slow(keep=3)
def test_kills_at_chosen_steps(case, call, share, act):
    name = f"{call}-{share}-{act.__name__}"
    concerns = lambda first, *_: isinstance(first, int) or str(first).startswith(str(case.folder))  # noqa: E731
    with Calls(call, concerns=concerns) as calls:
        case.run(case.out(f"count-{name}"))
    tally = trial(case, name, [at_call(case, call, round(share * (calls.count - 1)), act, concerns)])
    assert tally.kills == 1
    assert sound(tally), tally


# --- a power cut: what was written and not yet synced is lost, in part or in any order ---


def zeroed(data: bytearray, rng: random.Random) -> None:
    for _ in range(3):
        start = rng.randrange(len(data))
        data[start : start + 4096] = bytes(len(data[start : start + 4096]))


CUTS = {
    "pages of the weights": lambda f, rng: zeroed(f, rng),
    "the end of the weights": lambda f, rng: f.__delitem__(slice(len(f) // 2, None)),
    "all of the weights": lambda f, rng: f.clear(),
    "noise in the weights": lambda f, rng: f.__setitem__(slice(len(f) // 2, len(f) // 2 + 64), rng.randbytes(64)),
    "something behind the weights": lambda f, rng: f.extend(b"more"),
}


@pytest.fixture
def unfinished(ties, tmp_path) -> Path:
    """A merge that was stopped half-way; gives its place."""
    stop = threading.Event()
    listener = lambda e: stop.set() if e.tensors_done == 15 else None  # noqa: E731
    with pytest.raises(MergeStopped):
        merge(ties, tmp_path / "place" / "out", progress=listener, cancel=stop, threads=1)
    return tmp_path / "place" / "out"


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.rest_is_slow(keep=3)
def test_a_power_cut_that_took_weights(cut, unfinished, ties, tmp_path):
    file = beside(unfinished, "partial") / "model.safetensors"
    data = bytearray(file.read_bytes())
    CUTS[cut](data, random.Random(3))
    file.write_bytes(data)
    assert contents(merge(ties, unfinished).path) == contents(merge(ties, tmp_path / "whole").path)


def test_a_power_cut_that_took_the_weights_file(unfinished, ties, tmp_path):
    (beside(unfinished, "partial") / "model.safetensors").unlink()
    assert contents(merge(ties, unfinished).path) == contents(merge(ties, tmp_path / "whole").path)


LINES = {
    "a torn last line": (lambda d: d[:-9], 14),
    "a line torn in the middle": (lambda d: d[: d.rindex(b"\n", 0, -200) + 9] + b"\n" + d[-200:].split(b"\n", 1)[1], None),
    "zeros at the end": (lambda d: d + bytes(512), 14),
    "zeros in the middle": (lambda d: d[:300] + bytes(100) + d[400:], None),
    "no head": (lambda d: d.split(b"\n", 1)[1], 0),
    "a torn head": (lambda d: d[:20], 0),
    "nothing": (lambda d: b"", 0),
    "no text": (lambda d: bytes(range(256)), 0),
    "other things": (lambda d: d + b'\n5\n[1, 2]\n{"a": 1}\n["no.such.tensor", "00"]\n["a"]\n' + b"[" * 9999, 15),
    "wrong checksums": (lambda d: d.replace(b'", "', b'", "0'), 0),
}  # fmt: skip


@pytest.mark.parametrize("harm", LINES)
@pytest.mark.rest_is_slow(keep=4)
def test_a_damaged_journal_is_not_used(harm, unfinished, ties, tmp_path):
    journal = beside(unfinished, "journal")
    act, kept = LINES[harm]
    journal.write_bytes(act(journal.read_bytes()))
    done = []
    out = merge(ties, unfinished, progress=lambda e: done.append(e.tensor) if e.kind == "tensor" else None).path
    if kept is not None:
        assert len(done) == 30 - kept
    assert contents(out) == contents(merge(ties, tmp_path / "whole").path)
    assert [f.name for f in unfinished.parent.iterdir()] == ["out"]


def test_a_journal_that_is_ahead_of_the_weights_is_not_believed(unfinished, ties, tmp_path):
    """Its lines reached the disk, the weights did not."""
    file = beside(unfinished, "partial") / "model.safetensors"
    with open(file, "r+b") as f:
        f.write(bytes(file.stat().st_size))
    done = []
    out = merge(ties, unfinished, progress=lambda e: done.append(e.tensor) if e.kind == "tensor" else None).path
    assert len(done) >= 29  # zeros may happen to be right
    assert contents(out) == contents(merge(ties, tmp_path / "whole").path)


@pytest.mark.slow
def test_killed_while_the_journal_is_rewritten(unfinished, ties, tmp_path):
    """The old journal holds until the new one is there."""

    def killed() -> None:
        with Calls("rename", 0, dying):
            merge(ties, unfinished)

    assert ended(forked(killed)) == -9
    done = []
    merge(ties, unfinished, progress=lambda e: done.append(e.tensor) if e.kind == "tensor" else None)
    assert len(done) == 15
    assert contents(unfinished) == contents(merge(ties, tmp_path / "whole").path)


def test_the_models_are_unchanged_afterwards(family: Family):
    assert sorted(f.name for f in family.base.parent.iterdir()) == ["base", "ft1", "ft2"]
