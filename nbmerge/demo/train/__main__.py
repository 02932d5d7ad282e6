"""Train the three tiny models and find their gradient: ``python -m nbmerge.demo.train [--out DIR]``.

The base is trained on stories and some exercises of both skills, and stopped while it is mediocre at both. Each expert is
trained further on one skill and forgets the other. That makes the family worth merging: no single weight keeps both
skills, a weight for each layer does.

Ten minutes on one core. Writes ``models/``, ``recipe.yaml`` and ``MEASURED.md`` into the folder, prints the table, and
exits with 1 when a requirement is missed.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers.utils import logging

from nbmerge.demo.bundle import EXPERTS
from nbmerge.demo.characters import tokenizer
from nbmerge.demo.train.lessons import LESSONS, teach, untrained
from nbmerge.demo.train.pages import card, measured
from nbmerge.demo.train.results import measure, table
from nbmerge.demo.train.search import Blend, as_yaml, search

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def main() -> int:
    """Train, search, measure, write; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m nbmerge.demo.train", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("demo-training"), help="default: %(default)s")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    times: dict[str, float] = {}

    models = train(times)
    for name, model in models.items():
        save(model, name, out / "models" / name)
    with timed("search", times):
        weights = search(Blend(models["base"], [models[name] for name in EXPERTS]))
    (out / "recipe.yaml").write_text(as_yaml(weights, EXPERTS), encoding="utf-8")
    with timed("measuring", times):
        results = measure(models, weights)
    (out / "MEASURED.md").write_text(measured(results, times), encoding="utf-8")

    print(table(results))
    missed = list(results.missed())
    print(*(f"Missed: {what}." for what in missed), sep="\n")
    return 1 if missed else 0


def train(times: dict[str, float]) -> dict[str, PreTrainedModel]:
    """Train the base, then each expert from it."""
    torch.manual_seed(0)
    base = untrained()
    models: dict[str, PreTrainedModel] = {}
    for name, lesson in LESSONS.items():
        model = base if name == "base" else copy.deepcopy(base)
        with timed(name, times):
            steps = teach(model, lesson)
        print(f"{name}: {steps} steps in {times[name]:.0f} s", flush=True)
        models[name] = model
    return models


def save(model: PreTrainedModel, name: str, folder: Path) -> None:
    """Write an ordinary Hugging Face folder that transformers 4 and 5 both load."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    settings = folder / "tokenizer_config.json"  # transformers 5 writes a class name that 4 does not know
    text = settings.read_text(encoding="utf-8").replace("TokenizersBackend", "PreTrainedTokenizerFast")
    settings.write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(card(name), encoding="utf-8")


@contextmanager
def timed(what: str, times: dict[str, float]) -> Iterator[None]:
    """Note how many seconds `what` took."""
    began = time.perf_counter()
    yield
    times[what] = time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
