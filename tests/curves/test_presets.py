import pytest

from nbmerge.curves import PRESETS, knots_to_value, spread_knots


@pytest.mark.parametrize(
    ("name", "depth", "value"),
    [
        ("flat", 32, 1),
        ("ramp up", 32, [0, 1]),
        ("ramp down", 32, [1, 0]),
        ("tent", 32, [0, 1, 0]),
        ("valley", 80, [1, 0, 1]),
        ("smoothstep up", 32, [0, 0.1562, 0.5, 0.8438, 1]),
        ("cosine down", 32, [1, 0.8536, 0.5, 0.1464, 0]),
        ("wrap", 32, {0: 1, 6: 1, 7: 0, 24: 0, 25: 1, 31: 1}),
        ("wrap reversed", 32, {0: 0, 6: 0, 7: 1, 24: 1, 25: 0, 31: 0}),
        ("ring", 32, {0: 0, 5: 0, 6: 1, 11: 1, 12: 0, 19: 0, 20: 1, 25: 1, 26: 0, 31: 0}),
    ],
)
def test_a_preset_is_written_as_its_knots(name, depth, value):
    assert knots_to_value(PRESETS[name].knots(depth), depth) == value


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 80, 126])
def test_every_shape_stays_between_its_numbers(name, depth):
    knots = PRESETS[name].knots(depth, -0.5, 1.5)
    assert [k.layer for k in knots] == sorted({k.layer for k in knots})
    values = PRESETS[name].values(depth, -0.5, 1.5)
    assert len(values) == depth
    assert all(-0.5 <= v <= 1.5 for v in values)
    if depth > 3:
        assert 1.5 in values or depth % 2 == 0  # an even number of layers has none in the very middle


@pytest.mark.parametrize(
    ("one", "other"),
    [("ramp up", "ramp down"), ("tent", "valley"), ("smoothstep up", "smoothstep down"), ("cosine up", "cosine down"),
     ("ring", "ring reversed"), ("wrap", "wrap reversed")],
)  # fmt: skip
def test_reverses_are_the_shapes_upside_down(one, other):
    sums = [a + b for a, b in zip(PRESETS[one].values(33), PRESETS[other].values(33), strict=True)]
    assert sums == pytest.approx([1] * 33, abs=1e-5)


def test_numbers_are_those_that_are_given():
    assert PRESETS["ramp up"].knots(32, 0.2, 0.7) == spread_knots([0.2, 0.7], 32)
