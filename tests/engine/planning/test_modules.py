"""Models of several stacks of layers: encoder-decoders that transformers made, merged, loaded again and asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import examine, plan
from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe
from tests.encoder_decoders import make_bart, make_llava, make_t5

Q = "{}.block.{}.layer.0.SelfAttention.q.weight"
BIAS = "{}.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
SHARED, NORM = "shared.weight", "{}.final_layer_norm.weight"


@pytest.fixture(scope="module")
def t5(tmp_path_factory) -> list[str]:
    """Three of them, with encoders of 3 layers and decoders of 4."""
    return make_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def bart(tmp_path_factory) -> list[str]:
    """Two of them, with encoders of 2 layers and decoders of 3."""
    return make_bart(tmp_path_factory.mktemp("bart"))


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> list[str]:
    """Two of them, with 3 layers for text and 2 for images."""
    return make_llava(tmp_path_factory.mktemp("llava"))


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


def slerp(models: list[str], **modules) -> Recipe:
    """A slerp from the first model to the second, module by module: a value of t for each."""
    data = {name: {"models": models[:2], "parameters": {"t": t}} for name, t in modules.items()}
    return Recipe.of({"merge_method": "slerp", "base_model": models[0], "modules": data})


def stacked(models: list[str], **modules) -> Recipe:
    """Layers on top of each other, for each module pairs of a model's number and a range."""
    slices = {
        name: {"slices": [{"sources": [{"model": models[i], "layer_range": r}]} for i, r in pairs]}
        for name, pairs in modules.items()
    }
    rest = {"default": {"models": [models[0]]}}
    return Recipe.of({"merge_method": "passthrough", "modules": slices | rest})


def t_of(made, tensor: str) -> float:
    return made[tensor].values.shared["t"]


def load(folder: Path, of: str):
    import transformers

    model, found = getattr(transformers, of).from_pretrained(folder, output_loading_info=True)
    assert not any(found.values()), found
    return model


