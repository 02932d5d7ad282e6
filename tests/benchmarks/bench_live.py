"""An edit, heard: milliseconds from a changed recipe to updated weights and to the first token, beside mergekit.

    python tests/benchmarks/bench_live.py BASE ONE TWO [--methods linear slerp ties] [--repeat 12] [--no-mergekit]

The three folders hold a base and two models fine-tuned from it (`tests/benchmarks/shapes.py` makes some). mergekit's
way from an edit to a model that can be asked is `run_merge` to disk and `from_pretrained`, in one process that has
everything imported; its Python is named by the environment variable NBMERGE_MERGEKIT_PYTHON. The least of several
repetitions counts, and the median stands beside it. On a shared machine only the ratios mean something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

LAYER = 7
"""The layer whose slider moves."""
THEIR_CODE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import logging, torch, yaml
from transformers import AutoModelForCausalLM
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
config, out = sys.argv[1:]
began = time.perf_counter()
run_merge(MergeConfiguration.model_validate(yaml.safe_load(open(config))), out, MergeOptions(quiet=True))
merged = time.perf_counter()
model = AutoModelForCausalLM.from_pretrained(out, dtype="auto").eval()
print("\\n" + json.dumps([merged - began, time.perf_counter() - merged]))
"""


def recipe_of(method: str, models: list[str], here: float, elsewhere: float):
    """A merge with one amount in one layer and another everywhere else."""
    from nbmerge import Recipe

    base, one, two = models
    amount = [{"filter": f"layers.{LAYER}.", "value": here}, {"value": elsewhere}]
    if method == "slerp":
        return Recipe.of({"merge_method": method, "models": [one, two], "parameters": {"t": amount}})
    more = {"density": 0.5} if method == "ties" else {}
    sources = [{"model": m, "parameters": {"weight": w} | more} for m, w in ((one, amount), (two, 0.5))]
    return Recipe.of({"merge_method": method, "models": sources} | ({} if method == "linear" else {"base_model": base}))


def timed(repeat: int, act: Callable[[int], object]) -> tuple[float, float]:
    """Least and median milliseconds."""
    times = []
    for i in range(repeat):
        began = time.perf_counter()
        act(i)
        times.append(1000 * (time.perf_counter() - began))
    return min(times), statistics.median(times)


def theirs(recipe) -> list[float] | None:
    """Seconds of mergekit's merge and of loading its result."""
    python = os.environ.get("NBMERGE_MERGEKIT_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        config = Path(folder) / "merge.yaml"
        config.write_text(recipe.to_mergekit().text)
        command = [python, "-c", THEIR_CODE, str(config), f"{folder}/out"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def first_token(merged) -> None:
    """Hear one token behind a prompt of 16."""
    import torch

    with torch.inference_mode():
        merged.model(torch.arange(100, 116)[None], use_cache=False).logits[0, -1].argmax()


def bench(method: str, models: list[str], repeat: int, mergekit: bool) -> dict[str, tuple[float, float]]:
    """Milliseconds of every step for one method."""
    import nbmerge as nbm

    began = time.perf_counter()
    live = nbm.live(recipe_of(method, models, 0.5, 0.5))
    found = {"live, from nothing": (1000 * (time.perf_counter() - began),) * 2}
    live.update(recipe_of(method, models, 0.4, 0.5))
    found["plan alone"] = timed(repeat, lambda i: nbm.plan(recipe_of(method, models, 0.3 + i / 100, 0.5)))
    found["one layer"] = timed(repeat, lambda i: live.update(recipe_of(method, models, 0.41 + i / 100, 0.5)))
    few = max(3, repeat // 4)
    found["whole model"] = timed(few, lambda i: live.update(recipe_of(method, models, 0.5, 0.51 + i / 100)))
    first_token(live)
    found["first token of the prompt"] = timed(few, lambda i: first_token(live))

    def heard(i: int) -> None:
        live.update(recipe_of(method, models, 0.31 + i / 100, 0.5))
        first_token(live)

    heard(-1)
    found["one layer to first token"] = timed(few, heard)
    if method != "ties":
        virtual = nbm.virtual(recipe_of(method, models, 0.5, 0.5))
        first_token(virtual)

        def at_once(i: int) -> None:
            virtual.update(recipe_of(method, models, 0.5, 0.61 + i / 100))
            first_token(virtual)

        found["virtual: whole model to first token"] = timed(few, at_once)
    if mergekit and (spent := theirs(recipe_of(method, models, 0.3, 0.5))) is not None:
        found["mergekit: run_merge"] = (1000 * spent[0],) * 2
        found["mergekit: run_merge and from_pretrained"] = (1000 * sum(spent),) * 2
    return found


def predicted(models: list[str], repeat: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of statistics that follow a slider."""
    import nbmerge as nbm

    base, one, two = models
    began = time.perf_counter()
    measured = nbm.measure_models(base, one, two)
    found = {
        "measure" + (" (from the cache)" if measured.from_cache else ""): (1000 * (time.perf_counter() - began),) * 2
    }
    plans = [nbm.plan(recipe_of("task_arithmetic", models, 0.3 + i / 100, 0.5)) for i in range(4)]
    measured.predict(plans[0])
    found["predict, from a plan"] = timed(repeat, lambda i: measured.predict(plans[i % 4]))
    return found


def main() -> None:
    """Print one table for each method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs=3, metavar=("BASE", "ONE", "TWO"))
    parser.add_argument("--methods", nargs="+", default=["linear", "slerp", "ties"])
    parser.add_argument("--repeat", type=int, default=12)
    parser.add_argument("--no-mergekit", action="store_true")
    args = parser.parse_args()
    show("statistics", predicted(args.models, args.repeat))
    for method in args.methods:
        found = bench(method, args.models, args.repeat, not args.no_mergekit)
        show(method, found)
        heard = found["one layer to first token"][0]
        rest = found["one layer"][0] + found["first token of the prompt"][0]
        print(f"edit to first token / (update + prompt): {heard / rest:.2f}")


def show(title: str, found: dict[str, tuple[float, float]]) -> None:
    """Print a table of milliseconds, and ratios to mergekit's whole way."""
    whole = found.get("mergekit: run_merge and from_pretrained", (None,))[0]
    print(f"\n{title:<45}{'least':>10}{'median':>10}" + ("  of mergekit" if whole else ""))
    for name, (least, median) in found.items():
        ratio = f"  1/{whole / least:,.0f}" if whole and "mergekit" not in name else ""
        print(f"{name:<45}{least:>10,.1f}{median:>10,.1f}{ratio}", flush=True)


if __name__ == "__main__":
    main()
