"""Where the time of a whole merge goes, from the start of the process to its end, for each method.

    python -m tests.benchmarks.bench_stages MODELS [--size 1.1b] [--methods linear,ties] [--threads 1] [--rounds 3]

MODELS is a folder that `tests.benchmarks.shapes` fills. For each stage: its processor time, and how long it waited besides (for the
disk, or for a processor); of each, the least of the rounds. With several threads the times of all are added up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_engine import recipes
from tests.benchmarks.shapes import SIZES, family

STAGES = (
    "start of Python, plan", "import of torch", "loading of compiled loops", "reading", "looking and mixing", "checksums",
    "writing", "end: sync, other files",
)  # fmt: skip


class Clock:
    """Adds up the times of stages; a stage that is within another is not counted in the other."""

    def __init__(self) -> None:
        self.times = {name: [0.0, 0.0] for name in STAGES}
        self._lock = threading.Lock()
        self._local = threading.local()

    def add(self, stage: str, cpu: float, wall: float) -> None:
        """Count processor time and time."""
        with self._lock:
            self.times[stage][0] += cpu
            self.times[stage][1] += max(0.0, wall - cpu)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted as a stage's."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            outer = getattr(self._local, "inner", (0.0, 0.0))
            self._local.inner = (0.0, 0.0)
            cpu, wall = time.thread_time(), time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                cpu, wall = time.thread_time() - cpu, time.perf_counter() - wall
                inner = self._local.inner
                self.add(stage, cpu - inner[0], wall - inner[1])
                self._local.inner = (outer[0] + cpu, outer[1] + wall)

        return wrapped


def merge_once(recipe: str, out: str, threads: int, began: float) -> None:
    """Merge in this process, and print the times as JSON; `began` is the system's time at which the process was started."""
    clock = Clock()
    from nbmerge.cli import main  # noqa: F401  # as a program does
    from nbmerge.engine.planning.planner import plan

    planned = plan(json.loads(recipe))
    clock.add(STAGES[0], time.process_time(), time.time() - began)
    clock.timed(STAGES[1], lambda: __import__("torch"))()
    from nbmerge.engine.compute import fused, input_files, pool
    from nbmerge.engine.merge import merge
    from nbmerge.engine.output import direct_io, shards

    clock.timed(STAGES[2], lambda: fused.load_loops(planned.tensors))()
    input_files.InputFiles.read = clock.timed("reading", input_files.InputFiles.read)
    direct_io.Stream.write = clock.timed("writing", direct_io.Stream.write)
    direct_io.Stream.close = clock.timed("writing", direct_io.Stream.close)
    pool._Execution._compute = clock.timed("looking and mixing", pool._Execution._compute)

    class Digest:
        def __init__(self) -> None:
            self._own = hasher()
            self.update, self.hexdigest = clock.timed("checksums", self._own.update), self._own.hexdigest

    hasher, shards.xxhash = shards.xxhash.xxh3_64, type("xxhash", (), {"xxh3_64": Digest})
    ended = [0.0, 0.0]
    real = pool.execute

    def execute(*arguments: Any, **named: Any) -> Any:
        result = real(*arguments, **named)
        ended[:] = time.process_time(), time.perf_counter()
        return result

    pool.execute = execute
    merge(planned, out, threads=threads, progress=False)
    clock.add(STAGES[-1], time.process_time() - ended[0], time.perf_counter() - ended[1])
    print(json.dumps(clock.times))


def show(method: str, rounds: list[dict[str, list[float]]]) -> None:
    """A table of one method."""
    print(f"\n{method}: stage | processor s | waiting s\n---|---|---")
    total = [0.0, 0.0]
    for stage in STAGES:
        least = [min(r[stage][k] for r in rounds) for k in (0, 1)]
        total = [t + x for t, x in zip(total, least, strict=True)]
        print(f"{stage} | {least[0]:.2f} | {least[1]:.2f}")
    print(f"all | {total[0]:.2f} | {total[1]:.2f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--methods", default="linear,ties")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    base, one, two = family(given.models, given.size)
    known = recipes(base, one, two, SIZES[given.size]["num_hidden_layers"])
    with tempfile.TemporaryDirectory(dir=given.models) as folder:
        for method in given.methods.split(","):
            rounds = []
            for _ in range(given.rounds):
                out = Path(folder) / "out"
                code = "import sys; from tests.benchmarks import bench_stages as b; b.merge_once(*sys.argv[1:3], *map(eval, sys.argv[3:]))"
                command = [sys.executable, "-c", code, json.dumps(known[method]), str(out), str(given.threads)]
                done = subprocess.run([*command, str(time.time())], check=True, stdout=subprocess.PIPE, text=True)
                rounds.append(json.loads(done.stdout.splitlines()[-1]))
                shutil.rmtree(out)
                os.sync()
            show(method, rounds)


if __name__ == "__main__":
    main()
