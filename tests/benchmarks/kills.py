"""Merges killed with SIGKILL at random instants and run again: what was broken, what was lost, what was done twice.

    python -m tests.benchmarks.kills [--kills 240] [--seed 1] [--programs 10] [--methods linear,moe]

Five methods and a mixture of experts, four layouts, one or two threads, new and replaced folders. Each merge is a forked process with
torch loaded already, killed between its first instant and a little after its last, one to three times in a row; then it runs to its
end. `--programs` are whole ``python -m nbmerge merge`` processes, killed at any instant of their life, imports included.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import transformers

from nbmerge.recipe import Recipe
from tests.engine.output.kills import Case, Kill, Tally, at_random, trial
from tests.mixtures import mixture
from tests.models import Family, make_family

METHODS = ("linear", "slerp", "ties", "dare_ties", "passthrough", "moe")
LAYOUTS = ((10**9, 1), (10**9, 2), (300_000, 1), (100_000, 2))
"""Bytes in a shard, and threads."""


def recipe(method: str, family: Family) -> Recipe:
    """A recipe of a base and two fine-tunes, or as many as the method takes."""
    if method == "moe":
        return Recipe.of(mixture(family.base, [family.ft1, family.ft2], random_seed=3))
    models = [str(family.ft1), str(family.ft2)]
    data = {"merge_method": method, "models": models, "random_seed": 3}
    if method in ("ties", "dare_ties"):
        data |= {"base_model": str(family.base), "parameters": {"density": 0.5, "weight": 0.5}}
    elif method == "slerp":
        data |= {"base_model": models[0], "parameters": {"t": [0, 0.5, 1]}}
    elif method == "linear":
        data |= {"parameters": {"weight": 0.5}}
    else:
        data |= {"models": models[:1]}
    return Recipe.of(data)


def programs(case: Case, rng: random.Random) -> list[Kill]:
    """A kill of a whole program."""
    file = case.folder / "recipe.yaml"
    file.write_text(case.recipe.to_yaml())
    command = [sys.executable, "-m", "nbmerge", "merge", str(file)]
    more = ["-q", "--max-shard-size", str(case.options["max_shard_size"]), "--threads", str(case.options["threads"])]
    more += ["--overwrite"] if case.older else []
    began = time.perf_counter()
    subprocess.run([*command, str(case.folder / "timed"), *more], check=True)
    whole = time.perf_counter() - began

    def kill(out: Path) -> int:
        child = subprocess.Popen([*command, str(out), *more])
        time.sleep(rng.uniform(0.4, 1.05) * whole)
        child.kill()
        return child.wait()

    return [kill]


def row(name: str, tally: Tally) -> str:
    """A line of the table."""
    return f"| {name} | " + " | ".join(str(v) for v in vars(tally).values()) + " |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=240)
    parser.add_argument("--programs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--methods", default=",".join(METHODS))
    options = parser.parse_args()
    methods = options.methods.split(",")
    if "moe" in methods:
        for name in ("LlamaForCausalLM", "MixtralForCausalLM"):
            getattr(transformers, name)  # is imported once, before processes are forked
    torch.set_num_threads(1)
    rng = random.Random(options.seed)
    print("| what | " + " | ".join(k.replace("_", " ") for k in vars(Tally())) + " |")
    print("|---" * (1 + len(vars(Tally()))) + "|")
    with tempfile.TemporaryDirectory(prefix="nbmerge-kills-") as name:
        folder = Path(name)
        family = make_family(folder / "models", layers=6, hidden=96, intermediate=192, dtype="bfloat16")
        total = Tally()
        cases = list(itertools.product(methods, LAYOUTS))
        for i, (method, (shard, threads)) in enumerate(cases):
            more = {"max_shard_size": shard, "threads": threads}
            case = Case(recipe(method, family), folder / f"case-{i}", more, older=i % 3 == 2)
            tally, n = Tally(), 0
            while tally.kills < options.kills / len(cases):
                tally, n = tally + trial(case, f"trial-{n}", at_random(rng, case, most=3)), n + 1
            what = f"{method}, {shard:,} B, {threads} thr." + (", replacing" if case.older else "")
            print(row(what, tally), flush=True)
            total += tally
        program = "ties" if "ties" in methods else methods[0]
        case = Case(recipe(program, family), folder / "programs", {"max_shard_size": 100_000, "threads": 2})
        kills = programs(case, rng) if options.programs else []
        tally = sum((trial(case, f"program-{i}", kills) for i in range(options.programs)), Tally())
        print(row(f"whole programs, {program}", tally), flush=True)
        total += tally
        print(row("all", total))
    if total.broken or total.different or total.recomputed:
        raise SystemExit("something was broken, different or done twice")


if __name__ == "__main__":
    main()
