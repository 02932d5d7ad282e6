"""Several stacks of layers in one model: which they are, where the config counts them, and what a module's name means."""

import pytest

from nbmerge.checkpoints import Layout
from nbmerge.checkpoints.modules import claims
from nbmerge.checkpoints.stacks import Stack, depths


def layers(name: str, depth: int, *parts: str) -> list[str]:
    return [f"{name}.{i}.{part}" for i in range(depth) for part in parts]


T5_ENCODER = ("layer.0.SelfAttention.q.weight", "layer.0.layer_norm.weight", "layer.1.DenseReluDense.wi.weight")
T5 = [
    "shared.weight", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    *layers("encoder.block", 3, *T5_ENCODER), "encoder.final_layer_norm.weight",
    *layers("decoder.block", 4, *T5_ENCODER, "layer.1.EncDecAttention.q.weight"), "decoder.final_layer_norm.weight",
    "lm_head.weight",
]  # fmt: skip
T5_CONFIG = {"num_layers": 3, "num_decoder_layers": 4, "num_heads": 4}
BART = [
    "model.shared.weight", "model.encoder.embed_positions.weight", "final_logits_bias",
    *layers("model.encoder.layers", 2, "self_attn.q_proj.weight", "fc1.weight"),
    *layers("model.decoder.layers", 2, "self_attn.q_proj.weight", "encoder_attn.q_proj.weight", "fc1.weight"),
]  # fmt: skip
BART_CONFIG = {"encoder_layers": 2, "decoder_layers": 2, "num_hidden_layers": 2, "encoder_layerdrop": 0}
QWEN_VL = [
    "model.embed_tokens.weight", *layers("model.layers", 4, "self_attn.q_proj.weight", "mlp.up_proj.weight"),
    "model.norm.weight", "lm_head.weight", "visual.patch_embed.proj.weight",
    *layers("visual.blocks", 3, "attn.qkv.weight", "attn.proj.weight", "norm1.weight", "mlp.fc1.weight"),
    "visual.merger.ln_q.weight", "visual.merger.mlp.0.weight", "visual.merger.mlp.2.weight",
]  # fmt: skip
QWEN_VL_CONFIG = {"num_hidden_layers": 4, "vision_config": {"depth": 3, "num_heads": 2}}
LLAVA = [
    *layers("language_model.model.layers", 2, "self_attn.q_proj.weight", "mlp.up_proj.weight"),
    "language_model.model.embed_tokens.weight", "language_model.model.norm.weight", "language_model.lm_head.weight",
    "multi_modal_projector.linear_1.weight", "vision_tower.embeddings.patch_embedding.weight",
    *layers("vision_tower.encoder.layers", 2, "self_attn.q_proj.weight", "layer_norm1.weight", "mlp.fc1.weight"),
    "vision_tower.pre_layrnorm.weight", "vision_tower.post_layernorm.weight",
]  # fmt: skip
LLAVA_CONFIG = {"text_config": {"num_hidden_layers": 2}, "vision_config": {"num_hidden_layers": 2}}
ALL = {
    "t5": (T5, T5_CONFIG), "bart": (BART, BART_CONFIG), "qwen vl": (QWEN_VL, QWEN_VL_CONFIG),
    "llava": (LLAVA, LLAVA_CONFIG),
}  # fmt: skip


def layout(model: str) -> Layout:
    names, config = ALL[model]
    return Layout(names, None, {d.value for d in depths(config)})


@pytest.mark.parametrize(
    ("model", "main", "stacks"),
    [
        ("t5", "decoder.block", {"encoder.block": 3, "decoder.block": 4}),
        ("bart", "model.decoder.layers", {"model.encoder.layers": 2, "model.decoder.layers": 2}),
        ("qwen vl", "model.layers", {"model.layers": 4, "visual.blocks": 3}),
        ("llava", "language_model.model.layers", {"language_model.model.layers": 2, "vision_tower.encoder.layers": 2}),
    ],
)
def test_every_stack_that_the_config_counts_is_found(model, main, stacks):
    found = layout(model)
    assert found.stack == main
    assert {s.name: s.depth for s in found.stacks.values()} == stacks


@pytest.mark.parametrize(
    ("model", "stack", "paths"),
    [
        ("t5", "encoder.block", {("num_layers",)}),
        ("t5", "decoder.block", {("num_decoder_layers",)}),
        ("bart", "model.encoder.layers", {("encoder_layers",), ("num_hidden_layers",)}),
        ("bart", "model.decoder.layers", {("decoder_layers",)}),
        ("qwen vl", "model.layers", {("num_hidden_layers",)}),
        ("qwen vl", "visual.blocks", {("vision_config", "depth")}),
        ("llava", "language_model.model.layers", {("text_config", "num_hidden_layers")}),
        ("llava", "vision_tower.encoder.layers", {("vision_config", "num_hidden_layers")}),
    ],
)
def test_the_config_counts_each_stack_at_its_own_place(model, stack, paths):
    found, said = layout(model), depths(ALL[model][1])
    assert {d.path for d in said if d.means(found.stacks[stack], stack == found.stack, said)} == paths


