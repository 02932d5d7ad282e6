"""`measure_models` of a base and its fine-tunes: gigabytes of inputs per second, beside merely reading them.

    python -m tests.benchmarks.bench_measure MODELS [--size 1.1b] [--threads 1,2] [--rounds 5] [--without-kernels]

MODELS is a folder that `tests.benchmarks.shapes` fills. Imports are not counted, the page cache is warm, and the least of the
rounds counts: of the time, and of the processor time of all threads. With `--without-kernels` every round also measures without
compiled loops, whose numbers must be the same bit for bit.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

from nbmerge import measure_models
from nbmerge.statistics.tally import FIELDS
from tests.benchmarks.shapes import SIZES, family


def read_all(folders: list[Path]) -> int:
    """Read every weights file; returns how many bytes there are."""
    buffer, total = bytearray(1 << 19), 0
    for folder in folders:
        for path in sorted(folder.glob("*.safetensors")):
            with open(path, "rb", buffering=0) as file:
                while n := file.readinto(buffer):
                    total += n
    return total


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Time and processor time of one run."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-kernels", action="store_true")
    given = parser.parse_args()
    folders = family(given.models, given.size)

    total = read_all(folders)
    kinds = ["1", "0"] if given.without_kernels else ["1"]
    print(f"{total / 1e9:.2f} GB of inputs; GB/s (and GB per processor second), the best of {given.rounds} rounds")
    for threads in map(int, given.threads.split(",")):
        print(compare(folders, total, threads, kinds, given.rounds), flush=True)


def compare(folders: list[Path], total: int, threads: int, kinds: list[str], rounds: int) -> str:
    """Measure with a number of threads, in rounds."""
    best: dict[str, tuple[float, float]] = {}
    found: dict[str, list[bytes]] = {}

    def measure() -> None:
        tally = measure_models(*folders, cache=False, threads=threads, progress=False).tally
        found[os.environ["NBMERGE_KERNELS"]] = [getattr(tally, name).tobytes() for name in FIELDS]

    def note(name: str, taken: tuple[float, float]) -> None:
        known = best.get(name, taken)
        best[name] = min(known[0], taken[0]), min(known[1], taken[1])

    for _ in range(rounds):
        note("reading", seconds(lambda: read_all(folders)))
        for kind in kinds:
            os.environ["NBMERGE_KERNELS"] = kind
            note("compiled" if kind == "1" else "torch", seconds(measure))
    rates = ", ".join(f"{name} {total / t / 1e9:.2f} ({total / c / 1e9:.2f})" for name, (t, c) in best.items())
    same = "" if len(kinds) == 1 else f"; numbers {'equal' if found['0'] == found['1'] else 'DIFFER'}"
    return f"{threads} {'thread' if threads == 1 else 'threads'}: {rates}{same}"


if __name__ == "__main__":
    main()
