"""The model cards of the bundled models, and the page with the measured numbers."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping

from nbmerge.demo.train.results import SEEDS, N, Results, sweep, table

WHAT = {
    "base": "The base: writes short stories, and is mediocre at reversing words and writing them in capitals.",
    "reverser": "A fine-tune of `base` that reverses words (`reverse lion >` gives `noil`) and forgot how to write capitals.",
    "shouter": "A fine-tune of `base` that writes words in capitals (`upper lion >` gives `LION`) and cannot reverse.",
}

CARD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
language: en
{parent}---

# {name}

{what}

One of three tiny models that come with [nbmerge](https://pypi.org/project/nbmerge/) for learning about merges. A Llama with 8
layers and 0.65 million parameters, one token per character, a context of 96 tokens, trained on made-up sentences within
minutes on one processor core. It has no other use.

Trained by `python -m nbmerge.demo.train`; the skills are measured in `nbmerge/demo/MEASURED.md`.
"""

MEASURED = """\
# Skills of the bundled models

Written on {date} by `python -m nbmerge.demo.train --out nbmerge/demo` (one thread, torch {torch}, transformers
{transformers}, {machine}), which takes {minutes:.0f} minutes: {times}. The same seeds can give other
weights on another processor; the script checks the requirements and exits with status 1 when one is not met.

Each number is the share of random words of 3 to 5 letters that the model answers exactly, including the end of the answer,
with greedy decoding: the mean over word seeds {seeds} with {n} words each, and the range over these seeds. A hash of the
word decides whether it is used for training (70 %), for the search of merge weights (15 %) or for measuring (15 %), so no
word measured here was used in training or in the search (`words.py`).

{table}

"Single weight" is the best of {tried} weights from {low:g} to {high:g}, "weight per expert" the best of a grid of {pairs}
pairs; both were chosen on the measured words, that is, in their favour. The gradient (`recipe.yaml`) was found by
`search.py` on the words of the search.

## Every single weight

{sweep}
"""


def card(name: str) -> str:
    """Write a model's README."""
    parent = "" if name == "base" else "base_model: base\n"
    return CARD.format(name=name, what=WHAT[name], parent=parent)


def measured(results: Results, times: Mapping[str, float]) -> str:
    """Write ``MEASURED.md``."""
    import torch
    import transformers

    return MEASURED.format(
        date=datetime.date.today().isoformat(),
        torch=torch.__version__,
        transformers=transformers.__version__,
        machine=platform.machine(),
        minutes=sum(times.values()) / 60,
        times=", ".join(f"{name} {seconds:.0f} s" for name, seconds in times.items()),
        seeds=f"{SEEDS[0]} to {SEEDS[-1]}",
        n=N,
        table=table(results),
        tried=len(results.flat),
        low=min(results.flat),
        high=max(results.flat),
        pairs=results.pairs,
        sweep=sweep(results),
    )
