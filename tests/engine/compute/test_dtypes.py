"""Every dtype that safetensors can hold: merged, copied from the first model bit by bit, or refused with the reason."""

import pytest
import torch

import nbmerge as nbm
from nbmerge.engine.planning.planner import examine
from nbmerge.recipe import Recipe
from tests.adapters import passed_through
from tests.models import make_model, read_tensors

NAME = "model.layers.0.mlp.counts"
BUFFERS = {
    "int8": torch.tensor([[-128, 127, 0]], dtype=torch.int8),
    "int16": torch.tensor([-(2**15), 2**15 - 1], dtype=torch.int16),
    "int32": torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32),
    "int64": torch.tensor([-(2**63), 2**63 - 1, 2**53 + 1]),
    "uint8": torch.tensor([0, 255], dtype=torch.uint8),
    "uint16": torch.tensor([0, 65535], dtype=torch.uint16),
    "uint32": torch.tensor([0, 2**32 - 1], dtype=torch.uint32),
    "uint64": torch.tensor([0, 2**63 + 5], dtype=torch.uint64),
    "bool": torch.tensor([True, False, True]),
    "complex64": torch.tensor([1 + 2j, -3.5j], dtype=torch.complex64),
    "scalar": torch.tensor(7),
    "empty": torch.empty(0, 4, dtype=torch.int64),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("dtypes")
    extra = {f"{NAME}.{k}": t for k, t in BUFFERS.items()}
    other = {n: torch.zeros_like(t) for n, t in extra.items()}
    return make_model(root / "a", replace=extra), make_model(root / "b", seed=1, replace=other)


@pytest.mark.parametrize(
    ("method", "more"),
    [("linear", {"dtype": "bfloat16"}), ("ties", {}), ("slerp", {}), ("passthrough", {})],
    ids=lambda x: x if isinstance(x, str) else "",
)
@pytest.mark.unloadable("its models have a tensor that Llama does not have")
def test_integer_tensors_are_copied_from_the_first_model(folders, tmp_path, method, more):
    if method == "passthrough":
        recipe = passed_through(folders[0])
    else:
        parameters = {"t": 0.5} if method == "slerp" else {"weight": 0.5, "density": 0.5}
        recipe = {"merge_method": method, "models": [str(f) for f in folders], "parameters": parameters, **more}
        recipe |= {} if method == "linear" else {"base_model": str(folders[0])}
        if method == "linear":
            del parameters["density"]
    nbm.merge(recipe, tmp_path / "out")
    got = read_tensors(tmp_path / "out")
    for kind, buffer in BUFFERS.items():
        copied = got[f"{NAME}.{kind}"]
        assert copied.dtype == buffer.dtype
        assert copied.shape == buffer.shape
        assert copied.numpy().tobytes() == buffer.numpy().tobytes()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("other", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.rest_is_slow(keep=7)
def test_floats_of_all_pairs_are_merged_exactly(tmp_path, dtype, other):
    """The mean of two models in any two dtypes, computed wide and rounded once."""
    one, two = make_model(tmp_path / "a", dtype=dtype), make_model(tmp_path / "b", seed=1, dtype=other)
    recipe = {"merge_method": "linear", "models": [str(one), str(two)], "parameters": {"weight": 0.5}}
    nbm.merge(recipe, tmp_path / "out")
    a, b, got = (read_tensors(x) for x in (one, two, tmp_path / "out"))
    wanted = dtype if dtype == other else "float64" if "float64" in (dtype, other) else "float32"
    for name, tensor in got.items():
        assert tensor.dtype == getattr(torch, wanted)
        exact = (a[name].double() + b[name].double()) / 2
        torch.testing.assert_close(tensor, exact.to(tensor.dtype), rtol=2**-7 if "16" in wanted else 1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_a_matrix_of_whole_numbers_against_one_of_floats_is_refused(tmp_path, kind):
    name = "model.layers.0.mlp.down_proj.weight"
    one = make_model(tmp_path / "a")
    two = make_model(tmp_path / "b", replace={name: torch.ones(16, 24, dtype=getattr(torch, kind))})
    recipe = {"merge_method": "linear", "models": [str(one), str(two)], "parameters": {"weight": 1}}
    made, problems = examine(Recipe.load(recipe))
    assert made is None
    assert any(kind in str(p) and name in str(p) for p in problems)
