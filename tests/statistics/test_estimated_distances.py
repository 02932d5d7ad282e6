"""Estimates from some rows: within their stated error of the measured merge, and exact where all rows are in."""

import numpy as np
import pytest

from nbmerge.errors import PredictionError
from nbmerge.recipe import Recipe
from nbmerge.statistics import estimate, estimated_distances, measure_merge
from nbmerge.statistics.distances import SUMS, ratio
from tests.models import make_family


@pytest.fixture(scope="module")
def tall(tmp_path_factory):
    """Tensors of up to 600 rows, of which 32 are looked at."""
    return make_family(tmp_path_factory.mktemp("tall"), layers=2, hidden=96, intermediate=600, vocab=400)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(estimated_distances, "SAMPLE", 1024)


def recipe(family, method, parameters, each) -> Recipe:
    models = [{"model": str(m), "parameters": {"weight": 0.7} | each} for m in (family.ft1, family.ft2)]
    return Recipe.of(
        {"merge_method": method, "base_model": str(family.base), "models": models, "parameters": parameters}
    )


@pytest.mark.parametrize(
    ("method", "parameters", "each"),
    [
        ("ties", {}, {"density": 0.3}),
        ("dare_ties", {}, {"density": 0.5}),
        ("breadcrumbs", {}, {"density": 0.5}),
        ("della", {}, {"density": 0.5, "epsilon": 0.2}),
        ("task_arithmetic", {}, {}),
    ],
)
@pytest.mark.rest_is_slow(keep=3)
def test_the_measured_merge_lies_within_the_error(tall, method, parameters, each):
    r = recipe(tall, method, parameters, each)
    guess, real = estimate(r), measure_merge(r)
    assert guess.share < 0.5
    table = guess.table
    for what in ("distance", "cosine"):
        apart = np.abs(table[what] - ratio(real.frame[SUMS].to_numpy(), what))
        within = apart <= table[f"{what} ±"] + 1e-9
        assert within.mean() >= 0.98  # 997 of 1000 of real tensors; here are 60
        assert (table[f"{what} ±"] < 0.3 * table[what] + 1e-9).all()
        for parent in real.parents:
            value, error = guess.total(parent, what)
            assert abs(value - real.total(parent, what)) <= error + 1e-9


def test_all_rows_are_exact(family, monkeypatch):
    monkeypatch.setattr(estimated_distances, "SAMPLE", 1 << 20)
    r = recipe(family, "ties", {}, {"density": 0.3})
    guess, real = estimate(r), measure_merge(r)
    assert guess.share == 1
    np.testing.assert_allclose(guess.changes.frame[SUMS], real.frame[SUMS], rtol=1e-9, atol=1e-12)
    assert (guess.table["distance ±"] == 0).all()
    assert "100% of the weights" in repr(guess)


def test_the_sample_is_always_the_same(tall):
    r = recipe(tall, "dare_ties", {}, {"density": 0.5})
    assert estimate(r).table.equals(estimate(r, threads=1).table)


def test_methods_of_whole_matrices_are_refused(tall):
    with pytest.raises(PredictionError, match=r"merges whole matrices .*nbmerge\.measure_merge"):
        estimate(recipe(tall, "iso_c", {}, {}))
