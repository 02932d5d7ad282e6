"""Sweeps, ablations and sensitivities: seconds, memory and bytes read, beside updating a live merge and scoring it each time.

    python -m tests.benchmarks.bench_understanding FOLDER [--size 0.13b] [--points 11] [--tokens 128] [--method linear]

Random models of a real shape are written to FOLDER where they are not there yet. Bytes are those that the process read from
the disk, after its files were dropped from the page cache; seconds are taken with files in the cache. Memory is the peak
of anonymous memory, without mapped files. On a shared machine only the
ratios mean something.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.shapes import SIZES, family
from tests.models import CHARACTERS, write_tokenizer


def read_bytes() -> int:
    """Bytes that this process has read from disks."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def drop_from_cache(folders: list[Path]) -> None:
    """Let the system forget files, so that they are read from the disk again."""
    for file in (file for folder in folders for file in folder.glob("*.safetensors")):
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The largest growth of anonymous memory inside the block, in bytes."""
    found, done = [0], threading.Event()

    def anonymous() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    before = anonymous()

    def watch() -> None:
        while not done.wait(0.01):
            found[0] = max(found[0], anonymous() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def recipe(method: str, one: Path, two: Path, amount: float) -> dict[str, Any]:
    """A merge of two models."""
    if method == "slerp":
        return {"merge_method": method, "models": [str(one), str(two)], "parameters": {"t": amount}}
    weights = ((one, 1 - amount), (two, amount))
    return {"merge_method": method, "models": [{"model": str(m), "parameters": {"weight": w}} for m, w in weights]}


def naive(plans: list[Any], text: str) -> list[float]:
    """The perplexity of each plan, by updates of one live merge."""
    import nbmerge as nbm

    values = []
    with nbm.live(plans[0], progress=False) as live:
        for plan in plans:
            live.update(plan, progress=False)
            values.append(nbm.perplexity(live, text))
    return values


def foreseen(plans: list[Any], text: str) -> int:
    """Bytes that are compared with what is free before a sweep starts."""
    from nbmerge.analysis.memory import check_memory
    from nbmerge.engine.live import LayeredModel
    from nbmerge.sampling import Loaded, Perplexity

    with LayeredModel(plans[0]) as model:
        return check_memory(model, plans, Perplexity(text).windows(Loaded(model.model, model.tokenizer)))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=SIZES, default="0.13b")
    parser.add_argument("--points", type=int, default=11)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--method", choices=["linear", "slerp"], default="linear")
    parser.add_argument("--skip", nargs="*", default=[], choices=["bytes", "sweep", "ablation", "sensitivity"])
    given = parser.parse_args()
    folders = family(given.folder, given.size)
    for folder in folders:
        if not (folder / "tokenizer.json").exists():
            write_tokenizer(folder, 32)
    _, one, two = folders
    text = (CHARACTERS * (given.tokens // len(CHARACTERS) + 1))[: given.tokens]
    print(f"{given.size}, {given.method}, {given.points} points, {given.tokens} tokens, load {os.getloadavg()[0]:.1f}")
    _measure(given, one, two, text)


def _measure(given: argparse.Namespace, one: Path, two: Path, text: str) -> None:
    import nbmerge as nbm
    from nbmerge.analysis.parents import copies_of_parent, find_parent, with_tensors

    first, second, middle = (recipe(given.method, one, two, amount) for amount in (0.0, 1.0, 0.4))

    def sweep() -> Any:
        return nbm.sweep(first, second, given.points, {"text": text}, progress=False)

    print(f"memory foreseen for the sweep: {foreseen([nbm.plan(first)] * given.points, text) / 1e6:.0f} MB")
    nbm.sweep(first, second, 2, {"text": text[:8]}, progress=False)  # imports
    if "bytes" not in given.skip:
        drop_from_cache([one, two])
        before, stored = read_bytes(), sum(f.stat().st_size for m in (one, two) for f in m.glob("*.safetensors"))
        sweep()
        print(f"bytes read by a sweep / one read of the parents: {(read_bytes() - before) / stored:.2f}")
    if "sweep" not in given.skip:
        with peak_memory() as peak:
            ours, result = timed(sweep)
        theirs, values = timed(lambda: naive([nbm.plan(r) for r in result.recipes], text))
        worst = max(abs(a / b - 1) for a, b in zip(values, result.values["text"], strict=True))
        print(
            f"sweep {ours:.2f} s, peak {peak[0] / 1e6:.0f} MB; live updates {theirs:.2f} s: {ours / theirs:.2f}; differ by {worst:.0e}"
        )
    if "ablation" not in given.skip:
        plan = nbm.plan(middle)
        copies = copies_of_parent(plan, find_parent(plan, str(one)))
        parts = dict.fromkeys((t.layer, t.kind if t.layer is None else None) for t in plan.tensors)
        plans = [plan]
        for part in parts:
            own = [t for t in plan.tensors if (t.layer, t.kind if t.layer is None else None) == part]
            plans.append(with_tensors(plan, {t.name: copies[t.name] for t in own}))
        with peak_memory() as peak:
            ours, _ = timed(lambda: nbm.ablate(plan, str(one), {"text": text}, by="layer", progress=False))
        theirs, _ = timed(lambda: naive(plans, text))
        print(
            f"ablation of {len(parts)} parts {ours:.2f} s, peak {peak[0] / 1e6:.0f} MB; live updates {theirs:.2f} s: {ours / theirs:.2f}"
        )
    if "sensitivity" not in given.skip:
        with peak_memory() as peak:
            ours, found = timed(lambda: nbm.sensitivity(middle, text, progress=False))
        print(f"sensitivity: {len(found.derivatives)} derivatives in {ours:.2f} s, peak {peak[0] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
