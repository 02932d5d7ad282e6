"""Columns of numbers as a table shows them."""

import numpy as np
import pandas as pd
import pytest

from nbmerge.cli.terminal.number_columns import format_numbers


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.5, 1.0, 0.25], ["0.50", "1.00", "0.25"]),
        ([1 / 3, 0.0], ["0.3333", "0.0000"]),
        ([1, 2, None], ["1", "2", ""]),
        ([1.0, 2.0, np.nan], ["1", "2", ""]),
        ([1234567], ["1,234,567"]),
        ([0.999999, 0.5], ["0.999999", "0.500000"]),  # 1.0000 would be another statement
        ([0.00001, 0.5], ["0.00001", "0.50000"]),
        ([1e-12, 1.0], ["1e-12", "1"]),
        ([1.5e12 + 0.5, 2.0], ["1.5e+12", "2"]),
        ([-0.5, 0.25], ["-0.50", "0.25"]),
        ([float("inf"), 1.0], ["inf", "1"]),
    ],
)
def test_a_column_has_one_number_of_decimals(values, wanted):
    assert format_numbers(values) == (wanted, True)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([True, False, None], ["true", "false", ""]),
        (["a\nb", "\x1b[31mred"], ["a b", "?[31mred"]),
        ([0.5, "sum"], ["0.5", "sum"]),
        ([None, np.nan, pd.NA], ["", "", ""]),
        ([[1, 2], None], ["[1, 2]", ""]),
    ],
)
def test_values_that_are_not_numbers_are_text(values, wanted):
    assert format_numbers(values) == (wanted, False)
