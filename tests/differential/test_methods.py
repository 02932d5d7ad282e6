"""Our result beside mergekit's: equal where both are defined, and each intended difference shown to be the one we mean.

The differences are listed, with reasons, in docs/methods.md.
"""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from nbmerge.methods.ties import kept
from tests.differential.cases import METHODS, RANDOM, Case, exact, random
from tests.differential.conftest import Oracle
from tests.methods.apply import merged

pytestmark = pytest.mark.differential

CLOSE = {"float32": 1e-6, "float64": 1e-7, "bfloat16": 2.0**-7, "float16": 2.0**-10}
"""Largest difference at each element, as a share of the inputs' size there: one last place for short floats.

In float64 mergekit's own guards (multislerp divides by a norm plus 1e-8) are the larger error.
"""


def ours(case: Case) -> torch.Tensor:
    parameters = case.parameters | case.ours
    return merged(case.method, case.tensors(), parameters, based=case.based, seed=case.seed)


def apart(case: Case, theirs: torch.Tensor, mine: torch.Tensor) -> torch.Tensor:
    """Where the two differ by more than rounding."""
    size = torch.stack([t.double().abs() for t in (*case.tensors(), theirs)]).amax(0)
    return (mine.double() - theirs.double()).abs() > CLOSE[case.dtype] * size * 1.001


@pytest.mark.parametrize("method", METHODS)
def test_a_method_agrees_with_mergekit(method: str, oracle: Oracle):
    compared = 0
    for case in exact(method):
        theirs, mine = oracle.of(case), ours(case)
        assert theirs is not None, oracle.errors[case.id]
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype), case.id
        differs = apart(case, theirs, mine) & ~meant(case)
        assert not differs.any(), f"{case.id}: {int(differs.sum())} elements"
        compared += 1
    assert compared >= 64


def meant(case: Case) -> torch.Tensor:
    """Elements at which we differ on purpose."""
    tensors = [t.double() for t in case.tensors()]
    nowhere = torch.zeros(case.shape, dtype=torch.bool)
    if case.method in ("ties", "breadcrumbs", "breadcrumbs_ties"):
        return contested(case, tensors)
    if case.method == "sce":
        return contested_variance(case, tensors)
    if case.method == "model_stock":
        return apart_pointing(case, tensors)
    return nowhere


def contested(case: Case, tensors: list[torch.Tensor]) -> torch.Tensor:
    """Elements whose magnitude is the one at which a cut falls: which of equal ones are kept is a matter of convention.

    Also all of a tensor so small that breadcrumbs' density keeps less than one element, of which we keep one.
    """
    base, *tuned = tensors
    result = torch.zeros(case.shape, dtype=torch.bool)
    for i, own in enumerate(tuned):
        size = (own - base).abs()
        density = case.parameters["density"]
        density = density[i] if isinstance(density, list) else density
        if "gamma" in case.parameters and 0 < density * size.numel() < 1:
            result |= True
        keep = min(size.numel(), kept(density, size.numel()))
        top = min(int(case.parameters.get("gamma", 0) * size.numel()), size.numel() - keep)
        ranked = size.flatten().sort(descending=True).values
        for k in (top, top + keep):
            if 0 < k < len(ranked) and ranked[k - 1] == ranked[k]:
                result |= size == ranked[k]
    return result


def contested_variance(case: Case, tensors: list[torch.Tensor]) -> torch.Tensor:
    """Everything where the selection ends among variances that are equal but for rounding, as in short floats they are.

    Which of those elements are selected also moves the weights of all others a little.
    """
    share = case.parameters["select_topk"]
    if share == 1:
        return torch.zeros(case.shape, dtype=torch.bool)
    variance = torch.stack(tensors[1:]).var(0, unbiased=False)
    keep = int(share * int((variance > 0).sum()))
    ranked = variance.flatten().sort(descending=True).values
    ends_in_a_tie = 0 < keep < len(ranked) and bool(ranked[keep - 1] <= ranked[keep] * (1 + 3e-7))
    return torch.full(case.shape, ends_in_a_tie)


def apart_pointing(case: Case, tensors: list[torch.Tensor]) -> torch.Tensor:
    """Rows (or tensors) whose changes point far apart: mergekit moves away from the mean without limit."""
    base, *tuned = tensors
    rows = base.shape[-1] if case.parameters["filter_wise"] else base.numel()
    deltas = [(own - base).reshape(-1, rows) for own in tuned]
    pairs = [torch.cosine_similarity(a, b, dim=1) for a, b in combinations(deltas, 2)]
    cosine, count = torch.stack(pairs).mean(0), len(deltas)
    return (count * cosine < -(1 + (count - 1) * cosine)).repeat_interleave(rows).view(base.shape)


@pytest.mark.parametrize("method", ["ties", "breadcrumbs", "breadcrumbs_ties"])
def test_float32_leaves_nothing_contested(method: str):
    """What `meant` excuses is only short floats and tensors of a few elements."""
    for case in exact(method):
        if case.dtype in ("float32", "float64") and math.prod(case.shape) >= 5:
            assert not contested(case, [t.double() for t in case.tensors()]).any(), case.id


@pytest.mark.parametrize("method", RANDOM)
def test_draws_keep_what_mergekits_keep(method: str, oracle: Oracle):
    """Rate within five standard deviations; sum of magnitudes, signs and, where nothing else happens, size."""
    for case in random(method):
        theirs, mine = oracle.of(case), ours(case)
        assert theirs is not None, oracle.errors[case.id]
        base, *tuned = (t.double() for t in case.tensors())
        density = case.parameters["density"]
        one = case.count == 1
        for result in (theirs, mine):
            change = result.double() - base
            if one:
                rate = float(change.ne(0).double().mean())
                assert abs(rate - density) < 5 * math.sqrt(density * (1 - density) / change.numel()), case.id
                own = tuned[0] - base
                assert float((change * own).min()) >= 0, "a kept change has its own sign"
                torch.testing.assert_close(change.abs().sum(), own.abs().sum(), rtol=1e-4, atol=0)
        both = [(r.double() - base) for r in (theirs, mine)]
        assert_alike(both[0], both[1], case.id)


def assert_alike(theirs: torch.Tensor, mine: torch.Tensor, name: str) -> None:
    """Two draws of one distribution: mean square, mean magnitude and shares of signs, within five standard errors."""
    for statistic in (torch.square, torch.abs, lambda x: (x > 0).double(), lambda x: (x < 0).double()):
        a, b = statistic(theirs).flatten(), statistic(mine).flatten()
        error = math.sqrt(float(a.var() + b.var()) / a.numel())
        assert abs(float(a.mean() - b.mean())) < 5 * error, name


@pytest.mark.parametrize("method", RANDOM)
def test_kept_changes_are_what_arithmetic_makes_of_them(method: str, oracle: Oracle):
    """Given the mask that mergekit drew, its numbers are ours: δ times one factor, for each model alone."""
    for case in random(method):
        if case.count == 1:
            base, own = (t.double() for t in case.tensors())
            change = oracle.of(case).double() - base
            on = change != 0
            factor = (own - base).abs().sum() / ((own - base) * on).abs().sum()
            torch.testing.assert_close(change, (own - base) * on * factor, rtol=1e-5, atol=1e-6)
