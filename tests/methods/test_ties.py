"""Trim, elect, merge: on vectors small enough to do by hand."""

import pytest
import torch

from nbmerge.engine.planning.planner import plan
from nbmerge.errors import RecipeError
from tests.methods.merging import merged, recipe_of

ZERO = [0.0, 0.0, 0.0, 0.0]
ONE, TWO = [4.0, -1.0, 2.0, 0.5], [-3.0, 2.0, 1.0, 0.1]


def ties(folder, inputs, base=ZERO, weights=None, densities=None, **more):
    each = {"weight": weights or [1] * len(inputs)}
    if densities is not None:
        each["density"] = densities
    return merged(folder, "ties", inputs, base, each=each, **more).tolist()


@pytest.mark.parametrize(
    ("weights", "more", "expected"),
    [
        ([1, 1], {}, [4, 2, 2, 0]),
        ([0.3, 0.5], {}, [-3, 2, 2, 0]),
        ([0.3, 0.5], {"normalize": False}, [-1.5, 1, 0.6, 0]),
        ([1, 1], {"lambda": 0.5}, [2, 1, 1, 0]),
        ([1, 1], {"normalize": False}, [4, 2, 2, 0]),
    ],
)
def test_half_of_each_is_kept(tmp_path, weights, more, expected):
    assert ties(tmp_path, [ONE, TWO], weights=weights, densities=[0.5, 0.5], **more) == pytest.approx(expected)


def test_everything_is_kept_by_default(tmp_path):
    # signs of the sums: + + + +; agreeing: 4 | 2 | 2 and 1 | 0.5 and 0.1
    assert ties(tmp_path, [ONE, TWO]) == pytest.approx([4, 2, 1.5, 0.3])


def test_changes_are_taken_from_the_base(tmp_path):
    base = [1.0, 2.0, 3.0, 4.0]
    one, two = ([b + d for b, d in zip(base, delta, strict=True)] for delta in (ONE, TWO))
    assert ties(tmp_path, [one, two], base, densities=[0.5, 0.5]) == pytest.approx([5, 4, 5, 4])


@pytest.mark.parametrize(
    ("density", "kept"),
    [(0.33, 1), (0.25, 1), (0.01, 1), (1e-9, 1), (0, 0), (0.49, 1), (0.5, 2), (0.74, 2), (0.75, 3), (0.99, 3), (1, 4)],
)
def test_how_many_a_density_keeps(tmp_path, density, kept):
    expected = [x if rank < kept else 0 for x, rank in zip(ONE, [0, 2, 1, 3], strict=True)]
    assert ties(tmp_path, [ONE], densities=[density]) == expected


def test_of_equal_magnitudes_the_lower_index_is_kept(tmp_path):
    assert ties(tmp_path, [[1.0, -1.0, 1.0, 1.0]], densities=[0.5]) == [1, -1, 0, 0]
    assert ties(tmp_path, [[0.5, 2.0, -0.5, 0.5]], densities=[0.5]) == [0.5, 2, 0, 0]


def test_equal_magnitudes_in_a_matrix_go_by_flat_index(tmp_path):
    out = merged(
        tmp_path, "ties", [[[1.0, 1.0], [1.0, 1.0]]], [[0.0, 0.0], [0.0, 0.0]], each={"weight": [1], "density": [0.75]}
    )
    assert out.tolist() == [[1, 1], [1, 0]]


def test_a_tensor_equal_to_the_base_does_not_enter_the_divisor(tmp_path):
    base = [1.0, 2.0, 3.0, 4.0]
    tuned = [2.0, 1.0, 3.0, 5.0]
    assert ties(tmp_path, [tuned, base], base, weights=[0.25, 0.75]) == tuned


def test_a_sum_of_zero_elects_plus(tmp_path):
    assert ties(tmp_path, [[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]) == [1, 0, 0, 0]


def test_negative_weights_turn_a_change_round(tmp_path):
    # weighted: -1 and 2; plus is elected, so only the second counts
    assert ties(tmp_path, [[1.0, 0, 0, 0], [2.0, 0, 0, 0]], weights=[-1, 1]) == [2, 0, 0, 0]
    # alone it is -1, divided by its weight of -1
    assert ties(tmp_path, [[1.0, 0, 0, 0], ZERO], weights=[-1, 1]) == [1, 0, 0, 0]


def test_weights_that_cancel_where_models_agree_do_not_divide_by_zero(tmp_path):
    # -1 x -1 and 1 x 1 both vote plus; their weights sum to nothing
    assert ties(tmp_path, [[-1.0, 0, 0, 0], [1.0, 0, 0, 0]], weights=[-1, 1]) == [2, 0, 0, 0]


def test_an_input_with_weight_zero_has_no_effect(tmp_path):
    assert ties(tmp_path, [ONE, TWO], weights=[1, 0]) == ONE
    nan = [float("nan")] * 4
    assert ties(tmp_path, [ONE, nan], weights=[1, 0], densities=[1, 0.5]) == ONE


def test_an_input_with_density_zero_has_no_effect(tmp_path):
    assert ties(tmp_path, [ONE, TWO], densities=[1, 0]) == ONE
    nan, inf = [float("nan")] * 4, [float("inf")] * 4
    assert ties(tmp_path, [ONE, nan, inf], densities=[1, 0, 0]) == ONE


def test_each_tensor_is_trimmed_by_itself_whatever_its_dtype(tmp_path):
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        one, base = torch.tensor(ONE, dtype=dtype), torch.tensor(ZERO, dtype=dtype)
        out = merged(tmp_path, "ties", [one], base, each={"weight": [1], "density": [0.5]})
        assert out.dtype == dtype
        assert out.tolist() == [4, 0, 2, 0]


@pytest.mark.parametrize("density", [-0.1, 1.1])
def test_an_impossible_density_is_refused(tmp_path, density):
    with pytest.raises(RecipeError, match="0 to 1"):
        ties(tmp_path, [ONE], densities=[density])


def test_without_a_base_it_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="base_model"):
        merged(tmp_path, "ties", [ONE, TWO], each={"weight": [1, 1]})


def test_a_base_alone_is_the_result(tmp_path):
    r = recipe_of(tmp_path, "ties", [ONE], each={"weight": [1]})
    r = r.replace(base_model=r.models[0].model)
    assert {t.method for t in plan(r).tensors} == {"passthrough"}


def test_one_vote_for_each_model(tmp_path):
    deltas, base = [[4.0, 1.0], [-3.0, -2.0], [-0.5, -0.1]], [0.0, 0.0]
    assert ties(tmp_path, deltas, base, normalize=False) == pytest.approx([4.0, -2.1])
    assert ties(tmp_path, deltas, base, normalize=False, consensus="count") == pytest.approx([-3.5, -2.1])
