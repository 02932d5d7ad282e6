import pytest

from nbmerge.widgets.curves.rounding import decimals_of, round_to_step, round_value, step_of, widen_range


@pytest.mark.parametrize(
    ("span", "step", "decimals"),
    [
        ((0, 1), 0.01, 2),
        ((0, 2), 0.01, 2),
        ((-1, 9), 0.1, 2),
        ((0, 0.01), 1e-4, 4),
        ((0, 100), 1.0, 2),
    ],
)
def test_steps_fit_the_range(span, step, decimals):
    assert step_of(span) == pytest.approx(step)
    assert decimals_of(step_of(span)) == decimals


def test_tidy_numbers_stay_as_they_are():
    assert round_value(0.6000000000000001) == 0.6
    assert round_value(1 / 7) == 0.142857
    assert round_value(round_value(1 / 7)) == round_value(1 / 7)
    assert round_value(1e-17) == 0
    assert round_value(0.00012345678) == 0.000123457


def test_multiples_of_a_step():
    assert [round_to_step(i / 100 + 0.001, 0.01) for i in range(100)] == [round(i * 0.01, 2) for i in range(100)]


@pytest.mark.parametrize(
    ("values", "span"),
    [([0.5], (0, 1)), ([1.0, 0.0], (0, 1)), ([-0.25, 0.5], (-0.3, 1)), ([1.01], (0, 1.1))],
)
def test_ranges_widen_by_ten_steps(values, span):
    assert widen_range((0.0, 1.0), values) == span
