"""Seconds that `check` forecasts beside the seconds that the merge then takes, for each method.

    python -m tests.benchmarks.bench_forecast MODELS [--size 1.1b] [--methods linear,lora] [--rounds 5] [--threads 2] [--cache cold]

MODELS is a folder that `tests.benchmarks.shapes` fills. Forecasts and merges are processes of their own, in turns: a forecast, the
merge, another forecast. Imports are not part of either; loading compiled loops is part of both. "lora" is linear with a LoRA of rank
16 on three modules of each layer of one model. Prints the median of the ratios of forecast to merge, their range, and how long the
forecasts took.

Every process finds the inputs in the same state: "warm" in the system's cache, "cold" on the disk only (Linux), or "found" as the process
before left them, which includes what a system has dropped since.
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
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_engine import recipes
from tests.benchmarks.shapes import SIZES, family

METHODS = "linear", "slerp", "ties", "dare_ties", "lora"
RANK = 16
FORECAST = """
import sys, time, torch
from nbmerge.engine.cost import forecast
from nbmerge.engine.planning import plan
from pathlib import Path
config, out, threads = sys.argv[1:]
began = time.perf_counter()
found = forecast(plan(config), int(threads), Path(out)).seconds
print(time.perf_counter() - began, found)
"""
MERGE = """
import sys, time, torch
from nbmerge import merge
config, out, threads = sys.argv[1:]
began = time.perf_counter()
merge(config, out, threads=int(threads), progress=False)
took = time.perf_counter() - began
print(took, took)
"""


def prepare(cache: str, models: list[Path]) -> None:
    """Bring the weights of models into the system's cache, or out of it; nobody pays for what another has written."""
    os.sync()
    for file in () if cache == "found" else (file for model in models for file in model.glob("*.safetensors")):
        with open(file, "rb", buffering=0) as stream:
            if cache == "cold":
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            else:
                buffer = bytearray(1 << 22)
                while stream.readinto(buffer):
                    pass


def run(program: str, config: Path, out: Path, threads: int) -> tuple[float, float]:
    """What a program of its own process prints: how long it took, and the seconds that it foresees or that it took."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", program, str(config), str(out), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(out, ignore_errors=True)
    if done.returncode:
        sys.exit(done.stderr)
    took, seconds = map(float, done.stdout.split()[-2:])
    return took, seconds


def write_adapter(folder: Path, base: Path, layers: int) -> Path:
    """A LoRA on three modules of each layer."""
    from tests.adapters import make_adapter, modules

    names = modules("self_attn.q_proj", "mlp.up_proj", "mlp.down_proj", layers=layers)
    return make_adapter(folder, base, names, rank=RANK)


def all_recipes(models: list[Path], adapter: Path, layers: int) -> dict[str, dict[str, Any]]:
    """What is merged."""
    base, one, two = models
    found = recipes(base, one, two, layers)
    sources = [{"model": model, "parameters": {"weight": 0.5}} for model in (f"{one}+{adapter}", str(two))]
    return found | {"lora": {"merge_method": "linear", "models": sources}}


def main() -> None:
    """Measure and print a row for each method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", type=Path)
    parser.add_argument("--size", choices=SIZES, default="1.1b")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", choices=("warm", "cold", "found"), default="warm")
    given = parser.parse_args()
    models = family(given.models, given.size)
    print("| | forecast, s | merge, s | forecast / merge | range | forecasting took, s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-forecast-", dir=given.models) as scratch:
        folder = Path(scratch)
        layers = SIZES[given.size]["num_hidden_layers"]
        known = all_recipes(models, write_adapter(folder / "adapter", models[0], layers), layers)
        for method in given.methods.split(","):
            (folder / "recipe.yml").write_text(json.dumps(known[method]))
            print(compare(method, folder, models, given), flush=True)


def compare(method: str, folder: Path, models: list[Path], given: argparse.Namespace) -> str:
    """The row of one method."""
    foreseen, taken, ratios, waited = [], [], [], []
    for _ in range(given.rounds):
        found = []
        for program in (FORECAST, MERGE, FORECAST):
            prepare(given.cache, models)
            found.append(run(program, folder / "recipe.yml", folder / "out", given.threads))
        (first, before), (_, merge), (last, after) = found
        foreseen += [before, after]
        waited += [first, last]
        taken.append(merge)
        ratios.append((before + after) / 2 / merge)
    middle = statistics.median
    return (
        f"| {method} | {middle(foreseen):.2f} | {middle(taken):.2f} | {middle(ratios):.2f} | "
        f"{min(ratios):.2f} to {max(ratios):.2f} | {middle(waited):.2f} |"
    )


if __name__ == "__main__":
    main()
