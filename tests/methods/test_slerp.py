"""Spherical interpolation of whole tensors; the numbers are the formula's, worked out by hand."""

import pytest
import torch

from nbmerge.errors import RecipeError
from tests.methods.merging import carried_out, merged, recipe_of, same_bytes, tensor


def slerp(folder, a, b, t, **more):
    return merged(folder, "slerp", [a, b], t=t, **more)


@pytest.mark.parametrize(
    ("a", "b", "t", "expected"),
    [
        ([1, 0], [0, 1], 0.5, [0.70710678, 0.70710678]),
        ([1, 0], [0, 1], 0.25, [0.92387953, 0.38268343]),
        ([2, 0], [0, 1], 0.5, [1.41421356, 0.70710678]),  # weights are not normalised before they are mixed
        (
            [[1, 0], [0, 1]],
            [[0, 1], [0, 1]],
            0.5,
            [[0.57735027, 0.57735027], [0, 1.15470054]],
        ),  # whole tensors, not rows
        ([1, 0], [0.99951, 0.0313011], 0.5, [0.999755, 0.01565055]),  # cosine above 0.9995: a straight line
        ([1, 0], [0.999, 0.0447102], 0.5, [0.99974997, 0.02236068]),  # and below: the arc
        ([1, 0], [-1, 0], 0.5, [0, 0]),
        ([1, 2], [-3, 0.5], 0.5, [-1.68321, 2.10402]),
        ([0, 0], [0, 0], 0.5, [0, 0]),
        ([0, 3], [0, 3], 0.3, [0, 3]),
    ],
)
def test_by_hand(tmp_path, a, b, t, expected):
    out = slerp(tmp_path, tensor(a, torch.float32), tensor(b, torch.float32), t)
    assert torch.allclose(out, tensor(expected), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("t", "zero_tensors", "expected"),
    [
        (0.5, "formula", [2.12132, 2.82843]),
        (0.3, "formula", [2.67302, 3.56403]),
        (0.5, "keep_other", [3, 4]),
        (0.3, "keep_other", [3, 4]),
        (0.5, None, [3, 4]),
    ],
)
@pytest.mark.parametrize("zero_first", [False, True])
def test_where_one_tensor_is_zero(tmp_path, t, zero_tensors, expected, zero_first):
    more = {"zero_tensors": zero_tensors} if zero_tensors else {}
    full, zero = tensor([3.0, 4.0]), tensor([0.0, 0.0])
    out = slerp(tmp_path, zero, full, 1 - t, **more) if zero_first else slerp(tmp_path, full, zero, t, **more)
    assert out.tolist() == pytest.approx(expected, rel=2e-6)


def test_a_tensor_below_the_threshold_is_zero(tmp_path):
    assert slerp(tmp_path, [3.0, 4.0], [1e-12, 0.0], 0.5).tolist() == [3, 4]


@pytest.mark.parametrize("zero_tensors", ["keep_other", "formula"])
def test_two_zeros_are_zero(tmp_path, zero_tensors):
    assert slerp(tmp_path, [0.0, 0.0], [0.0, 0.0], 0.4, zero_tensors=zero_tensors).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("t", [0, 1])
@pytest.mark.parametrize("b", [[0.3, -1.0, 2.0], [0.1, 0.2, 0.3001], [0.0, 0.0, 0.0], [float("nan"), 1.0, 0.0]])
@pytest.mark.rest_is_slow(keep=13)
def test_the_ends_are_the_models_bit_for_bit(tmp_path, dtype, t, b):
    a, b = tensor([0.1, 0.2, 0.3], dtype), tensor(b, dtype)
    assert same_bytes(slerp(tmp_path, a, b, t), (a, b)[t])


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_norms_of_equal_length_are_kept_on_the_arc(tmp_path, t):
    torch.manual_seed(0)
    a, b = torch.randn(50), torch.randn(50)
    out = slerp(tmp_path, a / a.norm(), b / b.norm(), t)
    assert out.norm() == pytest.approx(1, abs=1e-6)


def test_the_first_model_is_the_base_or_else_the_first_named(tmp_path):
    near = slerp(tmp_path, [1.0, 0.0], [0.0, 1.0], 0.25)
    listed = recipe_of(tmp_path, "slerp", [[0.0, 1.0], [1.0, 0.0]], t=0.25)
    listed = listed.replace(base_model=listed.models[1].model)
    assert torch.equal(carried_out(listed)[0], near)
    unlisted = merged(tmp_path, "slerp", [[0.0, 1.0]], base=[1.0, 0.0], t=0.25)
    assert torch.equal(unlisted, near)


@pytest.mark.parametrize(
    ("b", "said"),
    [
        ([-1.0, 0.0], "opposite"),
        ([0.99999, 0.001], "nearly parallel"),
        ([0.0, 0.0], "zero"),
        ([0.0, 1.0], None),
    ],
)
def test_special_cases_are_counted_and_reported(tmp_path, b, said):
    _, notes = carried_out(recipe_of(tmp_path, "slerp", [[1.0, 0.0], b], t=0.5))
    assert bool(notes) == bool(said)
    assert all(said in note and n == 1 for note, n in notes.items())


@pytest.mark.parametrize("inputs", [1, 3])
def test_it_takes_two_models(tmp_path, inputs):
    with pytest.raises(RecipeError, match="slerp merges 2 models"):
        merged(tmp_path, "slerp", [[1.0, 0.0]] * inputs, t=0.5)


def test_t_must_be_given(tmp_path):
    with pytest.raises(RecipeError, match="needs 't'"):
        merged(tmp_path, "slerp", [[1.0], [2.0]])


def test_an_unknown_way_with_zeros_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="keep_other"):
        slerp(tmp_path, [1.0], [2.0], 0.5, zero_tensors="skip")
