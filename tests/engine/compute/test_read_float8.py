"""Float8 models as inputs: the layouts of scales that exist, against torch's own arithmetic."""

import json
from pathlib import Path

import pytest
import torch

import nbmerge as nbm
from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.compute.input_files import InputFiles
from nbmerge.engine.compute.workspace import Workspace
from nbmerge.engine.verify import verify
from nbmerge.errors import CheckpointError
from tests.adapters import Q, make_adapter, modules, passed_through
from tests.models import make_model, read_tensors

NAME = "model.layers.1.mlp.down_proj.weight"
FP8 = {"quant_method": "fp8", "weight_block_size": [8, 10], "activation_scheme": "dynamic", "fmt": "e4m3"}


def quantised(
    folder: Path, scale: torch.Tensor | None, suffix="_scale_inv", config=FP8, kind=torch.float8_e4m3fn, **more
):
    """A model of which one tensor is float8, and that tensor's numbers."""
    plain = make_model(folder, seed=3)
    numbers = read_tensors(plain)[NAME].to(kind)
    tensors = {NAME: numbers, **({} if scale is None else {NAME + suffix: scale}), **more}
    said = {} if config is None else {"quantization_config": config}
    make_model(folder, seed=3, replace=tensors, config={"torch_dtype": "bfloat16", **said})
    return numbers


def spread(scale: torch.Tensor, block: tuple[int, int], shape: tuple[int, int]) -> torch.Tensor:
    wide = scale.float().repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    return wide[: shape[0], : shape[1]]


ROWS, COLUMNS = 16, 24


@pytest.mark.parametrize(
    ("scale", "suffix", "block", "config"),
    [
        (torch.rand(2, 3) + 0.5, "_scale_inv", (8, 10), FP8),
        (torch.rand(2, 3).bfloat16() + 0.5, "_scale_inv", (8, 10), FP8),
        (torch.rand(2, 3) + 0.5, "_scale", (8, 10),
         {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"block_structure": [8, 10]}}}}),
        (torch.tensor(0.3), "_scale", (ROWS, COLUMNS), {"quant_method": "fp8"}),
        (torch.tensor([0.3]), "_scale", (ROWS, COLUMNS), {"quant_method": "compressed-tensors", "format": "float-quantized"}),
        (torch.rand(ROWS, 1) + 0.5, "_scale", (1, COLUMNS), {"quant_method": "fbgemm_fp8"}),
        (torch.rand(ROWS) + 0.5, "_scale", (1, COLUMNS), {"quant_method": "fbgemm_fp8"}),
        (torch.rand(1, COLUMNS) + 0.5, "_scale", (ROWS, 1), {"quant_method": "compressed-tensors"}),
    ],
    ids=["blocks", "bfloat16 scales", "named blocks", "scalar", "one", "rows", "flat rows", "columns"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2], ids=str)
@pytest.mark.rest_is_slow(keep=5)
def test_layouts_of_scales(tmp_path, scale, suffix, block, config, kind):
    more = {NAME.replace("weight", "input_scale"): torch.tensor(2.0)}
    numbers = quantised(tmp_path / "x", scale, suffix, config, kind, **more)
    grid = scale.reshape(1, 1) if scale.numel() == 1 else scale.reshape(-1, 1) if scale.dim() == 1 else scale
    wanted = numbers.float() * spread(grid, block, (ROWS, COLUMNS))
    nbm.merge(passed_through(tmp_path / "x", dtype="float32"), tmp_path / "out")
    got = read_tensors(tmp_path / "out")
    assert torch.equal(got[NAME], wanted)
    assert not [n for n in got if "scale" in n]
    assert "quantization_config" not in json.loads((tmp_path / "out" / "config.json").read_text())


def test_the_result_is_bfloat16_where_nothing_is_said(tmp_path):
    numbers = quantised(tmp_path / "x", torch.tensor(0.3), "_scale")
    nbm.merge(passed_through(tmp_path / "x"), tmp_path / "out")
    assert torch.equal(read_tensors(tmp_path / "out")[NAME], (numbers.float() * torch.tensor(0.3)).bfloat16())


@pytest.mark.parametrize("experts", [(3, 2, 3), (3, 1, 1), (3, 16, 1), (3, 1, 24)])
def test_experts_lie_one_behind_the_other(tmp_path, experts):
    scale, name = torch.rand(experts) + 0.5, "model.layers.0.mlp.experts.down_proj"
    numbers = torch.randn(3, ROWS, COLUMNS).to(torch.float8_e4m3fn)
    quantised(tmp_path / "x", torch.tensor(1.0), **{name: numbers, f"{name}_scale_inv": scale})
    tensor = Checkpoint.open(tmp_path / "x").tensors[name]
    block = {(2, 3): (8, 10), (1, 1): (ROWS, COLUMNS), (16, 1): (1, COLUMNS), (1, 24): (ROWS, 1)}[experts[1:]]
    wanted = torch.stack([q.float() * spread(s, block, (ROWS, COLUMNS)) for q, s in zip(numbers, scale, strict=True)])
    with InputFiles() as files:
        read = Workspace(files).open(tensor, 0)
        assert torch.equal(read(0, tensor.count), wanted.flatten())
        for start, count in [(1, 5), (23, 2), (380, 30), (1151, 1), (7, 0), (100, 1000)]:
            assert torch.equal(read(start, count), wanted.flatten()[start : start + count])


