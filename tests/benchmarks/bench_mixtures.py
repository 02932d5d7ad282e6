"""Mixtures of two experts and a base as whole processes, imports included: nbmerge beside mergekit-moe, in one run.

    python -m tests.benchmarks.bench_mixtures MODELS [--size 1.1b] [--modes hidden,random] [--rounds 3]

MODELS is a folder that `tests.benchmarks.shapes` fills (it is filled where it is empty); the models get a tokenizer of single
characters. Rounds take turns, and ratios are taken within a round, as in `tests.benchmarks.bench_engine`. With "hidden", eight
prompts of about twenty tokens go through the base model, as many as short sentences have with a usual tokenizer. mergekit's Python is
named by NBMERGE_MERGEKIT_PYTHON; without it only ours is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bench_engine import OURS, once, report
from tests.benchmarks.shapes import SIZES, family

PROMPTS = (
    ("solve the equation", "prove by induction", "what is the integral", "is this number prime"),
    ("a recipe for soup", "how to cook rice", "chop the onions and fry", "bake at low heat"),
)


def mixture(base: Path, experts: list[Path], mode: str) -> dict:
    """What is built. JSON is YAML."""
    entries = [{"source_model": str(m), "positive_prompts": list(p)} for m, p in zip(experts, PROMPTS, strict=True)]
    return {"base_model": str(base), "gate_mode": mode, "dtype": "bfloat16", "experts": entries}


def tools(config: Path, out: Path) -> dict[str, list[str]]:
    """The commands that take turns."""
    commands = {"nbmerge": [sys.executable, "-c", OURS, "moe", str(config), str(out), "--quiet"]}
    if theirs := os.environ.get("NBMERGE_MERGEKIT_PYTHON"):
        program = str(Path(theirs).with_name("mergekit-moe"))
        commands["mergekit"] = [program, str(config), str(out), "--device", "cpu", "--quiet"]
    return commands


def main() -> None:
    """Run everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--modes", default="hidden,random")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    base, *experts = family(given.models, given.size)
    if not (base / "tokenizer.json").exists():
        from tests.models import write_tokenizer  # imports torch

        write_tokenizer(base, SIZES[given.size]["vocab_size"])
    seen: dict[str, dict[str, list]] = {mode: {} for mode in given.modes.split(",")}
    with tempfile.TemporaryDirectory(dir=given.models) as work:
        config, out = Path(work, "moe.yml"), Path(work, "out")
        for turn in range(given.rounds):
            for mode in seen:
                config.write_text(json.dumps(mixture(base, experts, mode)), encoding="utf-8")
                commands = list(tools(config, out).items())
                for k in range(len(commands)):
                    name, command = commands[(k + turn) % len(commands)]
                    seen[mode].setdefault(name, []).append(once(command, out))
                    print(f"  {turn} {mode} {name}: {seen[mode][name][-1]}", file=sys.stderr, flush=True)
    print(
        "| gate_mode | tool | wall s | cpu s | peak MB | wall / mergekit | peak / mergekit |\n|---|---|---|---|---|---|---|"
    )
    for mode, runs in seen.items():
        report(mode, runs)


if __name__ == "__main__":
    main()
