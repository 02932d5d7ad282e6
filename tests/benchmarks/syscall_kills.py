"""Merges through direct IO killed at exact system calls and run again: what was broken, different, done twice or left behind.

    python -m tests.benchmarks.syscall_kills [--kills 220] [--seed 1] [--methods ties,slerp] [--models BASE FT1 FT2] [--folder DIR]

A shim (``syscall_kills.c``, compiled on the fly, loaded with LD_PRELOAD) counts writes (ordinary, direct, to the journal), opens for
writing, fsyncs, renames, removals, reservations, new folders and modes, and kills the process before one of them, after it, or
half-way through a write. Each merge is a forked copy of this process. One to three kills in a row, so that runs which go on are killed as
well; then it runs to its end and every byte is compared. All methods, several layouts, one and two threads, new and replaced folders. Small
models by default, for which the size from which on files are written directly is set to 0; with ``--models`` they are what they are.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import xxhash

from nbmerge.engine.output import direct_io
from nbmerge.engine.output.leftovers import remove_leftovers
from nbmerge.methods import methods
from tests.engine.compute.test_stops import recipe
from tests.engine.output import kills
from tests.engine.output.faults import ended, forked
from tests.engine.output.kills import Case, Kill, Tally, trial
from tests.models import Family, make_family

KINDS = (
    "ordinary writes", "direct writes", "journal writes", "opens", "fsyncs", "renames", "removals", "reservations", "folders", "modes",
)  # fmt: skip
BEFORE, AFTER, MIDDLE = range(3)
LAYOUTS = ((10**9, 1), (10**9, 2), (300_000, 2))
"""Bytes in a shard, and threads."""


def digests(folder: Path) -> dict[str, str]:
    """All files below a folder with a checksum of their bytes, as large models do not fit into memory."""
    found = {}
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        digest = xxhash.xxh3_128()
        with open(file, "rb") as data:
            while block := data.read(1 << 24):
                digest.update(block)
        found[str(file.relative_to(folder))] = digest.hexdigest()
    return found


@dataclass
class CountedCase(Case):
    """A merge whose system calls have been counted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shutil.rmtree(self.folder / "whole-1")
        self.calls = self._count()
        shutil.rmtree(self.folder / "whole-0")

    def _count(self) -> dict[int, int]:
        out, file = self.out("counted"), self.folder / "counts"

        def work() -> None:
            arm(-1, -1, BEFORE)
            self.run(out)
            file.write_text(" ".join(str(shim().nbmerge_count(k)) for k in range(len(KINDS))))

        assert ended(forked(work)) == 0
        shutil.rmtree(out.parent)
        return {k: n for k, n in enumerate(map(int, file.read_text().split())) if n}

    def out(self, name: str) -> Path:
        """A place of its own for one trial, the older model a copy."""
        out = self.folder / name / "out"
        out.parent.mkdir()
        if self.older:
            shutil.copytree(self.folder / "older", out)
        return out

    def kill(self, rng: random.Random, tally: dict[int, int]) -> Kill:
        """A kill at one call; kinds that are rare in a merge are as frequent here as others."""
        kind = rng.choice(list(self.calls))
        nth = rng.randrange(self.calls[kind])
        moment = rng.choice((BEFORE, AFTER, MIDDLE))

        def killed(out: Path) -> int:
            def work() -> None:
                arm(kind, nth, moment)
                self.run(out)

            code = ended(forked(work))
            tally[kind] += code == -9
            return code

        return killed


def shim() -> ctypes.CDLL:
    """The functions of the loaded shim."""
    return ctypes.CDLL(None)


def arm(kind: int, nth: int, moment: int) -> None:
    """Begin to count, and to look out for the call to die at."""
    shim().nbmerge_arm(kind, ctypes.c_long(nth), moment)


def reload_with_shim() -> None:
    """Start this program again with the shim in it."""
    library = Path(tempfile.gettempdir()) / f"nbmerge-syscall-kills-{os.getpid()}.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks.syscall_kills", *sys.argv[1:]])


def cases(options: argparse.Namespace, folder: Path) -> list[tuple[str, Path, dict]]:
    """Method, folder and options of each case; every layout and both kinds of folder come with several methods."""
    names = options.methods.split(",") if options.methods else list(methods())
    layouts = itertools.cycle(LAYOUTS if options.models is None else LAYOUTS[1:2])
    return [
        (n, folder / n, {"older": i % 2 == 1, "options": dict(zip(("max_shard_size", "threads"), next(layouts), strict=True))})
        for i, n in enumerate(names)
    ]  # fmt: skip


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=220)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--methods")
    parser.add_argument("--models", nargs=3, type=Path)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if not hasattr(shim(), "nbmerge_arm"):
        reload_with_shim()
    Path(os.environ.pop("LD_PRELOAD")).unlink()
    torch.set_num_threads(1)
    kills.contents = digests
    rng, kinds, left = random.Random(options.seed), dict.fromkeys(range(len(KINDS)), 0), 0
    with tempfile.TemporaryDirectory(prefix="nbmerge-kills-", dir=options.folder) as name:
        if options.models is None:
            direct_io.WORTHWHILE = 0
            sizes = {"layers": 3, "hidden": 128, "intermediate": 256, "vocab": 2000, "dtype": "bfloat16"}
            family = make_family(Path(name) / "models", **sizes, tokenizer=False)
        else:
            family = Family(*options.models)
        print("| what | direct writes | " + " | ".join(k.replace("_", " ") for k in vars(Tally())) + " | left behind |")
        print("|---" * (3 + len(vars(Tally()))) + "|")
        total, todo = Tally(), cases(options, Path(name))
        for i, (method, place, more) in enumerate(todo):
            case, tally = CountedCase(recipe(method, family), place, **more), Tally()
            n = stray = 0
            while total.kills + tally.kills < options.kills * (i + 1) / len(todo):
                chain = [case.kill(rng, kinds) for _ in range(rng.randint(1, 3))]
                tally += trial(case, f"trial-{n}", chain)
                remove_leftovers(place / f"trial-{n}")  # as a merge of anything beside it would
                stray += len([f for f in (place / f"trial-{n}").iterdir() if f.name not in ("out", "log")])
                shutil.rmtree(place / f"trial-{n}")
                n += 1
            what = (
                f"{method}, {more['options']['threads']} thr., {more['options']['max_shard_size']:,} B"
                + ", replacing" * case.older
            )
            print(
                f"| {what} | {case.calls.get(1, 0)} | {' | '.join(map(str, vars(tally).values()))} | {stray} |",
                flush=True,
            )
            total, left = total + tally, left + stray
            shutil.rmtree(place)
    print(f"| all | | {' | '.join(map(str, vars(total).values()))} | {left} |")
    print("\nKilled at: " + ", ".join(f"{n} {KINDS[k]}" for k, n in kinds.items() if n) + ".")
    if total.broken or total.different or total.recomputed or left:
        raise SystemExit("something was broken, different, done twice or left behind")


if __name__ == "__main__":
    main()
