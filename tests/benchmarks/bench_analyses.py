"""Seconds and memory of one analysis, beside the memory that was foreseen before anything was allocated.

    python -m tests.benchmarks.bench_analyses FOLDER SUBJECT [--size 1.1b] [--tokens 48] [--points 11] [--threads N]

SUBJECT is sweep, ablation, sensitivity, conflicts, spectra, regmean or fisher; each prints a row of a Markdown table. Random
models of a real shape are written to FOLDER where they are not there yet, and statistics of texts are deleted after they were
gathered (regmean at 1.1 B: 5 GB). Memory is the peak of anonymous memory, without mapped files; files are in the page cache if they
fit. What sweeps, ablations and sensitivities gain beside live merges is measured by `bench_understanding`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_understanding import peak_memory, recipe, timed
from tests.benchmarks.shapes import SIZES, family
from tests.models import CHARACTERS, write_tokenizer


@contextmanager
def forecasts() -> Iterator[list[int]]:
    """The bytes of each forecast that is compared with the free memory inside the block."""
    found: list[int] = []
    places = [
        m for name, m in list(sys.modules.items()) if name.startswith("nbmerge.") and hasattr(m, "require_memory")
    ]
    original: Callable[..., None] = places[0].require_memory

    def note(needed: int, *rest: Any) -> None:
        found.append(needed)
        original(needed, *rest)

    from nbmerge.analysis import layerwise

    find_room = layerwise.find_room

    def note_room(model: Any, plans: Any, needed: int) -> int:
        room = find_room(model, plans, needed)
        found.append(needed + room)
        return room

    layerwise.find_room = note_room
    for module in places:
        module.require_memory = note  # type: ignore[attr-defined]
    try:
        yield found
    finally:
        layerwise.find_room = find_room
        for module in places:
            module.require_memory = original  # type: ignore[attr-defined]


def list_subjects(given: argparse.Namespace, folders: list[Path], text: str) -> dict[str, Callable[[], Any]]:
    """What can be measured."""
    import nbmerge as nbm

    base, one, two = folders
    first, second, middle = (recipe("linear", one, two, amount) for amount in (0.0, 1.0, 0.4))
    quiet = {"progress": False, "threads": given.threads}

    def gather(method: str) -> Any:
        with tempfile.TemporaryDirectory(dir=given.folder) as statistics:
            models = [str(one), str(two)]
            return nbm.gather_statistics({"merge_method": method, "models": models}, text, folder=statistics, **quiet)

    return {
        "sweep": lambda: nbm.sweep(first, second, given.points, {"text": text}, **quiet),
        "ablation": lambda: nbm.ablate(middle, str(one), {"text": text}, by="layer", **quiet),
        "sensitivity": lambda: nbm.sensitivity(middle, text, **quiet),
        "conflicts": lambda: nbm.measure_conflicts(base, one, two, cache=False, **quiet),
        "spectra": lambda: nbm.measure_spectra(base, one, two, cache=False, **quiet),
        "regmean": lambda: gather("regmean"),
        "fisher": lambda: gather("fisher"),
    }


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "subject", choices=["sweep", "ablation", "sensitivity", "conflicts", "spectra", "regmean", "fisher"]
    )
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--points", type=int, default=11)
    parser.add_argument("--threads", type=int, default=None)
    given = parser.parse_args()
    text = (CHARACTERS * (given.tokens // len(CHARACTERS) + 1))[: given.tokens]
    prepare(given.folder, text)
    folders = write_family(given.folder, given.size)
    load = os.getloadavg()[0]
    with forecasts() as foreseen, peak_memory() as peak:
        seconds, _ = timed(list_subjects(given, folders, text)[given.subject])
    most = f"{max(foreseen) / 1e6:.0f}" if foreseen else "–"
    print(f"| {given.subject}, {given.size}, load {load:.1f} | {seconds:.1f} s | {peak[0] / 1e6:.0f} MB | {most} MB |")


def write_family(folder: Path, size: str) -> list[Path]:
    """A base and two fine-tunes with a tokenizer of characters."""
    folders = family(folder, size)
    for one in folders:
        if not (one / "tokenizer.json").exists():
            write_tokenizer(one, 32)
    return folders


def prepare(folder: Path, text: str) -> None:
    """Do everything once with the smallest models, so that imports are neither timed nor counted."""
    import nbmerge as nbm

    base, one, two = write_family(folder, "tiny")
    given = argparse.Namespace(folder=folder, points=2, threads=1)
    for work in list_subjects(given, [base, one, two], text).values():
        work()
    nbm.measure_models(base, one, cache=False, progress=False)


if __name__ == "__main__":
    main()
