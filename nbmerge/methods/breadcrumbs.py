"""Breadcrumbs: drop a model's largest changes as outliers and its smallest as noise, merge the middle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.methods.framework.method import Elementwise, Parameter, Values
from nbmerge.methods.numerics.selection import Cut, cuts
from nbmerge.methods.numerics.sparse import Thin, added, voted
from nbmerge.methods.task_arithmetic import LAMBDA, NORMALIZE, WEIGHT
from nbmerge.methods.ties import kept

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks


_DENSITY = Parameter(
    "density", "Share of this model's changes that is kept, between its outliers and its smallest changes.",
    default=1.0, scope="input", low=0.0, high=1.0,
)  # fmt: skip
_GAMMA = Parameter(
    "gamma", "Share of this model's changes that is dropped as outliers, the largest first; limited so that the "
    "density can be met.",
    default=0.01, scope="input", low=0.0, high=1.0, slider=(0.0, 0.1),
)  # fmt: skip


def _look(tensors: InputBlocks, values: Values) -> list[tuple[Cut | None, Cut | None]]:
    """For each input, where outliers begin and where the small changes do; None where nothing is cut."""
    ranks = [_ranks(values, i, tensors.count) for i in range(1, len(tensors.inputs))]
    wanted = [(i, top) for i, (top, _) in enumerate(ranks, start=1) if top]
    wanted += [(i, rest) for i, (_, rest) in enumerate(ranks, start=1) if rest < tensors.count]
    found = dict(zip(wanted, cuts(tensors, wanted), strict=True))
    pairs = [
        (found.get((i, top)) if top else None, found.get((i, rest))) for i, (top, rest) in enumerate(ranks, start=1)
    ]
    return [(None, None), *pairs]


def _ranks(values: Values, i: int, count: int) -> tuple[int, int]:
    """How many elements of a task vector are outliers, and how many those and what is kept."""
    keep = min(count, kept(values.each["density"][i], count))
    outliers = min(int(values.each["gamma"][i] * count), count - keep)
    return outliers, keep + outliers


def _thin(cuts: list[tuple[Cut | None, Cut | None]]) -> Thin:
    def thin(delta: torch.Tensor, i: int, start: int) -> torch.Tensor:
        top, rest = cuts[i]
        middle = delta if rest is None else rest.apply(delta, start)
        return middle if top is None else middle.sub_(top.apply(delta, start))  # an outlier less itself is exactly 0

    return thin


def mix_sum(
    inputs: list[torch.Tensor], start: int, cuts: list[tuple[Cut | None, Cut | None]], values: Values
) -> torch.Tensor:
    """Mix one block by adding task vectors, see `Elementwise.mix`."""
    return added(inputs, start, values, _thin(cuts))


def mix_votes(
    inputs: list[torch.Tensor], start: int, cuts: list[tuple[Cut | None, Cut | None]], values: Values
) -> torch.Tensor:
    """Mix one block by electing signs, see `Elementwise.mix`."""
    return voted(inputs, start, values, _thin(cuts))


_WORDS = "Drops each model's largest changes, which are often outliers, and its smallest, which are mostly noise. {}."
_KEPT = r"z_i = [\,q_{1-\gamma-p} < |\delta_i| \leq q_{1-\gamma}]"

_SUMMED = Elementwise(
    name="breadcrumbs",
    title="Breadcrumbs",
    words=_WORDS.format("The remaining changes are added, as in task arithmetic"),
    formula=r"W = B + \lambda \sum_i w_i\, z_i \odot \delta_i,\quad " + _KEPT,
    mix=mix_sum,
    anywhere=True,
    portable=True,
    reference="Davari and Belilovsky 2023, Model Breadcrumbs, https://arxiv.org/abs/2312.06795",
    parameters=(WEIGHT, _DENSITY, _GAMMA, NORMALIZE, LAMBDA),
    base="required",
    inputs=(1, None),
    look=_look,
)


METHODS = (
    _SUMMED,
    replace(
        _SUMMED,
        name="breadcrumbs_ties",
        title="Breadcrumbs + TIES",
        words=_WORDS.format("Signs are elected among the remaining changes, as in TIES"),
        formula=r"W = B + \lambda \sum_i m_i w_i\, z_i \odot \delta_i,\quad " + _KEPT,
        mix=mix_votes,
    ),
)
