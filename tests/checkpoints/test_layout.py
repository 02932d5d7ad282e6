"""Layers and roles, read off tensor names of many architectures."""

import pytest

from nbmerge.checkpoints import GROUPS, ROLES, Layout
from nbmerge.checkpoints.layout import is_derived

LLAMA_LAYER = (
    "input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
    "self_attn.o_proj.weight", "post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight",
    "mlp.down_proj.weight",
)  # fmt: skip
GPT2_LAYER = (
    "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
    "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
)  # fmt: skip
NEOX_LAYER = (
    "input_layernorm.weight", "post_attention_layernorm.bias", "attention.query_key_value.weight",
    "attention.dense.weight",
    "mlp.dense_h_to_4h.weight", "mlp.dense_4h_to_h.bias", "attention.rotary_emb.inv_freq", "attention.bias",
    "attention.masked_bias",
)  # fmt: skip
OPT_LAYER = (
    "self_attn.q_proj.weight",
    "self_attn.out_proj.bias",
    "self_attn_layer_norm.weight",
    "fc1.weight",
    "fc2.bias",
    "final_layer_norm.weight",
)
MIXTRAL_LAYER = (
    "input_layernorm.weight", "self_attn.q_proj.weight", "block_sparse_moe.gate.weight",
    "block_sparse_moe.experts.0.w1.weight",
    "block_sparse_moe.experts.11.w2.weight", "post_attention_layernorm.weight",
)  # fmt: skip
BERT_LAYER = (
    "attention.self.query.weight", "attention.output.dense.bias", "attention.output.LayerNorm.weight",
    "intermediate.dense.weight", "output.dense.weight", "output.LayerNorm.bias",
)  # fmt: skip


def stack(name: str, layer: tuple[str, ...], depth: int = 12) -> list[str]:
    return [f"{name}.{i}.{part}" for i in range(depth) for part in layer]


LLAMA = ["model.embed_tokens.weight", *stack("model.layers", LLAMA_LAYER), "model.norm.weight", "lm_head.weight"]
GPT2 = [
    "transformer.wte.weight", "transformer.wpe.weight", *stack("transformer.h", GPT2_LAYER),
    "transformer.ln_f.weight", "transformer.ln_f.bias",
]  # fmt: skip
NEOX = [
    "gpt_neox.embed_in.weight", *stack("gpt_neox.layers", NEOX_LAYER), "gpt_neox.final_layer_norm.weight",
    "gpt_neox.final_layer_norm.bias", "embed_out.weight",
]  # fmt: skip
OPT = [
    "model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight", *stack("model.decoder.layers",
    OPT_LAYER),
    "model.decoder.final_layer_norm.weight", "lm_head.weight",
]  # fmt: skip
MIXTRAL = ["model.embed_tokens.weight", *stack("model.layers", MIXTRAL_LAYER), "model.norm.weight", "lm_head.weight"]
BERT = [
    "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.weight", *stack("bert.encoder.layer",
    BERT_LAYER),
    "bert.pooler.dense.weight", "classifier.weight", "classifier.bias",
]  # fmt: skip
FALCON = [
    "transformer.word_embeddings.weight",
    *stack("transformer.h", ("self_attention.query_key_value.weight", "mlp.dense_h_to_4h.weight",
    "input_layernorm.weight")),
    "transformer.ln_f.weight", "lm_head.weight",
]  # fmt: skip
BARE_LLAMA = [n.removeprefix("model.") for n in LLAMA if n != "lm_head.weight"]
BARE_GPT2 = [n.removeprefix("transformer.") for n in GPT2]
ALL = {
    "llama": LLAMA, "gpt2": GPT2, "neox": NEOX, "opt": OPT, "mixtral": MIXTRAL, "bert": BERT, "falcon": FALCON,
    "bare llama": BARE_LLAMA, "bare gpt2": BARE_GPT2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("llama", "model.layers"), ("gpt2", "transformer.h"), ("neox", "gpt_neox.layers"), ("opt",
        "model.decoder.layers"),
        ("mixtral", "model.layers"), ("bert", "bert.encoder.layer"), ("falcon", "transformer.h"), ("bare llama",
        "layers"),
        ("bare gpt2", "h"),
    ],
)  # fmt: skip
def test_the_stack_of_layers_is_found(names, expected):
    layout = Layout(ALL[names])
    assert (layout.stack, layout.depth) == (expected, 12)


