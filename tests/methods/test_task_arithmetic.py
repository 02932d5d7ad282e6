"""Task vectors, added to the base."""

import pytest

from nbmerge.errors import RecipeError
from tests.methods.merging import merged

BASE, TUNED = [1.0, 1.0], [2.0, 0.0]


@pytest.mark.parametrize(
    ("weight", "more", "expected"),
    [
        (0.5, {}, [1.5, 0.5]),
        (0.5, {"normalize": True}, [2, 0]),
        (1, {}, [2, 0]),
        (0, {}, [1, 1]),
        (-1, {}, [0, 2]),
        (2, {"lambda": 0.25}, [1.5, 0.5]),
        (0.5, {"normalize": True, "lambda": 0.5}, [1.5, 0.5]),
        (0, {"normalize": True}, [1, 1]),
    ],
)
def test_one_task_vector(tmp_path, weight, more, expected):
    assert merged(tmp_path, "task_arithmetic", [TUNED], BASE, each={"weight": [weight]}, **more).tolist() == expected


@pytest.mark.parametrize(
    ("weights", "more", "expected"),
    [
        ([1, 1], {}, [3, 1, 0]),
        ([0.5, 2], {}, [3.5, 3.5, -1]),
        ([1, -1], {}, [1, -3, 2]),
        ([1, 3], {"normalize": True}, [2, 1.25, 0.25]),
        ([1, -1], {"normalize": True}, [1, -3, 2]),  # nothing to divide by
    ],
)
def test_two_task_vectors(tmp_path, weights, more, expected):
    base, one, two = [1.0, 0.0, 1.0], [2.0, -1.0, 1.0], [2.0, 2.0, 0.0]
    out = merged(tmp_path, "task_arithmetic", [one, two], base, each={"weight": weights}, **more)
    assert out.tolist() == pytest.approx(expected)


def test_without_a_base_it_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="base_model"):
        merged(tmp_path, "task_arithmetic", [TUNED, BASE], each={"weight": [1, 1]})


def test_the_weight_must_be_given(tmp_path):
    with pytest.raises(RecipeError, match="needs 'weight'"):
        merged(tmp_path, "task_arithmetic", [TUNED], BASE)
