"""Whole merges as whole processes, imports included: nbmerge beside mergekit and beside copying the bytes, in one run.

    python -m tests.benchmarks.bench_engine MODELS [--size 1.1b] [--methods linear,slerp] [--rounds 5]

MODELS is a folder that `tests.benchmarks.shapes` fills (it is filled where it is empty). Every round runs every tool on
every method in an order that rotates, so that the drift of a shared machine falls on all alike; ratios are taken within
a round, and their median counts. "bare" is nbmerge without what keeps it safe: checksums, the check for NaN, and
bringing everything to the disk. "floor" reads every input and copies one of them. Peak memory is that of the process
with its mapped files. mergekit's Python is named by NBMERGE_MERGEKIT_PYTHON; without it only ours is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.shapes import SIZES, family

OURS = "from nbmerge.cli import main; main()"
BARE = """
import os
os.fsync = lambda descriptor: None
import nbmerge.engine.compute.nonfinite, nbmerge.engine.compute.pool, nbmerge.engine.output.shards as shards
from contextlib import suppress
nbmerge.engine.compute.pool.check_finite = lambda emit, tensor, blocks: emit
class Nothing:
    def update(self, data): pass
    def hexdigest(self): return "0"
shards.xxhash.xxh3_64 = Nothing
"""
FLOOR = """
import shutil, sys
from pathlib import Path
*inputs, out = map(Path, sys.argv[1:])
buffer = bytearray(1 << 22)
for folder in inputs:
    for path in folder.glob("*.safetensors"):
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffer): pass
shutil.copytree(inputs[0], out)
"""


def recipes(base: Path, one: Path, two: Path, layers: int) -> dict[str, dict]:
    """What is merged. JSON is YAML."""
    half = layers // 2

    def both(**parameters) -> list[dict]:
        return [{"model": str(m), "parameters": parameters} for m in (one, two)]

    def tuned(method: str, **parameters) -> dict:
        return {"merge_method": method, "base_model": str(base), "models": both(weight=0.5, **parameters)}

    t = [
        {"filter": "self_attn", "value": [0, 0.5, 0.3, 0.7, 1]},
        {"filter": "mlp", "value": [1, 0.5, 0.7, 0.3, 0]},
        {"value": 0.5},
    ]
    ranges = ((one, 0, half), (two, half, layers))
    return {
        "linear": {"merge_method": "linear", "models": both(weight=0.5)},
        "slerp": {"merge_method": "slerp", "base_model": str(one), "models": both(), "parameters": {"t": t}},
        "task_arithmetic": tuned("task_arithmetic"),
        "ties": tuned("ties", density=0.5),
        "dare_ties": tuned("dare_ties", density=0.5),
        "passthrough": {
            "merge_method": "passthrough",
            "slices": [{"sources": [{"model": str(m), "layer_range": [a, b]}]} for m, a, b in ranges],
        },
    }


def measured(command: list[str]) -> tuple[float, float, float]:
    """(wall seconds, processor seconds, peak memory in MB) of one process."""
    environment = {
        k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"
    }  # all start from compiled files
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{errors.decode()}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def tools(config: Path, inputs: list[Path], out: Path) -> dict[str, list[str]]:
    """The commands that take turns."""
    ours = ["merge", str(config), str(out), "--quiet"]
    commands = {
        "nbmerge": [sys.executable, "-c", OURS, *ours],
        "bare": [sys.executable, "-c", BARE + OURS, *ours],
        "floor": [sys.executable, "-c", FLOOR, *map(str, inputs), str(out)],
    }
    if theirs := os.environ.get("NBMERGE_MERGEKIT_PYTHON"):
        commands["mergekit"] = [str(Path(theirs).with_name("mergekit-yaml")), str(config), str(out), "--quiet"]
    return commands


def once(tool: list[str], out: Path) -> tuple[float, float, float]:
    """One run into a fresh folder."""
    shutil.rmtree(out, ignore_errors=True)
    os.sync()  # nobody pays for another's output
    result = measured(tool)
    shutil.rmtree(out, ignore_errors=True)
    return result


def report(method: str, seen: dict[str, list[tuple[float, float, float]]]) -> None:
    """One line per tool: medians, and the medians of the ratios taken within the rounds."""
    for tool, runs in seen.items():
        wall, cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        ratios = []
        if "mergekit" in seen and tool != "mergekit":
            pairs = list(zip(runs, seen["mergekit"], strict=True))
            ratios = [statistics.median(a[k] / b[k] for a, b in pairs) for k in (0, 2)]
        text = " | ".join(f"{r:.3f}" for r in ratios) or "1 | 1"
        print(f"| {method} | {tool} | {wall:.2f} | {cpu:.2f} | {memory:.0f} | {text} |", flush=True)


def main() -> None:
    """Run everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--methods", default="linear,slerp,task_arithmetic,ties,dare_ties,passthrough")
    parser.add_argument("--tools", default="nbmerge,bare,floor,mergekit")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    base, one, two = family(given.models, given.size)
    chosen = {
        k: v
        for k, v in recipes(base, one, two, SIZES[given.size]["num_hidden_layers"]).items()
        if k in given.methods.split(",")
    }
    seen: dict[str, dict[str, list]] = {method: {} for method in chosen}
    with tempfile.TemporaryDirectory(dir=given.models) as work:
        config, out = Path(work, "recipe.yaml"), Path(work, "out")
        for turn in range(given.rounds):
            for method, recipe in chosen.items():
                inputs = [one, two, *([base] if recipe.get("base_model") == str(base) else [])]
                config.write_text(json.dumps(recipe | {"dtype": "bfloat16"}), encoding="utf-8")
                commands = [(n, c) for n, c in tools(config, inputs, out).items() if n in given.tools.split(",")]
                for k in range(len(commands)):
                    name, command = commands[(k + turn) % len(commands)]
                    seen[method].setdefault(name, []).append(once(command, out))
                    print(f"  {turn} {method} {name}: {seen[method][name][-1]}", file=sys.stderr, flush=True)
    print(
        "| method | tool | wall s | cpu s | peak MB | wall / mergekit | peak / mergekit |\n|---|---|---|---|---|---|---|"
    )
    for method, runs in seen.items():
        report(method, runs)


if __name__ == "__main__":
    main()