@pytest.mark.parametrize("names", ALL)
def test_every_tensor_has_one_place(names):
    layout = Layout(ALL[names])
    assert set(layout.places) == set(ALL[names])
    for place in layout.places.values():
        assert place.kind in (ROLES if place.layer is None else GROUPS)
        if place.layer is not None:
            assert layout.name(place.layer, place.part) == place.name
    inside = sum(len(layout.parts(i)) for i in range(layout.depth))
    assert inside + len(layout.outside()) == len(ALL[names])


@pytest.mark.parametrize(
    ("names", "tensor", "kind"),
    [
        ("llama", "model.layers.0.self_attn.q_proj.weight", "attention"),
        ("llama", "model.layers.11.mlp.down_proj.weight", "mlp"),
        ("llama", "model.layers.5.input_layernorm.weight", "rest"),
        ("llama", "model.layers.5.post_attention_layernorm.weight", "rest"),
        ("llama", "model.layers.5.self_attn.q_norm.weight", "attention"),
        ("llama", "model.embed_tokens.weight", "embedding"),
        ("llama", "model.norm.weight", "final norm"),
        ("llama", "lm_head.weight", "head"),
        ("gpt2", "transformer.h.3.attn.c_attn.bias", "attention"),
        ("gpt2", "transformer.h.3.mlp.c_proj.weight", "mlp"),
        ("gpt2", "transformer.h.3.ln_1.bias", "rest"),
        ("gpt2", "transformer.wpe.weight", "embedding"),
        ("gpt2", "transformer.ln_f.bias", "final norm"),
        ("neox", "gpt_neox.layers.0.attention.dense.weight", "attention"),
        ("neox", "gpt_neox.layers.0.mlp.dense_h_to_4h.weight", "mlp"),
        ("neox", "gpt_neox.embed_in.weight", "embedding"),
        ("neox", "gpt_neox.final_layer_norm.bias", "final norm"),
        ("neox", "embed_out.weight", "head"),
        ("opt", "model.decoder.layers.0.fc1.weight", "mlp"),
        ("opt", "model.decoder.layers.0.self_attn.out_proj.bias", "attention"),
        ("opt", "model.decoder.layers.0.self_attn_layer_norm.weight", "rest"),
        ("opt", "model.decoder.layers.0.final_layer_norm.weight", "rest"),
        ("opt", "model.decoder.embed_positions.weight", "embedding"),
        ("opt", "model.decoder.final_layer_norm.weight", "final norm"),
        ("mixtral", "model.layers.0.block_sparse_moe.experts.11.w2.weight", "mlp"),
        ("mixtral", "model.layers.0.block_sparse_moe.gate.weight", "mlp"),
        ("bert", "bert.encoder.layer.0.attention.self.query.weight", "attention"),
        ("bert", "bert.encoder.layer.0.intermediate.dense.weight", "mlp"),
        ("bert", "bert.encoder.layer.0.output.dense.weight", "mlp"),
        ("bert", "bert.embeddings.word_embeddings.weight", "embedding"),
        ("bert", "bert.embeddings.LayerNorm.weight", "embedding"),
        ("bert", "classifier.bias", "head"),
        ("falcon", "transformer.h.0.self_attention.query_key_value.weight", "attention"),
        ("falcon", "transformer.word_embeddings.weight", "embedding"),
        ("bare llama", "embed_tokens.weight", "embedding"),
        ("bare llama", "norm.weight", "final norm"),
        ("bare gpt2", "wte.weight", "embedding"),
        ("bare gpt2", "ln_f.weight", "final norm"),
        ("bare gpt2", "h.0.attn.c_attn.weight", "attention"),
    ],
)
def test_what_kind_of_tensor_it_is(names, tensor, kind):
    assert Layout(ALL[names]).place(tensor).kind == kind