@pytest.mark.parametrize(
    ("stack", "config", "paths"),
    [
        ("model.patcher.layers", {"patcher_config": {"num_hidden_layers": 2}, "decoder_config": {"num_hidden_layers": 2}},
         {("patcher_config", "num_hidden_layers")}),
        ("model.global_transformer.layers", {"global_config": {"n_layers": 2}}, {("global_config", "n_layers")}),
        ("image_embed.img_processor.layers", {"num_hidden_layers": 2, "vision_config": {"num_hidden_layers": 2}},
         {("vision_config", "num_hidden_layers")}),
        ("text_decoder.layers", {"decoder_layers": 2, "t2u_decoder_layers": 2, "speech_encoder_layers": 2},
         {("decoder_layers",)}),
        ("text_encoder.layers", {"encoder_layers": 2, "speech_encoder_layers": 2}, {("encoder_layers",)}),
    ],
)  # fmt: skip
def test_a_part_of_a_model_is_counted_where_its_name_says(stack, config, paths):
    said = depths(config)
    assert {d.path for d in said if d.means(Stack(stack, 2), False, said)} == paths


def test_a_stack_with_experts_in_some_layers_is_one():
    dense = [f"encoder.block.{i}.{part}.weight" for i in range(4) for part in ("q", "k", "v", "norm")]
    experts = [f"encoder.block.3.mlp.experts.expert_{i}.{part}.weight" for i in range(8) for part in ("wi", "wo")]
    decoder = layers("decoder.block", 4, "q.weight", "k.weight")
    assert set(Layout([*dense, *experts, *decoder], None, {4}).stacks) == {"encoder.block", "decoder.block"}


def test_a_list_that_the_config_does_not_count_is_no_stack():
    names = [*layers("model.layers", 4, "mlp.weight"), "score.0.weight", "score.1.weight"]
    assert list(Layout(names, 4).stacks) == ["model.layers"]


def test_a_list_with_gaps_is_no_stack():
    names = [*layers("model.layers", 4, "mlp.weight"), *(f"head.{i}.weight" for i in (0, 2))]
    assert list(Layout(names, 4, {4, 2}).stacks) == ["model.layers"]


def test_numbered_parts_of_a_layer_are_in_its_groups():
    found = layout("t5")
    kinds = {p.part: p.kind for p in found.places.values() if p.stack == "decoder.block"}
    assert kinds["layer.0.SelfAttention.q.weight"] == kinds["layer.1.EncDecAttention.q.weight"] == "attention"
    assert kinds["layer.1.DenseReluDense.wi.weight"] == "mlp"
    assert kinds["layer.0.layer_norm.weight"] == "rest"


def test_a_tensor_of_the_first_layer_alone_belongs_to_the_stack():
    found = layout("t5")
    assert found.first_only("encoder.block") == {"layer.0.SelfAttention.relative_attention_bias.weight"}
    assert found.first_only("decoder.block") == frozenset()


def owners(model: str, *modules: str) -> dict[str | None, set[str]]:
    found = layout(model)
    owner = claims(found, modules)
    result: dict[str | None, set[str]] = {}
    for name in found.names:
        stack = found.place(name).stack
        result.setdefault(owner.get(name), set()).add(stack or name)
    return result


def test_names_of_parts_are_understood_by_the_components_of_tensor_names():
    assert owners("t5", "encoder", "decoder", "shared") == {
        "encoder": {"encoder.block", "encoder.final_layer_norm.weight"},
        "decoder": {"decoder.block", "decoder.final_layer_norm.weight"},
        "shared": {"shared.weight", "lm_head.weight"},
    }


def test_embeddings_and_heads_go_with_the_stack_that_the_model_is_named_for():
    found = owners("t5", "encoder", "decoder")
    assert {"shared.weight", "lm_head.weight"} < found["decoder"]
    assert None not in found


def test_a_dotted_name_is_the_list_of_layers_alone():
    found = owners("bart", "model.encoder.layers", "model.decoder.layers", "default")
    assert found["model.encoder.layers"] == {"model.encoder.layers"}
    assert found["default"] == {"model.shared.weight", "model.encoder.embed_positions.weight", "final_logits_bias"}


@pytest.mark.parametrize("model", ["qwen vl", "llava"])
def test_the_names_of_mergekit_for_vision_models(model):
    found = owners(model, "text_decoder", "vision_tower", "multi_modal_projector")
    vision, text = ("visual.blocks", "model.layers")
    if model == "llava":
        vision, text = "vision_tower.encoder.layers", "language_model.model.layers"
    assert text in found["text_decoder"]
    assert vision in found["vision_tower"]
    assert not any("merger" in n or "projector" in n for n in found["vision_tower"] | found["text_decoder"])
    assert any(n.endswith("lm_head.weight") for n in found["text_decoder"])
    assert None not in found


def test_tensors_outside_every_module_belong_to_none():
    assert owners("bart", "encoder", "decoder")[None] == {"final_logits_bias"}
    assert set(owners("qwen vl", "nonsense")) == {None}
