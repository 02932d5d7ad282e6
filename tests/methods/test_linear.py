"""The weighted mean."""

import pytest

from nbmerge.errors import RecipeError
from tests.methods.merging import merged

ONE, TWO = [1.0, 2.0], [5.0, 10.0]


@pytest.mark.parametrize(
    ("weights", "more", "expected"),
    [
        ([0.6, 0.2], {}, [2, 4]),
        ([0.6, 0.2], {"normalize": False}, [1.6, 3.2]),
        ([1, 1], {}, [3, 6]),
        ([3, 1], {}, [2, 4]),
        ([1, -0.5], {}, [-3, -6]),
        ([1, -1], {"normalize": False}, [-4, -8]),
        ([0, 0], {"normalize": False}, [0, 0]),
        ([2, 0], {"normalize": False}, [2, 4]),
    ],
)
def test_two_models(tmp_path, weights, more, expected):
    assert merged(tmp_path, "linear", [ONE, TWO], each={"weight": weights}, **more).tolist() == pytest.approx(expected)


def test_three_models(tmp_path):
    out = merged(tmp_path, "linear", [[1, 0], [0, 1], [4, 4]], each={"weight": [1, 2, 1]}, dtype="float32")
    assert out.tolist() == pytest.approx([1.25, 1.5])


def test_one_model(tmp_path):
    assert merged(tmp_path, "linear", [ONE], each={"weight": [0.3]}).tolist() == ONE
    assert merged(tmp_path, "linear", [ONE], each={"weight": [0.5]}, normalize=False).tolist() == [0.5, 1.0]


@pytest.mark.parametrize("weights", [[1, -1], [0, 0], [1e-9, 0]])
def test_weights_that_sum_to_zero_cannot_be_normalised(tmp_path, weights):
    with pytest.raises(RecipeError, match="normalize: false"):
        merged(tmp_path, "linear", [ONE, TWO], each={"weight": weights})


def test_the_weight_must_be_given(tmp_path):
    with pytest.raises(RecipeError, match="needs 'weight' of m1"):
        merged(tmp_path, "linear", [ONE, TWO], each={"weight": [1, None]})


def test_a_base_model_that_is_not_listed_is_no_input(tmp_path):
    out = merged(tmp_path, "linear", [ONE, TWO], base=[100.0, 100.0], each={"weight": [1, 1]})
    assert out.tolist() == [3, 6]
