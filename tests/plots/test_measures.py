import numpy as np
import pytest

from nbmerge.plots.measures import MEASURES

DISTANCE, COSINE = MEASURES["distance"], MEASURES["cosine"]


@pytest.mark.parametrize(
    ("number", "top", "text"),
    [(0.123, 0.3, "12"), (0.0123, 0.03, "1.2"), (0.00123, 0.003, "0.12"), (1.5, 2.0, "150"), (0.0, 0.3, "0"),
     (float("nan"), 0.3, ""), (float("inf"), 0.3, "∞"), (0.1, 0.1, "10")],
)  # fmt: skip
def test_distances_are_written_in_percent_with_two_digits(number, top, text):
    assert DISTANCE.write(number, (0.0, top)) == text


@pytest.mark.parametrize(
    ("number", "low", "text"),
    [(0.93, 0.5, "0.93"), (0.9932, 0.98, "0.993"), (0.99991, 0.9998, "0.99991"), (1.0, 0.9, "1")],
)
def test_cosines_are_written_as_finely_as_they_differ(number, low, text):
    assert COSINE.write(number, (low, 1.0)) == text


def test_scales_begin_where_nothing_changed():
    assert DISTANCE.limits(np.array([0.1, 0.4, np.nan, np.inf])) == (0.0, 0.4)
    assert COSINE.limits(np.array([0.9, 0.8]), [0.7]) == (0.7, 1.0)


@pytest.mark.parametrize("measure", MEASURES.values())
@pytest.mark.parametrize("numbers", [[], [np.nan], [0.0], [1.0]])
def test_scales_are_never_empty(measure, numbers):
    low, high = measure.limits(np.array(numbers))
    assert low < high


def test_titles():
    assert DISTANCE.title("poet") == "distance from poet"
    assert COSINE.title("poet") == "cosine with poet"
    assert (DISTANCE.title(), DISTANCE.label, COSINE.label) == ("distance", "distance, % of norm", "cosine")
