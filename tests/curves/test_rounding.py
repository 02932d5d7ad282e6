import pytest

from nbmerge.curves.rounding import round_value, step_of, widen_range


@pytest.mark.parametrize(
    ("span", "step"),
    [
        ((0, 1), 0.01),
        ((0, 2), 0.01),
        ((-1, 9), 0.1),
        ((0, 0.01), 1e-4),
        ((0, 100), 1.0),
    ],
)
def test_steps_fit_the_range(span, step):
    assert step_of(span) == pytest.approx(step)


def test_tidy_numbers_stay_as_they_are():
    assert round_value(0.6000000000000001) == 0.6
    assert round_value(1 / 7) == 0.142857
    assert round_value(round_value(1 / 7)) == round_value(1 / 7)
    assert round_value(1e-17) == 0
    assert round_value(0.00012345678) == 0.000123457


@pytest.mark.parametrize(
    ("values", "span"),
    [([0.5], (0, 1)), ([1.0, 0.0], (0, 1)), ([-0.25, 0.5], (-0.3, 1)), ([1.01], (0, 1.1))],
)
def test_ranges_widen_by_ten_steps(values, span):
    assert widen_range((0.0, 1.0), values) == span