@pytest.mark.slow
def test_float8_is_accepted_by_every_function(tmp_path):
    quantised(tmp_path / "x", torch.rand(2, 3) + 0.5)
    other = make_model(tmp_path / "y", seed=4, dtype="bfloat16")
    adapter = make_adapter(tmp_path / "a", other, modules(Q, "mlp.down_proj"))
    recipe = nbm.Recipe.load(
        {
            "merge_method": "slerp",
            "base_model": str(other),
            "models": [str(other), f"{tmp_path / 'x'}+{adapter}"],
            "parameters": {"t": [0.2, 0.8]},
        }
    )
    assert nbm.check(recipe).ok
    nbm.merge(recipe, tmp_path / "out", threads=1)
    assert verify(tmp_path / "out", derive=True).ok
    live, saved = nbm.live(recipe).model.state_dict(), read_tensors(tmp_path / "out")
    assert all(torch.equal(t, live[n]) for n, t in saved.items())
    assert saved[NAME].dtype is torch.bfloat16
    nbm.measure_models(other, tmp_path / "x")


# --- what is refused ---


def refused(folder) -> str:
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.open(folder)
    return str(caught.value)


def test_scales_that_are_lacking(tmp_path):
    quantised(tmp_path / "x", None)
    assert f"{NAME}_scale_inv" in refused(tmp_path / "x")


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn"])
def test_float8_without_scales_only_where_the_config_says_so(tmp_path, dtype):
    numbers = quantised(tmp_path / "x", None, config=None)
    file = tmp_path / "x" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"torch_dtype": dtype}))
    if dtype == "bfloat16":
        assert "no scales" in refused(tmp_path / "x")
        return
    nbm.merge(passed_through(tmp_path / "x"), tmp_path / "out")
    assert torch.equal(read_tensors(tmp_path / "out")[NAME], numbers.bfloat16())


@pytest.mark.parametrize(
    ("scale", "words"),
    [(torch.rand(3, 3), "8×10"), (torch.rand(7), "8×10"), (torch.ones(2, 3).to(torch.int32), "int32")],
    ids=["blocks", "rows", "whole numbers"],
)
def test_scales_that_do_not_fit(tmp_path, scale, words):
    quantised(tmp_path / "x", scale)
    assert words in refused(tmp_path / "x")


def codes(*shape) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.uint8)


MODULE = NAME.removesuffix(".weight")


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [
        ({f"{MODULE}.qweight": codes(4, 4).int(), f"{MODULE}.scales": torch.ones(4)}, "GPTQ or AWQ"),
        ({NAME: codes(64, 1), f"{NAME}.absmax": torch.ones(4), f"{NAME}.quant_map": torch.ones(16)}, "bitsandbytes"),
        ({NAME: codes(16, 24).char(), f"{MODULE}.SCB": torch.ones(16)}, "bitsandbytes"),
        ({f"{MODULE}.weight_packed": codes(4, 4).int(), f"{MODULE}.weight_scale": torch.ones(4, 1)}, "compressed-tensors"),
        ({f"{MODULE}.W_q": codes(4, 4)}, "HQQ"),
        ({f"{MODULE}.codes": codes(4, 4), f"{MODULE}.codebooks": torch.ones(4)}, "AQLM"),
        ({"model.layers.0.mlp.experts.down_proj_blocks": codes(4, 4)}, "MXFP4"),
        ({NAME: codes(16, 24).char(), f"{NAME}_scale": torch.ones(16, 1)}, "int8"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)  # fmt: skip
def test_codes_are_recognised_by_their_names(tmp_path, tensors, kind):
    make_model(tmp_path / "x", replace={NAME: None, **tensors})
    said = refused(tmp_path / "x")
    assert kind in said
    assert "quantise the result" in said


@pytest.mark.parametrize("name", ["model.Q4_K_M.gguf", "model.onnx", "tf_model.h5", "flax_model.msgpack"])
def test_other_formats_are_recognised_by_their_files(tmp_path, name):
    make_model(tmp_path / "x")
    (tmp_path / "x" / "model.safetensors").rename(tmp_path / "x" / name)
    assert name in refused(tmp_path / "x")
