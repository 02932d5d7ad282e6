"""What one parameter's setting means: scalars, gradients over layers, rules with filters."""

import pytest

from nbmerge.recipe import Rule, Setting
from nbmerge.recipe.setting import interpolate, position

ANY = "model.layers.0.mlp.up_proj.weight"


def over_layers(raw, layers: int, tensor: str = ANY) -> list:
    """The value in each of `layers` layers."""
    setting = Setting.of(raw)
    return [setting.at(tensor, position(i, layers)) for i in range(layers)]


@pytest.mark.parametrize(
    ("gradient", "layers", "expected"),
    [
        ([1, 0.7, 0.1], 6, [1, 0.88, 0.76, 0.58, 0.34, 0.1]),  # mergekit's README
        ([0, 0.5, 0.3, 0.7, 1], 6, [0, 0.4, 0.38, 0.46, 0.76, 1]),
        ([0, 1], 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([0, 1], 2, [0, 1]),
        ([0.9, 0], 3, [0.9, 0.45, 0]),
        ([0.3], 4, [0.3, 0.3, 0.3, 0.3]),
        ([0.2, 0.9], 1, [0.9]),  # a single layer takes the last value
        ([1, 2, 3], 1, [3]),
        ([-1, 1], 3, [-1, 0, 1]),
    ],
)
def test_a_gradient_is_spread_over_the_layers(gradient, layers, expected):
    assert over_layers(gradient, layers) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("layers", [2, 3, 7, 32, 50, 81, 1000])
def test_a_value_per_layer_is_met_exactly(layers):
    values = [((7 * i) % 10) / 10 for i in range(layers)]
    assert over_layers(values, layers) == values


@pytest.mark.parametrize("layers", [7, 32, 80])
@pytest.mark.parametrize("gradient", [[0.3] * 4, {0: 0.3, 5: 0.3}, {"1-6": 0.3}])
def test_equal_values_are_met_exactly(gradient, layers):
    setting = Setting.of(gradient)
    assert {setting.at(ANY, position(i, layers), layers) for i in range(layers)} == {0.3}


@pytest.mark.parametrize("layers", [2, 8, 33, 80])
def test_both_ends_of_a_gradient_are_exact(layers):
    met = over_layers([0.1, 0.7, 0.3], layers)
    assert (met[0], met[-1]) == (0.1, 0.3)


@pytest.mark.parametrize(
    ("raw", "layers", "expected"),
    [
        ([True, False], 4, [True, True, True, False]),
        (["ties", "linear"], 3, ["ties", "ties", "linear"]),
        (["a", "b", "c"], 5, ["a", "a", "b", "b", "c"]),
        ([True, False, True], 5, [True, True, False, False, True]),
        (["a", "b"], 1, ["b"]),
    ],
)
def test_words_and_flags_hold_until_the_next_begins(raw, layers, expected):
    assert over_layers(raw, layers) == expected


@pytest.mark.parametrize("layers", [50, 99, 197])
def test_a_word_per_layer_is_met_exactly(layers):
    words = [f"word{i}" for i in range(layers)]
    assert over_layers(words, layers) == words


@pytest.mark.parametrize(("t", "expected"), [(-0.5, 0.0), (1.5, 1.0)])
def test_positions_outside_are_the_ends(t, expected):
    assert interpolate((0.0, 1.0), t) == expected


def test_the_first_matching_rule_wins():
    setting = Setting.of([{"filter": "mlp", "value": 1}, {"filter": "up_proj", "value": 2}, {"value": 3}])
    assert setting.at("model.layers.0.mlp.up_proj.weight", 0) == 1
    assert setting.at("model.layers.0.other.up_proj.weight", 0) == 2
    assert setting.at("model.norm.weight", 0) == 3


def test_without_a_matching_rule_there_is_no_value():
    setting = Setting.of([{"filter": "mlp", "value": 1}])
    assert setting.at("model.norm.weight", 0) is None
    assert setting.find("model.norm.weight") is None


@pytest.mark.parametrize("catch_all", ["*", "", None])
def test_filters_that_match_every_tensor(catch_all):
    assert Setting.of([{"filter": catch_all, "value": 4}]).at("anything", 0) == 4


def test_a_filter_is_a_plain_part_of_the_name():
    setting = Setting.of([{"filter": "layers.1", "value": 1}, {"filter": "q.proj", "value": 2}, {"value": 0}])
    assert setting.at("model.layers.10.q_proj.weight", 0) == 1  # a substring, so 10 as well
    assert setting.at("model.layers.2.q_proj.weight", 0) == 0  # and no pattern


def test_a_single_rule_may_stand_without_a_list():
    assert Setting.of({"filter": "mlp", "value": 0.5}) == Setting.of([{"filter": "mlp", "value": 0.5}])


def test_a_rule_may_hold_a_gradient():
    setting = Setting.of([{"filter": "attn", "value": [0, 1]}, {"value": 0.5}])
    assert [setting.at("attn", t) for t in (0, 0.25, 1)] == [0, 0.25, 1]
    assert setting.at("mlp", 0.25) == 0.5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.5, [0.5]),
        (0.5, [0.5, 0.5, 0.5]),
        (1, 1.0),
        ("1e-4", 0.0001),
        ("0.5", 0.5),
        (0.5, {"value": 0.5}),
        (0.5, [{"value": 0.5}]),
        (0.5, [{"filter": "*", "value": 0.5}]),
        ([{"value": 1}], [{"value": 1}, {"filter": "mlp", "value": 2}]),
        ([{"filter": "a", "value": 1}], [{"filter": "a", "value": 1}, {"filter": "a", "value": 2}]),
        ((0, 1), [0, 1]),
    ],
)
def test_equal_meaning_is_equal_data(one, other):
    assert Setting.of(one) == Setting.of(other)
    assert hash(Setting.of(one)) == hash(Setting.of(other))


