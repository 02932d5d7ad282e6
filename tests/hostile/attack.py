"""Hostile inputs against all that reads them: what each cost, and what came out of it. Run as a program for thousands.

    python -m tests.hostile.attack [--inputs 3000] [--first 0] [--workers 2]

Each input goes through check, plan, convert, merge, verify and sample in a process that may take so much memory and time
and no more. Seconds are those of the processor, so a busy machine changes nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.hostile.generator import LONG, WORDS, Input, Sound, make_input, make_sound

SECONDS, MEGABYTES = 1.0, 300
"""What one step may take of the processor and of memory, beyond what was there before."""
HANGING = 60
"""Seconds of the clock after which a step counts as endless."""
LONGEST_QUOTE = 210


@dataclass
class Outcome:
    """One step with one input."""

    seed: int
    kind: str
    step: str
    seconds: float
    megabytes: float
    result: str
    fault: str = ""


class Endless(BaseException):
    """A step that would not end."""


def steps(made: Input, sound: Sound) -> dict[str, Callable[[], Any]]:
    """Everything that reads a model folder or a recipe."""
    import nbmerge
    from nbmerge.recipe import Recipe

    out = made.folder.parent / "out"

    def convert() -> None:
        recipe = Recipe.load(made.recipe)
        recipe.to_yaml(), recipe.to_mergekit(), recipe.to_python(), recipe.describe()

    def merge() -> None:
        nbmerge.merge(made.recipe, out, threads=1)

    return {
        "check": lambda: nbmerge.check(made.recipe, out=out),
        "plan": lambda: nbmerge.plan(made.recipe),
        "convert": convert,
        "merge": merge,
        "verify": lambda: nbmerge.verify(made.folder),
        "load": lambda: Recipe.load(made.folder),
        "sample": lambda: nbmerge.sample(str(made.folder), "ab", max_new_tokens=1),
    }


def attack(sound: Sound, seed: int, folder: Path) -> Iterator[Outcome]:
    """All steps with one input."""
    import shutil

    for old in folder.iterdir():
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    made = make_input(sound, seed, folder / "hostile")
    for name, step in steps(made, sound).items():
        yield measured(seed, made.kind, name, step)


def measured(seed: int, kind: str, name: str, step: Callable[[], Any]) -> Outcome:
    """One step with what it cost and how it ended."""
    from nbmerge.errors import NbmergeError

    fault, result = "", "done"
    before, start = reset_peak(), time.process_time()
    signal.alarm(HANGING)
    try:
        step()
    except NbmergeError as error:
        result = type(error).__name__
        fault = too_much_said(str(error))
    except Endless:
        fault = "endless"
    except Exception as error:
        fault = f"raw {type(error).__name__}: {str(error)[:120]}"
    finally:
        signal.alarm(0)
    seconds, megabytes = time.process_time() - start, (peak() - before) / 1e3
    if not fault and (seconds > SECONDS or megabytes > MEGABYTES):
        fault = f"{seconds:.2f} s, {megabytes:.0f} MB"
    return Outcome(seed, kind, name, round(seconds, 3), round(megabytes, 1), result, fault)


def too_much_said(message: str) -> str:
    """What is wrong with a message: input that is quoted at length, or that a terminal would obey."""
    if LONG[:LONGEST_QUOTE] in message or WORDS[:LONGEST_QUOTE] in message or max(map(len, message.split("\n"))) > 3000:
        return f"quotes too much: {message[:120]}"
    return "quotes what a terminal obeys" if "\x1b" in message else ""


def reset_peak() -> int:
    """Set the process's peak of memory to what it has now, in kilobytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return peak()
    return peak()


def peak() -> int:
    """The process's peak of memory, in kilobytes."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def prepare() -> None:
    """Import and warm up what the first input would otherwise pay for, and bound the process."""
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)

    def end(*_: Any) -> None:
        raise Endless

    signal.signal(signal.SIGALRM, end)


def run(first: int, count: int, step: int, report: Callable[[Outcome], None]) -> None:
    """Inputs `first`, `first + step`, ... up to `count` of them, in this process."""
    prepare()
    with tempfile.TemporaryDirectory(prefix="nbmerge-hostile-") as name:
        sound = make_sound(Path(name))
        work = Path(name) / "work"
        work.mkdir()
        warm = Input(sound.merged, {"merge_method": "passthrough", "models": [str(sound.model)]}, "sound")
        for action in steps(warm, sound).values():
            action()
        for seed in range(first, first + count * step, step):
            for outcome in attack(sound, seed, work):
                report(outcome)


def main() -> int:
    """Run many in several processes and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--child", action="store_true")
    given = parser.parse_args()
    if given.child:
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
        run(given.first, given.inputs, given.workers, lambda o: print(json.dumps(asdict(o)), flush=True))
        return 0
    each = -(-given.inputs // given.workers)
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.hostile.attack", "--child", "--first", str(given.first + i), "--inputs", str(each),
             "--workers", str(given.workers)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for i in range(given.workers)
    ]  # fmt: skip
    outcomes: list[dict[str, Any]] = []
    for child in children:
        outcomes += [json.loads(line) for line in child.communicate()[0].splitlines() if line.startswith("{")]
    summarise(outcomes)
    return 1 if any(o["fault"] for o in outcomes) or any(c.returncode for c in children) else 0


def summarise(outcomes: list[dict[str, Any]]) -> None:
    """Print counts, the dearest, and every fault."""
    print(f"{len({o['seed'] for o in outcomes})} inputs, {len(outcomes)} steps")
    print(dict(Counter(o["result"] for o in outcomes)))
    for unit in ("seconds", "megabytes"):
        dearest = max(outcomes, key=lambda o: o[unit])
        print(f"most {unit}: {dearest[unit]} ({dearest['kind']}, {dearest['step']}, input {dearest['seed']})")
    for o in outcomes:
        if o["fault"]:
            print(f"{o['seed']} {o['kind']} {o['step']}: {o['fault']}")


if __name__ == "__main__":
    sys.exit(main())
