"""Sizes and counts that are neither are refused by the name of the argument, before anything is read or written."""

import pytest

import nbmerge
from nbmerge.arguments import parse_count_argument, parse_size_argument
from nbmerge.engine.cost.live_forecast import forecast_live
from nbmerge.errors import ArgumentError, TooLargeError

NO_SIZES = ["lots", "5 parsecs", "", -5, 0, True, 1.5, [1]]
NO_COUNTS = ["lots", "2", -5, True, 1.5, [1]]


@pytest.fixture
def recipe(family) -> dict:
    return {"merge_method": "linear", "models": [{"model": str(family.base), "parameters": {"weight": 1}}]}


def test_the_error_is_ours_and_what_a_caller_would_guess():
    assert issubclass(ArgumentError, nbmerge.errors.NbmergeError)
    assert issubclass(ArgumentError, ValueError)


@pytest.mark.parametrize("size", NO_SIZES)
def test_sizes(recipe, tmp_path, size):
    for name, call in {
        "size": lambda: parse_size_argument("size", size),
        "max_shard_size": lambda: nbmerge.merge(recipe, tmp_path / "out", max_shard_size=size),
        "max_memory": lambda: nbmerge.live(recipe, max_memory=size),
        "available": lambda: forecast_live(nbmerge.plan(recipe), available=size),
    }.items():
        with pytest.raises(ArgumentError, match=name):
            call()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("count", NO_COUNTS)
@pytest.mark.rest_is_slow(keep=3)
def test_counts(recipe, family, tmp_path, count):
    for name, call in {
        "count": lambda: parse_count_argument("count", count, 3),
        "threads": lambda: nbmerge.merge(recipe, tmp_path / "out", threads=count),
        "threads ": lambda: nbmerge.live(recipe, threads=count),
        " threads": lambda: nbmerge.measure_merge(recipe, threads=count),
        "window": lambda: nbmerge.perplexity(family.base, "abc def", window=count),
        "stride": lambda: nbmerge.perplexity(family.base, "abc def", stride=count),
    }.items():
        with pytest.raises(ArgumentError, match=name.strip()):
            call()
    assert not any(tmp_path.iterdir())


def test_arguments_are_normalised(recipe, tmp_path):
    assert parse_size_argument("size", "2KiB") == parse_size_argument("size", 2048) == 2048
    assert [parse_count_argument("count", c, 3) for c in (None, 0, 1, 7)] == [3, 3, 1, 7]
    with pytest.raises(TooLargeError, match="2 kB are free"):
        nbmerge.live(recipe, max_memory="2KB")
    nbmerge.live(recipe, max_memory="2GB").close()
