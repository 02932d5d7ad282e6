"""Searches on the bundled family: how good the weaker skill gets in ten minutes, and whether kills change anything.

    python -m tests.benchmarks.bench_search skills [--seeds 0 1 2] [--seconds 600] [--sampler cmaes]
    python -m tests.benchmarks.bench_search kills [--kills 20] [--trials 120] [--seed 1] [--sampler tpe]

"skills" starts from one flat weight for both experts, and searches a gradient of four knots for each expert and kind of tensor, with
the likelihood of right answers to words that are neither in the training nor in the measurement. "kills" ends processes with
SIGKILL at random instants, runs the same search again until it is through, and compares with one that was left alone.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
import torch.nn.functional as F

import nbmerge as nbm
from nbmerge.demo.exam import Sheet, sheet
from nbmerge.demo.words import random_words
from nbmerge.optimisation import Range, SearchResult
from nbmerge.sampling import evaluation_mode

SKILLS = ("reverse", "upper")
START = 0.4
"""The flat weight that a search starts from; the best single one is 0.35."""


@dataclass(frozen=True)
class Answers:
    """The surprise at right answers to words of the search, in nats per word."""

    skill: str
    n: int = 100
    lower = True

    def __call__(self, model: Any) -> float:
        """Measure a model."""
        with evaluation_mode(model) as (evaluated, tokenizer):
            ids, labels = questions(self.skill, self.n, tokenizer)
            logits = evaluated(ids).logits[:, :-1]
            total = F.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="sum")
            return float(total) / self.n


@cache
def questions(skill: str, n: int, tokenizer: Any) -> Sheet:
    """Questions on words of the search, with their answers."""
    return sheet(skill, random_words(n, 0, "search"), tokenizer)


def space(knots: int = 4) -> list[Range]:
    """Gradients of attention and of the rest for each expert, and the weights of what lies outside the layers."""
    found = []
    for expert in ("reverser", "shouter"):
        found += [Range("weight", expert, 0, 1.5, knots=knots, filter="self_attn")]
        found += [Range("weight", expert, 0, 1.5, knots=knots)]
        found += [Range("weight", expert, 0, 1.5, filter=part) for part in ("embed_tokens", "model.norm", "lm_head")]
    return found


def run(n: int = 100, **options: Any) -> SearchResult:
    """Search for the weaker of both skills."""
    scores = {skill: Answers(skill, n) for skill in SKILLS}
    held_out = {skill: nbm.demo.Skill(skill, 300) for skill in SKILLS}
    return nbm.search(nbm.demo.flat(START), scores, held_out, space=space(), goal="weakest", progress=False, **options)


def measure_skills(given: argparse.Namespace) -> None:
    """Print the weaker skill of each seed's best trial."""
    before = nbm.demo.skills(nbm.live(nbm.demo.flat(START), progress=False))
    print(f"flat weight {START}: {before}; load {os.getloadavg()[0]:.1f}", flush=True)
    for seed in given.seeds:
        began, used = time.perf_counter(), time.process_time()
        budget = {"seconds": given.seconds} if given.trials is None else {"trials": given.trials}
        found = run(**budget, seed=seed, sampler=given.sampler)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        weaker = min(found.best_trial.held_out.values())
        first = next((t for t in found.trials if t.held_out and min(t.held_out.values()) >= 0.9), None)
        again = [nbm.demo.skills(nbm.live(found.best, progress=False), 300, other) for other in (1, 2, 3)]
        print(f"seed {seed}: {len(found.trials)} trials in {seconds:.0f} s ({used:.0f} s of one processor)")
        print(f"  best trial {found.best_trial.number}, weaker held-out skill {weaker:.3f} {found.best_trial.held_out}")
        print(f"  0.90 was first reached in trial {first.number if first else None}")
        print(f"  on three other sets of words: {[round(min(s.values()), 3) for s in again]}")
        print(f"  load {os.getloadavg()[0]:.1f}; notes: {found.notes}", flush=True)


def measure_kills(given: argparse.Namespace) -> None:
    """Print what kills changed. Searches are forked processes with everything imported, killed at random instants."""
    rng = random.Random(given.seed)
    kills, seen = 0, []
    nbm.perplexity(str(nbm.demo.family().base), "warm up: imports, so that kills meet trials")
    run(20, trials=12, sampler=given.sampler)
    with tempfile.TemporaryDirectory(prefix="nbmerge-search-") as folder:
        options = {"trials": given.trials, "sampler": given.sampler, "seed": 0}
        database = Path(folder) / "study.db"
        while kills < given.kills:
            child = os.fork()
            if child == 0:
                run(20, **options, storage=database)
                os._exit(0)
            time.sleep(rng.uniform(0, given.within))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if not os.WIFSIGNALED(status):
                break
            kills += 1
            seen.append(count_trials(database))
        resumed = run(20, **options, storage=database)
        left = sorted(f.name for f in Path(folder).iterdir())
    whole = run(20, **options)
    same = resumed.table.equals(whole.table)
    print(f"{given.sampler}: {kills} kills, trials begun at each {seen}, of {given.trials}; files left {left}")
    print(f"  same trials: {same}; same best recipe: {resumed.best == whole.best}; load {os.getloadavg()[0]:.1f}")
    if not same:
        raise SystemExit("a search that was killed ended differently")


def count_trials(database: Path) -> int:
    """How many trials a database has; 0 before it has a table of them."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM trials").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("skills", "kills"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--sampler", default="cmaes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, help="in place of seconds; for kills 120")
    parser.add_argument("--within", type=float, default=4, help="seconds within which a process is killed")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.trials = given.trials or (None if given.what == "skills" else 120)
    torch.set_num_threads(1)
    (measure_skills if given.what == "skills" else measure_kills)(given)


if __name__ == "__main__":
    main()
