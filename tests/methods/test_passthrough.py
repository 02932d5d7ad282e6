"""One model's tensors as they are, or scaled."""

import pytest
import torch

from nbmerge.errors import RecipeError
from tests.methods.merging import merged, same_bytes


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_as_it_is_bit_for_bit(tmp_path, dtype):
    values = torch.tensor([0.1, -0.0, float("nan"), float("inf"), 1e-30], dtype=dtype)
    assert same_bytes(merged(tmp_path, "passthrough", [values]), values)


@pytest.mark.parametrize(("scale", "expected"), [(0.5, [0.5, -1]), (0, [0, 0]), (-2, [-2, 4]), (1, [1, -2])])
def test_a_scale_multiplies_the_tensor(tmp_path, scale, expected):
    assert merged(tmp_path, "passthrough", [[1.0, -2.0]], each={"scale": [scale]}).tolist() == expected
    assert merged(tmp_path, "passthrough", [[1.0, -2.0]], scale=scale).tolist() == expected


def test_it_takes_one_model(tmp_path):
    with pytest.raises(RecipeError, match="1 model"):
        merged(tmp_path, "passthrough", [[1.0], [2.0]])
