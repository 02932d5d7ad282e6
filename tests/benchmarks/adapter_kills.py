"""Extractions and merges of adapters killed with SIGKILL at random instants and run again: what was broken, different or left.

    python -m tests.benchmarks.adapter_kills [--kills 40] [--seed 1]

Each run is a forked process with torch loaded already, killed between its first instant and a little after its last, one to
three times in a row; then it runs to its end, and all files are compared with those of a run that was left alone. New and
replaced folders, one and two threads.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch

from nbmerge.adapters import extract_lora, merge_adapters
from tests.engine.output.faults import contents, ended, forked, killed_after
from tests.models import make_family

Run = Callable[..., Any]
"""``(out, **options)``: writes an adapter."""


@dataclass
class Tally:
    """What became of the kills."""

    kills: int = 0
    too_late: int = 0
    kept: int = 0
    broken: int = 0
    different: int = 0
    left_behind: int = 0

    def row(self, name: str) -> str:
        """A line of the table."""
        return f"| {name} | " + " | ".join(str(getattr(self, f.name)) for f in fields(self)) + " |"


@dataclass
class Case:
    """An adapter that is written again and again.

    Parameters
    ----------
    run : callable
    folder : Path
        Empty, its own.
    threads : int
    older : Path, optional
        An adapter that lies under the name, to be replaced.
    """

    run: Run
    folder: Path
    threads: int
    older: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        began = time.perf_counter()
        assert ended(forked(lambda: self.run(self.folder / "whole", threads=self.threads, progress=False))) == 0
        self.seconds = time.perf_counter() - began
        self.expected = contents(self.folder / "whole")
        self.before = contents(self.older) if self.older else {}

    def trial(self, name: str, rng: random.Random) -> Tally:
        """Kill a run up to three times, let it end, and compare."""
        tally, out = Tally(), self.folder / name / "out"
        out.parent.mkdir()
        for file, data in self.before.items():
            out.mkdir(exist_ok=True)
            (out / file).write_bytes(data)

        def work() -> None:
            self.run(out, threads=self.threads, overwrite=bool(self.older), progress=False)

        for _ in range(rng.randint(1, 3)):
            code = killed_after(forked(work), rng.uniform(0, 1.1 * self.seconds))
            assert code in (0, -9), code
            tally.kills += code == -9
            tally.too_late += code == 0
            now = contents(out) if out.exists() else {}
            tally.broken += now not in (self.before, self.expected)
            if now == self.expected:
                break
        tally.kept = len(list(out.parent.glob(".*/*.nbmerge-part")))
        if not out.exists() or contents(out) != self.expected:
            assert ended(forked(work)) == 0
        tally.different = int(contents(out) != self.expected)
        tally.left_behind = len([path for path in out.parent.iterdir() if path != out])
        return tally


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    print("| what | " + " | ".join(f.name.replace("_", " ") for f in fields(Tally)) + " |")
    print("|---" * (1 + len(fields(Tally))) + "|")
    failed = False
    with tempfile.TemporaryDirectory(prefix="nbmerge-kills-") as name:
        folder = Path(name)
        family = make_family(folder / "models", layers=6, hidden=192, intermediate=384)
        adapters = [folder / "one", folder / "two"]
        for model, adapter in zip((family.ft1, family.ft2), adapters, strict=True):
            extract_lora(model, family.base, adapter, rank=24, progress=False)
        runs: dict[str, Run] = {
            "extract_lora": lambda out, **more: extract_lora(family.ft1, family.base, out, rank=16, **more),
            "merge_adapters, svd": lambda out, **more: merge_adapters(adapters, out, base=family.base, rank=16, **more),
            "merge_adapters, ties_svd": lambda out, **more: merge_adapters(
                adapters, out, method="ties_svd", density=0.5, base=family.base, rank=16, **more
            ),
        }
        for what, run in runs.items():
            total = Tally()
            for i, (threads, older) in enumerate(((1, None), (2, adapters[0]))):
                case, n, kills = Case(run, folder / f"{what}-{i}", threads, older), 0, total.kills
                while total.kills - kills < options.kills / 2:
                    found, n = case.trial(f"trial-{n}", rng), n + 1
                    total = Tally(*(getattr(total, f.name) + getattr(found, f.name) for f in fields(Tally)))
            print(total.row(what), flush=True)
            failed |= bool(total.broken or total.different or total.left_behind)
    if failed:
        raise SystemExit("something was broken, different or left behind")


if __name__ == "__main__":
    main()
