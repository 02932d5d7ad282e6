"""Merges killed at chosen instants and run again, with a count of what each run computed.

Each merge is a process of its own, a copy of this one, so that torch is loaded once.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbmerge.engine.compute.arithmetic import arithmetic
from nbmerge.engine.merge import merge, metadata_of
from nbmerge.engine.output.commit import beside
from nbmerge.engine.output.journal import Journal, identity
from nbmerge.engine.planning.planner import plan
from nbmerge.progress import Event
from nbmerge.recipe import Recipe
from tests.engine.output.faults import Calls, contents, ended, forked, killed_after


@dataclass
class Case:
    """A merge to be killed.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        Empty, its own.
    options : dict
        For `merge`.
    older : bool
        An older model lies under the name, to be replaced.
    """

    recipe: Recipe
    folder: Path
    options: dict[str, Any]
    older: bool = False
    expected: dict[str, bytes] = field(init=False)
    seconds: float = field(init=False)
    before: dict[str, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        times = []
        for i in range(2):
            began = time.perf_counter()
            assert ended(forked(lambda i=i: self.run(self.folder / f"whole-{i}"))) == 0
            times.append(time.perf_counter() - began)
        self.seconds = min(times)
        self.expected = contents(self.folder / "whole-0")
        if self.older:
            merge(self.recipe.replace(dtype="float16"), self.folder / "older")
            self.before = contents(self.folder / "older")

    def run(self, out: Path, log: Path | None = None) -> None:
        """Merge, and write the names of the tensors that are computed into a file."""
        merge(self.recipe, out, progress=log and _logging(log), overwrite=self.older, **self.options)

    def out(self, name: str) -> Path:
        """A place of its own for one trial."""
        out = self.folder / name / "out"
        out.parent.mkdir()
        if self.older:
            out.mkdir()
            for file, data in self.before.items():
                (out / file).write_bytes(data)
        return out

    def finished(self, out: Path) -> set[str]:
        """Tensors that the journal of an unfinished merge has."""
        p = plan(self.recipe)
        shard = self.options.get("max_shard_size", 5_000_000_000)
        return set(
            Journal(beside(out, "journal"), identity(p.tensors, shard, metadata_of(p)), arithmetic(p.tensors)).finished
        )


@dataclass
class Tally:
    """What became of the kills."""

    kills: int = 0
    too_late: int = 0
    before_any: int = 0
    complete: int = 0
    kept: int = 0
    recomputed: int = 0
    broken: int = 0
    different: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


Kill = Callable[[Path], int]
"""``(out) -> exit code``: starts a merge and kills it."""


def trial(case: Case, name: str, kills: list[Kill]) -> Tally:
    """Kill a merge several times, one run after another; then let it end, and compare."""
    tally, out = Tally(), case.out(name)
    for kill in kills:
        code = kill(out)
        assert code in (0, -9), code
        tally.kills += code == -9
        tally.too_late += code == 0
        now = contents(out) if out.exists() else {}
        tally.broken += now not in (case.before, case.expected)
        if now == case.expected:
            tally.complete += code == -9
            return tally
    finished, log = case.finished(out), out.with_name("log")
    tally.before_any += not finished
    assert ended(forked(lambda: case.run(out, log))) == 0
    computed = set(log.read_text().split()) if log.exists() else set()
    tally.kept += len(finished)
    tally.recomputed += len(computed & finished)
    tally.different += contents(out) != case.expected
    return tally


def at_random(rng: random.Random, case: Case, most: int = 1) -> list[Kill]:
    """Kills at random instants over the whole life of a merge and a little more, one to `most` in a row."""
    seconds = [rng.uniform(0, 1.15 * case.seconds) for _ in range(rng.randint(1, most))]
    return [lambda out, s=s: killed_after(forked(lambda: case.run(out)), s) for s in seconds]


def at_call(case: Case, call: str, nth: int, act: Callable, concerns: Callable) -> Kill:
    """A kill just before or after one of the merge's system calls."""

    def killed(out: Path) -> None:
        with Calls(call, nth, act, concerns):
            case.run(out)

    return lambda out: ended(forked(lambda: killed(out)))


def _logging(log: Path) -> Callable[[Event], None]:
    """A listener that writes the names of computed tensors into a file at once, as the process may not live long."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def listen(event: Event) -> None:
        if event.kind == "tensor":
            os.write(descriptor, f"{event.tensor}\n".encode())

    return listen
