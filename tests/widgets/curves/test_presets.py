import pytest

from nbmerge.errors import RecipeError
from nbmerge.widgets.curves.presets import PRESETS, draw_preset, parse_values


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flat", [1, 1, 1, 1, 1]),
        ("ramp up", [0, 0.25, 0.5, 0.75, 1]),
        ("ramp down", [1, 0.75, 0.5, 0.25, 0]),
        ("tent", [0, 0.5, 1, 0.5, 0]),
        ("valley", [1, 0.5, 0, 0.5, 1]),
        ("smoothstep", [0, 0.1562, 0.5, 0.8438, 1]),
    ],
)
def test_shapes(name, values):
    assert draw_preset(name, 5) == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("depth", [1, 2, 3, 8, 80])
def test_every_shape_stays_between_its_numbers_and_reaches_one(name, depth):
    values = draw_preset(name, depth, -0.5, 1.5)
    assert len(values) == depth
    assert all(-0.5 <= v <= 1.5 for v in values)
    assert {-0.5, 1.5} & set(values)


def test_typed_values_for_all_layers():
    assert parse_values("0, 0.5,1", 3) == [0, 0.5, 1]
    assert parse_values("[-0.5 1]", 3) == [-0.5, 0.25, 1]
    assert parse_values("0.4", 3) == [0.4, 0.4, 0.4]


@pytest.mark.parametrize("text", ["", "a, b", "1, 2, 3, 4", "nan", "1e999"])
def test_what_is_no_list_of_numbers_is_refused(text):
    with pytest.raises(RecipeError):
        parse_values(text, 3)
