"""What a process holds after many merges: descriptors, threads, memory, and disk space of files that are deleted already.

    python -m tests.benchmarks.bench_resources [--merges 50]

Merges through direct IO, two threads, each result deleted; the size from which on files are written directly is set to 0.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from nbmerge.engine.merge import merge
from nbmerge.engine.output import direct_io
from tests.engine.compute.test_stops import recipe
from tests.models import make_family

METHODS = ("linear", "slerp", "ties", "dare_ties")


def row(name: str) -> str:
    """A line of the table, about now."""
    descriptors, deleted = os.listdir("/proc/self/fd"), 0
    for descriptor in descriptors:
        path = f"/proc/self/fd/{descriptor}"
        if os.path.lexists(path) and os.readlink(path).endswith(" (deleted)"):
            deleted += os.stat(path).st_blocks * 512
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return f"| {name} | {len(descriptors)} | {threading.active_count()} | {resident / 1e6:.0f} | {deleted / 1e6:.1f} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--merges", type=int, default=50)
    options = parser.parse_args()
    direct_io.WORTHWHILE = 0
    print("| after | descriptors | threads | resident MB | MB of deleted files |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="nbmerge-resources-") as name:
        sizes = {"layers": 2, "hidden": 128, "intermediate": 256, "vocab": 2000, "dtype": "bfloat16"}
        family = make_family(Path(name) / "models", **sizes, tokenizer=False)
        for i in range(options.merges):
            shutil.rmtree(merge(recipe(METHODS[i % 4], family), Path(name) / "out", threads=2).path)
            if i + 1 in (4, 10, 25, options.merges):
                print(row(f"{i + 1} merges"), flush=True)


if __name__ == "__main__":
    main()
