"""Measures the family, checks what it must be able to do, and writes the tables of the page."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nbmerge.demo.bundle import EXPERTS
from nbmerge.demo.exam import skills
from nbmerge.demo.train.search import Blend

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SEEDS = range(5)
N = 300
FLAT = [i / 20 for i in range(1, 25)]
GRID = [i / 10 for i in range(1, 13)]

Marks = dict[str, list[float]]  # for each skill, a share for each seed


@dataclass(frozen=True)
class Results:
    """Measured skills of the models and their merges."""

    models: dict[str, Marks]  # "base" and the experts
    flat: dict[float, Marks]  # one weight for both experts
    pairs: int  # number of pairs tried, one weight for each expert
    pair: tuple[float, float]  # the best of them
    pair_marks: Marks
    gradient: Marks

    @property
    def best_flat(self) -> float:
        """The one weight with the best weaker skill."""
        return max(self.flat, key=lambda weight: weaker(self.flat[weight]))

    def missed(self) -> Iterator[str]:
        """Name each requirement that is not met on every seed."""
        for name, own in EXPERTS.items():
            for skill, shares in self.models[name].items():
                if skill == own and min(shares) < 0.95:
                    yield f"{name} is below 0.95 in its own skill"
                if skill != own and max(shares) > 0.15:
                    yield f"{name} is above 0.15 in {skill}"
        if any(max(shares) > 0.70 for shares in self.models["base"].values()):
            yield "the base is above 0.70 in a skill"
        if max(map(min, zip(*self.flat[self.best_flat].values(), strict=True))) > 0.75:
            yield "the best flat weight is above 0.75 in its weaker skill"
        if min(map(min, self.gradient.values())) < 0.88:
            yield "the gradient is below 0.88 in its weaker skill"


def measure(models: dict[str, PreTrainedModel], weights: torch.Tensor) -> Results:
    """Measure the family (first the base), all its flat merges, and the merge with these `weights`."""
    base, *experts = models.values()
    blend, merge = Blend(base, experts), copy.deepcopy(base)

    def marks(weights: torch.Tensor, seeds: range = SEEDS) -> Marks:
        merge.load_state_dict(blend.at(weights))
        return several(merge, seeds)

    pairs = {(a, b): marks(blend.flat(a, b), range(1)) for a in GRID for b in GRID}
    pair = max(pairs, key=lambda ab: weaker(pairs[ab]))
    return Results(
        {name: several(model) for name, model in models.items()},
        {weight: marks(blend.flat(weight, weight)) for weight in FLAT},
        len(pairs),
        pair,
        marks(blend.flat(*pair)),
        marks(weights),
    )


def several(model: PreTrainedModel, seeds: range = SEEDS) -> Marks:
    """Measure a model's skills once for each seed."""
    runs = [skills(model, N, seed) for seed in seeds]
    return {skill: [run[skill] for run in runs] for skill in runs[0]}


def mean(shares: list[float]) -> float:
    """Average over seeds."""
    return sum(shares) / len(shares)


def weaker(marks: Marks) -> float:
    """The lower of the two skills, averaged over seeds."""
    return min(map(mean, marks.values()))


def table(results: Results) -> str:
    """Write the results as a Markdown table: mean over the seeds, and the range."""
    flat, (a, b) = results.best_flat, results.pair
    rows = {
        **results.models,
        f"merge, best single weight: {flat:g}": results.flat[flat],
        f"merge, best weight per expert: {a:g}, {b:g}": results.pair_marks,
        "merge, bundled gradient": results.gradient,
    }
    lines = ["| model | reverse | upper |", "| --- | --- | --- |"]
    for name, marks in rows.items():
        cells = (f"{mean(shares):.3f} ({min(shares):.2f} to {max(shares):.2f})" for shares in marks.values())
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def sweep(results: Results) -> str:
    """Write the skills at every flat weight as a Markdown table."""
    lines = ["| weight | reverse | upper |", "| --- | --- | --- |"]
    for weight, marks in results.flat.items():
        lines.append(f"| {weight:.2f} | " + " | ".join(f"{mean(shares):.3f}" for shares in marks.values()) + " |")
    return "\n".join(lines)