def test_a_place_says_where():
    layout = Layout(LLAMA)
    place = layout.place("model.layers.10.mlp.up_proj.weight")
    assert (place.layer, place.part) == (10, "mlp.up_proj.weight")
    outside = layout.place("model.norm.weight")
    assert (outside.layer, outside.part) == (None, "model.norm.weight")


def test_parts_come_in_the_order_of_the_checkpoint():
    assert Layout(LLAMA).parts(3) == list(LLAMA_LAYER)
    assert Layout(LLAMA).parts(12) == []


def test_names_outside_by_role():
    layout = Layout(GPT2)
    assert layout.outside("embedding") == ["transformer.wte.weight", "transformer.wpe.weight"]
    assert layout.outside("head") == []
    assert layout.outside("embedding", "final norm") == layout.outside()


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        ("llama", "attention", ("self_attn",)),
        ("llama", "mlp", ("mlp",)),
        ("llama", "rest", ("input_layernorm", "post_attention_layernorm")),
        ("llama", "embedding", ("model.embed_tokens",)),
        ("llama", "final norm", ("model.norm",)),
        ("llama", "head", ("lm_head",)),
        ("llama", "other", ()),
        ("gpt2", "attention", ("attn",)),
        ("gpt2", "final norm", ("transformer.ln_f",)),
        ("gpt2", "head", ()),
        ("neox", "head", ("embed_out",)),
        ("neox", "final norm", ("gpt_neox.final_layer_norm",)),
        ("mixtral", "mlp", ("block_sparse_moe",)),
        ("opt", "final norm", ("model.decoder.final_layer_norm",)),
    ],
)
def test_filters(names, kind, expected):
    assert Layout(ALL[names]).filters(kind) == expected


@pytest.mark.parametrize("names", ALL)
@pytest.mark.parametrize("kind", [*GROUPS, *ROLES])
def test_filters_match_their_kind_and_nothing_else(names, kind):
    layout = Layout(ALL[names])
    filters = layout.filters(kind)
    matched = {n for n in layout.names if any(f in n for f in filters)}
    assert matched in (set(), {p.name for p in layout.places.values() if p.kind == kind})


def test_attention_is_distinguished_from_a_norm_named_after_it():
    # "attention" alone would match "post_attention_layernorm" as well
    layout = Layout(NEOX)
    for f in layout.filters("attention"):
        assert not any(f in n for n in layout.names if layout.place(n).kind != "attention")
    assert layout.filters("attention")


def test_of_several_stacks_the_one_of_the_configured_depth_is_meant():
    vision = stack("vision.layers", LLAMA_LAYER, 24)
    names = [*vision, *LLAMA]
    assert Layout(names).stack == "vision.layers"
    assert Layout(names, depth=12).stack == "model.layers"
    assert Layout(names, depth=24).stack == "vision.layers"


def test_layers_are_counted_by_number_and_not_by_how_many_there_are():
    assert Layout(["model.layers.0.a.weight", "model.layers.7.a.weight"]).depth == 8


@pytest.mark.parametrize("names", [[], ["weight"], ["model.norm.weight", "lm_head.weight"]])
def test_models_without_layers(names):
    layout = Layout(names)
    assert (layout.stack, layout.depth) == (None, 0)
    assert layout.outside() == names


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("model.layers.0.self_attn.rotary_emb.inv_freq", True),
        ("gpt_neox.layers.0.attention.rotary_emb.inv_freq", True),
        ("gpt_neox.layers.0.attention.bias", True),
        ("gpt_neox.layers.0.attention.masked_bias", True),
        ("transformer.h.0.attn.bias", True),
        ("h.0.attn.masked_bias", True),
        ("bert.embeddings.position_ids", True),
        ("transformer.h.0.attn.c_attn.bias", False),
        ("transformer.h.0.attn.c_proj.bias", False),
        ("gpt_neox.layers.0.attention.dense.bias", False),
        ("model.layers.0.self_attn.q_proj.bias", False),
        ("model.layers.0.mlp.down_proj.weight", False),
    ],
)
def test_buffers_that_models_rebuild(name, derived):
    assert is_derived(name) == derived
