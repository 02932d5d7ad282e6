"""What a config says of single layers follows them: lists, numbers, mappings, repeating kinds, counts and periods."""

import pytest

from nbmerge.engine.planning.layer_config import restack_config

IRREGULAR = (0, 1, 2, 2, 3)
"""The first three of four layers, then the last two."""


def restacked(layers=IRREGULAR, depth: int = 4, **config) -> tuple[dict, list[str]]:
    notes = restack_config(config, depth, layers)
    return config, notes


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"layer_types": ["a", "b", "c", "d"]}, {"layer_types": ["a", "b", "c", "c", "d"]}),
        ({"attention_layers": ["a", "b", "a", "b"]}, {"attention_layers": ["a", "b", "a", "a", "b"]}),
        ({"no_rope_layers": [1, 0, 1, 0]}, {"no_rope_layers": [1, 0, 1, 1, 0]}),
        ({"intermediate_size": [8, 9, 10, 11]}, {"intermediate_size": [8, 9, 10, 10, 11]}),
        ({"num_attention_heads_per_layer": [2, 4, 6, 8]}, {"num_attention_heads_per_layer": [2, 4, 6, 6, 8]}),
        ({"hybrid_override_pattern": "M-*E"}, {"hybrid_override_pattern": "M-**E"}),
        ({"moe_layers": [0, 2]}, {"moe_layers": [0, 2, 3]}),
        ({"moe_layers": [0, 1, 2, 3]}, {"moe_layers": [0, 1, 2, 3, 4]}),
        ({"mlp_only_layers": [1, 3]}, {"mlp_only_layers": [1, 4]}),
        ({"full_attn_idxs": [2]}, {"full_attn_idxs": [2, 3]}),
        ({"hybrid_layer_ids": [1, 3]}, {"hybrid_layer_ids": [1, 4]}),
        ({"mlp_only_layers": []}, {"mlp_only_layers": []}),
        ({"kv_source_layers": [0, 1, 1, 3]}, {"kv_source_layers": [0, 1, 1, 1, 4]}),
        ({"per_layer_config": {"03": {"head_dim": 8}}}, {"per_layer_config": {"04": {"head_dim": 8}}}),
        ({"per_layer_config": {"2": {"x": 1}}}, {"per_layer_config": {"2": {"x": 1}, "3": {"x": 1}}}),
        ({"pruned_heads": {"3": [1]}}, {"pruned_heads": {"4": [1]}}),
        ({"block_types": ["r", "r", "a"]}, {"block_types": ["r", "r", "a", "a", "r"]}),
        ({"attention_types": [[["g", "l"], 2]]}, {"attention_types": [[["g", "l", "g", "g", "l"], 1]]}),
        ({"first_k_dense_replace": 1}, {"first_k_dense_replace": 1}),
        ({"first_k_dense_replace": 3}, {"first_k_dense_replace": 4}),
        ({"num_kv_shared_layers": 1}, {"num_kv_shared_layers": 1}),
        ({"num_kv_shared_layers": 2}, {"num_kv_shared_layers": 3}),
        ({"sliding_window_pattern": 1}, {"sliding_window_pattern": 1}),
    ],
)  # fmt: skip
def test_config_entries_per_layer_follow_the_slices(config, wanted):
    assert restacked(**config) == (wanted, [])


@pytest.mark.parametrize(
    "config",
    [
        {"eos_token_id": [1, 2, 3, 4]}, {"id2label": {"0": "a", "1": "b"}}, {"conv_kernel": [10, 3, 3, 3]},
        {"architectures": ["A"]}, {"rope_theta": 10000.0, "layer_norm_eps": 1e-5}, {"num_local_experts": 2},
        {"suppress_tokens": [0, 1]}, {"hidden_size_per_layer_input": 32}, {"mtp_layers_block_type": ["a", "b"]},
        {"first_k_dense_replace": 0, "num_kv_shared_layers": 0}, {"use_sliding_window": True},
    ],
)  # fmt: skip
def test_config_entries_that_are_not_per_layer_stay(config):
    assert restacked(**config) == (config, [])


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"sliding_window_pattern": 2}, "period"),
        ({"attn_layer_period": 2, "attn_layer_offset": 1}, "period"),
        ({"first_k_dense_replace": 1}, "first_k_dense_replace"),
        ({"num_kv_shared_layers": 1}, "num_kv_shared_layers"),
        ({"deepstack_visual_indexes": [1, 3]}, "used elsewhere"),
        ({"made_up_layer_interval": 3}, "made_up_layer_interval"),
        ({"made_up_scalars": [1.0, 2.0, 3.0, 4.0]}, "not recognised"),
        ({"kv_source_layers": [0, 1, 1, 1]}, "not before it"),
    ],
)  # fmt: skip
def test_config_entries_that_cannot_be_sliced_are_kept_and_reported(config, said):
    made, notes = restacked(layers=(3, 2, 0), **config)
    assert made["kv_source_layers" if "kv_source_layers" in config else next(iter(config))] is not None
    assert len(notes) == 1
    assert said in notes[0]


def test_a_list_that_says_the_same_decides_instead_of_a_period():
    config, notes = restacked(layer_types=["a", "b", "a", "b"], sliding_window_pattern=2)
    assert config["layer_types"] == ["a", "b", "a", "a", "b"]
    assert notes == []


def test_layers_that_keep_the_rhythm_keep_the_period():
    assert restacked(layers=(0, 1, 2, 3, 2, 3), attn_layer_period=2, attn_layer_offset=1)[1] == []


def test_keys_of_another_stack_are_left_alone():
    config = {"decoder_layer_types": ["a", "b", "c", "d"]}
    assert restack_config(config, 4, IRREGULAR, lambda key: "decoder" not in key) == []
    assert config == {"decoder_layer_types": ["a", "b", "c", "d"]}
