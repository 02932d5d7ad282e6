"""Configs that declare more than is there are refused before transformers builds it."""

import json
import time

import pytest
import torch

from nbmerge import sample
from nbmerge.checkpoints.declared import PARTS_PER_TENSOR, building, check_declared
from nbmerge.errors import CheckpointError, SampleError
from tests.models import make_model

NAMES = [f"model.layers.{i}.mlp.up_proj.weight" for i in range(8)]
SOUND = {
    "num_hidden_layers": 8, "vocab_size": 262_144, "max_position_embeddings": 10_485_760, "rope_theta": 500_000_000,
    "eos_token_id": [1, 2], "num_experts": 512, "vision_feature_layer": -2, "sliding_window": -1, "seed": 2**63,
    "text_config": {"num_hidden_layers": 8, "hidden_size": 16_384}, "layer_types": ["full_attention"] * 8,
}  # fmt: skip
TOO_MUCH = [
    {"num_hidden_layers": 99_999}, {"n_layer": 10**6}, {"text_config": {"num_hidden_layers": 5_000}}, {"num_labels": 10**9},
    {"num_hidden_layers": -5}, {"num_local_experts": 10**6}, {"head_dim": 10**12}, {"n_positions": 2**40},
    {"id2label": {str(i): "x" for i in range(50_000)}}, {"layer_types": ["x"] * 100_000}, {"decoder_layers": 90_000},
    {"depths": [2, 2, 10**8]}, {"vocab_size": 2 * 10**9},
]  # fmt: skip


def test_real_numbers_pass(tmp_path):
    check_declared(tmp_path, SOUND, NAMES)


@pytest.mark.parametrize("more", TOO_MUCH, ids=lambda m: str(m)[:30])
def test_numbers_that_no_weights_have(tmp_path, more):
    with pytest.raises(CheckpointError, match=r"config\.json in") as caught:
        check_declared(tmp_path, SOUND | more, NAMES)
    assert len(str(caught.value)) < 400


def test_sampling_asks_first(tmp_path):
    folder = make_model(tmp_path / "m", layers=2)
    sample(str(folder), "a", max_new_tokens=1)
    config = json.loads((folder / "config.json").read_text())
    for more in ({"num_hidden_layers": 99_999}, {"intermediate_size": 10**7}):
        (folder / "config.json").write_text(json.dumps(config | more))
        start = time.process_time()
        with pytest.raises(SampleError, match="config"):
            sample(str(folder), "a", max_new_tokens=1)
        assert time.process_time() - start < 1


@pytest.mark.slow
def test_a_model_that_grows_is_stopped():
    with building(10, 1000):
        torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(10)))
    with pytest.raises(CheckpointError, match="modules for 10 tensors"), building(10, 1000):
        torch.nn.ModuleList([torch.nn.Identity() for _ in range(10_000 + 10 * PARTS_PER_TENSOR)])
    with pytest.raises(CheckpointError, match=r"more than .* elements"), building(10, 1000), torch.device("meta"):
        torch.nn.Linear(10**6, 10**6)
    torch.nn.Linear(4, 4)
    torch.nn.ModuleList([torch.nn.Identity() for _ in range(20_000)])  # not counted any more
