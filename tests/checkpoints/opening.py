"""Open every input of the damaged corpus, and say what came of it.

    python -m tests.checkpoints.opening [--every 1] [--first 0] [--seed 0] [--merge]

Each is opened as a checkpoint, and merges with it are planned (and, with --merge, carried out). One JSON object in a line says
whether that ended in an error of ours or in a checkpoint, the processor's seconds and the memory it took, and every file outside the folder
that was opened meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbmerge.engine.loading.dry_load import load as load_without_data
from tests.checkpoints.damaged import Damage, corpus
from tests.checkpoints.sound import adapter, sound


@dataclass
class Outcome:
    """What came of one input: "error", "problems", "planned", "merged", "refused", or what was not foreseen."""

    name: str
    end: str
    said: str
    seconds: float
    megabytes: float
    opened: list[str]


def _resident(what: str) -> float:
    """Megabytes of memory of this process: now (VmRSS), or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(what))


class Opener:
    """Opens inputs one after another, and takes note of what that costs."""

    def __init__(self, root: Path, merging: bool = False):
        self.root, self._merging = root, merging
        Damage("sound", sound()).write(root / "sound")
        self._opened: list[str] = []
        self._listening = False
        sys.addaudithook(self._hear)
        if merging:  # which may compare the result with what transformers builds
            config = json.loads((root / "sound" / "config.json").read_text())
            load_without_data(config, {})
        for damage in (Damage("warm", sound()), Damage("warm", adapter(), True)):
            self.outcome(damage)  # imports belong to nobody

    def _hear(self, event: str, arguments: tuple) -> None:
        if self._listening and event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
            self._opened.append(os.fsdecode(arguments[0]))

    def outcome(self, damage: Damage) -> Outcome:
        """Open one input."""
        folder = self.root / "input"
        shutil.rmtree(folder, ignore_errors=True)
        damage.write(folder)
        before = _resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        self._opened.clear()
        self._listening, began = True, time.process_time()
        signal.alarm(20)
        try:
            end, said = self._open(folder, damage.adapter)
        except BaseException as error:
            end, said = type(error).__name__, f"{error!s:.300}"
        signal.alarm(0)
        seconds, self._listening = time.process_time() - began, False
        grown = _resident("VmHWM") - before
        return Outcome(
            damage.name, end, said[:600], seconds, grown, [f for f in self._opened if self._strange(f, folder)]
        )

    def _open(self, folder: Path, is_adapter: bool) -> tuple[str, str]:
        from nbmerge.checkpoints import Checkpoint
        from nbmerge.engine.planning.planner import examine
        from nbmerge.errors import NbmergeError
        from nbmerge.recipe import ModelRef, Recipe

        good = str(self.root / "sound")
        reference = ModelRef(good, None, (str(folder),)) if is_adapter else ModelRef(str(folder))
        try:
            found = Checkpoint.open(reference)
            repr(found), found.tied, found.vocabulary, found.layout.places
        except NbmergeError as error:
            return "error", str(error)
        for tensor in found.tensors.values():
            for leaf in tensor.leaves():
                assert 8 <= leaf.start <= leaf.file.stat().st_size - leaf.nbytes, "reads past the end"
        named = f"{good}+{folder}" if is_adapter else str(folder)
        alone = {"merge_method": "passthrough", "models": [named]}
        both = {
            "merge_method": "linear",
            "models": [good, named],
            "parameters": {"weight": 0.5},
            "tokenizer": {"source": "union", "rows": "owners"},
        }
        ends, said = [], []
        for data in (alone, both):
            plan, problems = examine(Recipe.of(data))
            said += map(str, problems)
            ends.append("problems" if plan is None else self._merge(plan) if self._merging else "planned")
        assert all(line.strip() for line in said), "an empty problem"
        return ends[0], "; ".join(said)

    def _merge(self, plan: Any) -> str:
        from nbmerge.engine.merge import merge
        from nbmerge.errors import NbmergeError

        try:
            merge(plan, self.root / "out", overwrite=True, threads=1)
        except NbmergeError:
            return "refused"
        return "merged"

    def _strange(self, file: str, folder: Path) -> bool:
        """Whether a file that was opened lies elsewhere than the inputs and Python's own."""
        real = os.path.realpath(file)
        own = (
            *(str(self.root / n) for n in ("input", "sound", "out", ".out")),
            str(Path(tempfile.gettempdir()) / "nbmerge-locks"),
            sys.prefix,
            sys.base_prefix,
            str(Path(__file__).parents[2] / "nbmerge"),
        )
        return not (real.startswith(own) or real == str(self.root))


def main() -> None:
    """Open the corpus and print the outcomes, one JSON object in a line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--merge", action="store_true", help="carry out what can be planned")
    options = parser.parse_args()

    def ring(*_: Any) -> None:
        raise TimeoutError("it never ends")

    signal.signal(signal.SIGALRM, ring)
    resource.setrlimit(
        resource.RLIMIT_AS, (8_000_000_000 if options.merge else 2_000_000_000, resource.RLIM_INFINITY)
    )  # for the sake of the machine
    with tempfile.TemporaryDirectory(prefix="nbmerge-damaged-") as name:
        opener = Opener(Path(name).resolve(), options.merge)
        for i, damage in enumerate(corpus(options.seed)):
            if i % options.every == options.first:
                with suppress(BrokenPipeError):
                    print(json.dumps(vars(opener.outcome(damage))), flush=True)


if __name__ == "__main__":
    main()
