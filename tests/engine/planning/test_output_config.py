"""The result's config: the donor's, fitted to the weights that are written."""

import json

import pytest

from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe
from tests.models import make_model

KINDS = ["sliding", "full", "sliding", "full", "linear", "full"]


def config(donor: dict, *ranges: tuple[int, int], folder, layers: int = 6, **more) -> dict:
    """The config of slices of one model."""
    model = make_model(folder / "model", layers=layers, config=donor)
    slices = [{"sources": [{"model": str(model), "layer_range": list(r)}]} for r in ranges]
    return plan(Recipe.of({"merge_method": "passthrough", "slices": slices} | more)).config


def test_nothing_changes_where_nothing_has_to(tmp_path):
    donor = {"layer_types": KINDS, "rope_scaling": {"type": "linear", "factor": 2.0}, "made_up": [1, 2]}
    out = config(donor, (0, 6), folder=tmp_path)
    assert out == json.loads((tmp_path / "model" / "config.json").read_text())


@pytest.mark.parametrize("ranges", [[(0, 4)], [(0, 4), (2, 6)], [(5, 6)], [(3, 6), (0, 3)]])
def test_depth_and_lists_per_layer_follow_the_slices(tmp_path, ranges):
    layers = [i for first, end in ranges for i in range(first, end)]
    out = config({"layer_types": KINDS, "no_rope_layers": [1, 0, 1, 0, 1, 0]}, *ranges, folder=tmp_path)
    assert out["num_hidden_layers"] == len(layers)
    assert out["layer_types"] == [KINDS[i] for i in layers]
    assert out["no_rope_layers"] == [[1, 0, 1, 0, 1, 0][i] for i in layers]


def test_lists_that_are_not_per_layer_stay(tmp_path):
    donor = {"layer_types": KINDS, "layer_ids_of_something": [1, 2], "eos_token_id": [2, 3, 4, 5, 6, 7]}
    out = config(donor, (0, 2), folder=tmp_path)
    assert out["layer_ids_of_something"] == [1, 2]
    assert out["eos_token_id"] == [2, 3, 4, 5, 6, 7]


def test_layers_of_another_model_stand_for_the_donors_of_the_same_number(tmp_path):
    donor = make_model(tmp_path / "donor", layers=6, config={"layer_types": KINDS})
    deeper = make_model(tmp_path / "deeper", layers=8)
    sources = [[{"model": str(donor), "layer_range": [0, 2]}], [{"model": str(deeper), "layer_range": [3, 8]}]]
    r = {"merge_method": "passthrough", "slices": [{"sources": s} for s in sources]}
    out = plan(Recipe.of(r | {"config_source": str(donor)})).config
    assert out["layer_types"] == [KINDS[i] for i in (0, 1, 3, 4, 5, 5, 5)]  # past the donor's end, its last


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_the_dtype_is_written_where_the_donor_has_it(tmp_path, key):
    other = {"dtype": "torch_dtype", "torch_dtype": "dtype"}[key]
    donor = {key: "float32"} | ({"torch_dtype": None} if key == "dtype" else {})
    out = config(donor, (0, 6), folder=tmp_path, dtype="bfloat16")
    assert out[key] == "bfloat16"
    assert out.get(other) in (None, "bfloat16")


def test_a_donor_that_names_its_dtype_twice(tmp_path):
    out = config({"dtype": "float32", "torch_dtype": "float32"}, (0, 6), folder=tmp_path, dtype="bfloat16")
    assert {out.get("dtype"), out.get("torch_dtype")} <= {None, "bfloat16"}


def test_a_config_within_a_config(tmp_path):
    inner = {"num_hidden_layers": 6, "layer_types": KINDS, "vocab_size": 32}
    out = config({"text_config": inner}, (0, 2), folder=tmp_path)
    assert out["text_config"]["num_hidden_layers"] == 2
    assert out["text_config"]["layer_types"] == KINDS[:2]


def test_the_donors_config_is_not_touched(tmp_path):
    model = make_model(tmp_path / "model", layers=6, config={"layer_types": KINDS})
    before = (model / "config.json").read_bytes()
    r = {"merge_method": "passthrough", "slices": [{"sources": [{"model": str(model), "layer_range": [0, 2]}]}]}
    made = plan(Recipe.of(r))
    (checkpoint,) = made.checkpoints.values()
    assert checkpoint.config["layer_types"] == KINDS
    assert (model / "config.json").read_bytes() == before


def test_a_bias_of_the_head_alone_does_not_untie_it(tmp_path):
    import torch

    bias = {"lm_head.bias": torch.zeros(32)}
    assert config({"tie_word_embeddings": True}, (0, 2), folder=tmp_path)["tie_word_embeddings"] is False
    model = make_model(tmp_path / "tied", tied=True, layers=2, replace=bias)
    slices = [{"sources": [{"model": str(model), "layer_range": [0, 2]}]}]
    assert plan(Recipe.of({"merge_method": "passthrough", "slices": slices})).config["tie_word_embeddings"] is True


def test_rows_that_are_not_of_tokens_do_not_count_as_vocabulary(tmp_path):
    assert config({"vocab_size": 20}, (0, 2), folder=tmp_path)["vocab_size"] == 20


def test_a_decoder_alone_has_the_depth_of_its_own_key(tmp_path):
    import torch

    names = {f"model.decoder.layers.{i}.fc1.weight": torch.zeros(4, 4) for i in range(3)}
    model = make_model(tmp_path / "m", layers=0, replace=names, config={"decoder_layers": 3, "encoder_layers": 3})
    settings = json.loads((model / "config.json").read_text())
    del settings["num_hidden_layers"]
    (model / "config.json").write_text(json.dumps(settings))
    slices = [{"sources": [{"model": str(model), "layer_range": [0, 2]}]}]
    out = plan(Recipe.of({"merge_method": "passthrough", "slices": slices})).config
    assert (out["decoder_layers"], out["encoder_layers"]) == (2, 2)


def test_lists_of_kinds_follow_the_slices_where_no_number_says_how_many_layers_there_are(tmp_path):
    kinds = {"layers_block_type": list("abcdef"), "num_hidden_layers": None}
    assert config(kinds, (0, 4), (2, 6), folder=tmp_path)["layers_block_type"] == list("abcdcdef")
    model = make_model(tmp_path / "m", layers=2, config={"layers_block_type": ["a", "b"], "num_hidden_layers": None})
    slices = [{"sources": [{"model": str(model), "layer_range": [1, 2]}]}]
    assert plan(Recipe.of({"merge_method": "passthrough", "slices": slices})).problems == ()


def test_a_config_that_counts_each_layer_several_times_is_left_as_it_is(tmp_path):
    model = str(make_model(tmp_path / "m", layers=2, config={"num_hidden_layers": 8}))
    itself = {"merge_method": "linear", "models": [model, model], "parameters": {"weight": 0.5}}
    assert plan(Recipe.of(itself)).config["num_hidden_layers"] == 8
    slices = [
        {"sources": [{"model": model, "layer_range": [0, 2]}]},
        {"sources": [{"model": model, "layer_range": [1, 2]}]},
    ]
    made = plan(Recipe.of({"merge_method": "passthrough", "slices": slices}))
    assert made.config["num_hidden_layers"] == 8
    assert "8 means 2 layers in the files" in str(made.problems)
