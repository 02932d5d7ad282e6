"""NaN and infinity stop a merge, named by tensor and model, unless they are wanted."""

import pytest
import torch

from nbmerge.engine.merge import merge
from nbmerge.errors import MergeError, NbmergeError
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors

NORM = "model.norm.weight"


def linear(*models, weights=(0.5, 0.5), **more) -> Recipe:
    entries = [{"model": str(m), "parameters": {"weight": w}} for m, w in zip(models, weights, strict=True)]
    return Recipe.of({"merge_method": "linear", "models": entries} | more)


@pytest.fixture(params=[float("nan"), float("inf"), float("-inf")])
def bad(request, tmp_path, family):
    values = torch.ones(16)
    values[[3, 7]] = request.param
    return make_model(tmp_path / "bad", base=family.base, seed=1, replace={NORM: values})


def test_an_input_that_holds_them_is_named(tmp_path, family, bad):
    with pytest.raises(MergeError) as caught:
        merge(linear(family.base, bad), tmp_path / "out")
    for said in (NORM, "bad has 2", "allow_nonfinite"):
        assert said in str(caught.value)
    assert "base holds" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_nonfinite_values_are_written_where_they_are_allowed(tmp_path, family, bad):
    out = read_tensors(merge(linear(family.base, bad), tmp_path / "out", allow_nonfinite=True).path)
    assert (~torch.isfinite(out[NORM])).nonzero().flatten().tolist() == [3, 7]
    assert all(torch.isfinite(t).all() for n, t in out.items() if n != NORM)


def test_a_model_without_a_share_may_hold_them(tmp_path, family, bad):
    out = read_tensors(merge(linear(family.base, bad, weights=(1, 0)), tmp_path / "out").path)
    assert torch.equal(out[NORM], read_tensors(family.base)[NORM])


@pytest.mark.parametrize(("dtype", "weight"), [("float16", 1e6), ("float32", 3e38), ("bfloat16", 3e38)])
def test_a_result_too_large_for_its_dtype(tmp_path, family, dtype, weight):
    r = linear(family.base, family.ft1, weights=(weight, weight), dtype=dtype, parameters={"normalize": False})
    with pytest.raises(MergeError, match=f"too large for {dtype}"):
        merge(r, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_weight_that_no_dtype_holds(tmp_path, family):
    r = linear(family.base, family.ft1, weights=(1e300, 1e300), parameters={"normalize": False})
    with pytest.raises(NbmergeError):
        merge(r, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_large_numbers_that_fit_stay_finite(tmp_path):
    # their sum overflows, they themselves do not
    one = make_model(tmp_path / "one", replace={NORM: torch.full((16,), 3e38)})
    out = read_tensors(merge(linear(one, weights=(1,)), tmp_path / "out").path)
    assert torch.equal(out[NORM], torch.full((16,), 3e38))


@pytest.mark.unloadable("its models have a tensor that Llama does not have")
def test_integer_buffers_are_ignored(tmp_path):
    one = make_model(tmp_path / "one", replace={"model.mask": torch.tensor([True, False])})
    assert torch.equal(
        read_tensors(merge(linear(one, weights=(1,)), tmp_path / "out").path)["model.mask"], torch.tensor([True, False])
    )