def test_a_gradient_runs_over_each_stack(t5):
    r = Recipe.of({"merge_method": "slerp", "models": t5[:2], "parameters": {"t": [0, 1]}})
    made = plan(r)
    assert [t_of(made, Q.format("encoder", i)) for i in range(3)] == pytest.approx([0, 0.5, 1])
    assert [t_of(made, Q.format("decoder", i)) for i in range(4)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert t_of(made, SHARED) == 0
    assert t_of(made, NORM.format("encoder")) == t_of(made, NORM.format("decoder")) == 1
    assert made.depths == {"encoder.block": 3, "decoder.block": 4}
    assert made.depth == 4


def test_each_module_has_its_own_numbers(t5):
    made = plan(slerp(t5, encoder=[0, 1], decoder=[1, 0], shared=0.25))
    assert [t_of(made, Q.format("encoder", i)) for i in range(3)] == pytest.approx([0, 0.5, 1])
    assert [t_of(made, Q.format("decoder", i)) for i in range(4)] == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert t_of(made, SHARED) == 0.25
    assert made[Q.format("encoder", 0)].decided["t"] == ("modules", "encoder", "parameters", "t")


def test_precedence_goes_from_source_to_slice_to_module_to_recipe(t5):
    def weight(value):
        return {"weight": value}

    sources = [{"model": t5[0], "layer_range": [0, 3], "parameters": weight([{"filter": ".q.", "value": 1}])}]
    piece = {"sources": sources, "parameters": weight([{"filter": ".k.", "value": 2}])}
    modules = {
        "encoder": {"slices": [piece], "parameters": weight([{"filter": ".v.", "value": 3}])},
        "default": {"models": [t5[0]]},
    }
    made = plan(Recipe.of({"merge_method": "linear", "modules": modules, "parameters": weight(4)}))
    name = Q.format("encoder", 0)
    found = [made[name.replace(".q.", f".{x}.")].values.each["weight"][0] for x in "qkvo"]
    assert found == [1, 2, 3, 4]


def test_the_table_of_values_names_the_stack(t5):
    table = plan(slerp(t5, encoder=0.5, decoder=0.5)).values().set_index("tensor")
    assert table.loc[Q.format("decoder", 2), "stack"] == "decoder.block"
    assert table.loc[Q.format("encoder", 2), "layer"] == 2


@pytest.mark.slow
def test_a_result_is_loaded_and_writes(t5, tmp_path):
    merge(slerp(t5, encoder=[0, 1], decoder=[1, 0], shared=0.25), tmp_path / "out")
    model = load(tmp_path / "out", "T5ForConditionalGeneration")
    # This size of T5 cannot use a cache in transformers, merged or not: it makes one of the encoder's depth.
    assert model.generate(input_ids=torch.tensor([[3, 4]]), max_new_tokens=3, use_cache=False).shape == (1, 4)
    parents, out = [weights(m) for m in t5], weights(tmp_path / "out")
    assert out.keys() == parents[0].keys()
    for name in (Q.format("encoder", 2), Q.format("decoder", 0)):
        assert torch.equal(out[name], parents[1][name])
    assert torch.equal(out[Q.format("encoder", 0)], parents[0][Q.format("encoder", 0)])


def test_each_stack_is_restacked_and_the_config_follows(t5, tmp_path):
    r = stacked(t5, encoder=[(0, [0, 2]), (1, [1, 3])], decoder=[(1, [2, 4]), (0, [0, 3])])
    merge(r, tmp_path / "out")
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert (config["num_layers"], config["num_decoder_layers"]) == (4, 5)
    load(tmp_path / "out", "T5ForConditionalGeneration")
    parents, out = [weights(m) for m in t5], weights(tmp_path / "out")
    for stack, at, i, layer in (("encoder", 3, 1, 2), ("decoder", 0, 1, 2), ("decoder", 2, 0, 0)):
        assert torch.equal(out[Q.format(stack, at)], parents[i][Q.format(stack, layer)])


def test_what_only_the_first_layer_has_stays_in_the_first_layer(t5):
    made = plan(stacked(t5, encoder=[(0, [0, 3])], decoder=[(1, [2, 4]), (0, [0, 3])]))
    assert [t.name for t in made.tensors if "relative" in t.name and "decoder" in t.name] == [BIAS.format("decoder", 0)]
    (source,) = made[BIAS.format("decoder", 0)].inputs
    assert (source.name, source.file.parent) == (BIAS.format("decoder", 0), Path(t5[1]))


@pytest.mark.slow
def test_bart_is_restacked_by_the_names_of_its_lists(bart, tmp_path):
    names = {"model.encoder.layers": [(0, [0, 2])], "model.decoder.layers": [(0, [0, 2]), (1, [0, 3])]}
    merge(stacked(bart, **names), tmp_path / "out")
    assert json.loads((tmp_path / "out/config.json").read_text())["decoder_layers"] == 5
    model = load(tmp_path / "out", "BartForConditionalGeneration")
    assert model.generate(input_ids=torch.tensor([[3, 4]]), max_new_tokens=3).shape[0] == 1


@pytest.mark.slow
def test_a_vision_model_by_the_names_of_mergekit(llava, tmp_path):
    r = slerp(llava, text_decoder=[0, 1], vision_tower=[1, 0], multi_modal_projector=0.5)
    merge(r, tmp_path / "out")
    load(tmp_path / "out", "LlavaForConditionalGeneration")
    parents, out = [weights(m) for m in llava], weights(tmp_path / "out")
    for name, i in (
        ("language_model.lm_head.weight", 1), ("language_model.model.embed_tokens.weight", 0),
        ("vision_tower.encoder.layers.0.mlp.fc1.weight", 1), ("vision_tower.encoder.layers.1.mlp.fc1.weight", 0),
    ):  # fmt: skip
        assert torch.equal(out[name], parents[i][name])


@pytest.mark.slow
def test_text_layers_are_restacked_inside_a_vision_model(llava, tmp_path):
    merge(stacked(llava, text_decoder=[(0, [0, 2]), (1, [0, 3])]), tmp_path / "out")
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["text_config"]["num_hidden_layers"] == 5
    assert config["vision_config"]["num_hidden_layers"] == 2
    load(tmp_path / "out", "LlavaForConditionalGeneration")


def test_unnamed_modules_are_kept_and_reported(t5, tmp_path):
    made, problems = examine(slerp(t5, decoder=0.5))
    (said,) = (p for p in problems if p.where == ("modules",))
    assert said.severity == "warning"
    assert "encoder.block.0" in said.what
    assert {t.name for t in made.tensors} == weights(t5[0]).keys()
    assert made[Q.format("encoder", 0)].method == "passthrough"
    assert made[SHARED].method == "slerp"  # embeddings go with the decoder


@pytest.mark.parametrize(
    ("modules", "where", "what"),
    [
        ({"enkoder": {"models": "two"}}, "modules.enkoder", "no part called 'enkoder'"),
        ({"encoder": {}}, "modules.encoder", "either 'models' or 'slices'"),
        ({"encoder": {"models": "two", "slices": []}}, "modules.encoder", "either 'models' or 'slices'"),
        ({"shared": {"slices": [[0, 2]]}}, "modules.shared.slices", "here are 0"),
        ({"encoder": {"slices": [[0, 4]]}}, "modules.encoder.slices[0].sources[0].layer_range", "has 3 layers"),
        ({"encoder": {"models": "one"}}, "modules.encoder", "slerp merges 2 models"),
        ({"encoder": {"models": "two", "parameters": {"tt": 1}}}, "modules.encoder.parameters.tt", "no parameter 'tt'"),
        ({"encoder": {"models": "two", "wrong": 1}}, "modules.encoder.wrong", "unknown key"),
    ],
)
def test_mistakes_are_named_by_module(t5, modules, where, what):
    for module in modules.values():
        if "models" in module:
            module["models"] = t5[: 2 if module["models"] == "two" else 1]
        for k, piece in enumerate(module.get("slices", [])):
            module["slices"][k] = {"sources": [{"model": m, "layer_range": piece} for m in t5[:2]]}
    with pytest.raises(RecipeError) as error:
        plan(Recipe.of({"merge_method": "slerp", "modules": modules, "parameters": {"t": 0.5}}))
    assert what in str(error.value)
    assert where in str(error.value)


def test_slices_of_a_model_of_several_stacks_are_refused(t5):
    data = {"merge_method": "passthrough", "slices": [{"sources": [{"model": t5[0], "layer_range": [0, 2]}]}]}
    with pytest.raises(RecipeError, match=r"slices: slices apply to the layers of one stack.*Give each stack a module"):
        plan(Recipe.of(data))


def test_yaml_and_words_of_a_recipe_with_modules(t5):
    r = slerp(t5, encoder=[0, 1], decoder=[{"filter": "SelfAttention", "value": 0.5}, {"value": [1, 0]}], shared=0.25)
    assert Recipe.load(r.to_yaml()) == r
    assert Recipe.load(r.to_yaml()).fingerprint == r.fingerprint
    assert "Encoder, all tensors: 0 %" in r.describe()
    assert "Encoder.block, layers 0–2: 0 %" in r.describe(plan(r))


def test_a_changed_number_of_one_module_changes_its_tensors_alone(t5):
    first, second = (plan(slerp(t5, encoder=0.5, decoder=t, shared=0.5)) for t in (0.5, 0.6))
    changed = {a.name for a, b in zip(first.tensors, second.tensors, strict=True) if a != b}
    assert changed == {t.name for t in first.tensors if t.name.startswith("decoder.")}


def test_with_parameter_reaches_a_model_in_every_module(t5):
    modules = {m: {"models": [{"model": x, "parameters": {"weight": 1}} for x in t5]} for m in ("encoder", "decoder")}
    r = Recipe.of({"merge_method": "linear", "modules": modules}).with_parameter("weight", 0, t5[1])
    made = plan(r)
    for stack in ("encoder", "decoder"):
        assert np.array_equal(made[Q.format(stack, 1)].values.each["weight"], (1, 0, 1))