@pytest.mark.parametrize(
    "raw",
    [
        0.5,
        True,
        "keep_other",
        [0, 0.5, 1],
        [{"filter": "mlp", "value": 0.25}],
        [{"filter": "mlp", "value": [0, 1]}, {"value": 2}],
    ],
)
def test_plain_and_back_is_the_same(raw):
    assert Setting.of(Setting.of(raw).plain()) == Setting.of(raw)
    assert Setting.of(raw).plain() == raw


def test_a_setting_or_a_rule_is_taken_as_it_is():
    setting = Setting.of(0.5)
    assert Setting.of(setting) is setting
    assert Setting.of([Rule(1.0, "mlp"), {"value": 2}]) == Setting.of([{"filter": "mlp", "value": 1}, {"value": 2}])


def test_one_more_rule_in_front():
    setting = Setting.of(0.5).with_first("norm", 1.0)
    assert (setting.at("model.norm.weight", 0), setting.at("mlp", 0)) == (1.0, 0.5)


def test_all_values_that_occur():
    assert sorted(Setting.of([{"filter": "a", "value": [3, 1]}, {"value": 2}]).values()) == [1, 2, 3]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "at least one"),
        (float("nan"), "finite"),
        (float("-inf"), "finite"),
        ("1e999", "finite"),
        (10**400, "finite"),
        ([1, None], "None"),
        ([[1, 2], [3, 4]], "expected a number"),
        ([1, {"value": 2}], "not both"),
        ([{"filter": "mlp"}], "no 'value'"),
        ({"valu": 2}, "'valu'"),
        ([{"filter": "mlp", "value": 1, "when": 2}], "'when'"),
        ([{"filter": 5, "value": 1}], "filter"),
        ([{"filter": ["a"], "value": 1}], "filter"),
        ([{"value": []}], "at least one"),
        ([0.5] * 10_001, "too long"),
        ([{"filter": str(i), "value": 1} for i in range(10_001)], "too long"),
        (object(), "expected a number"),
    ],
)
def test_invalid_settings_are_refused(raw, said):
    with pytest.raises(ValueError, match=said):
        Setting.of(raw)
