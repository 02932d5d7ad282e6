"""What a base model's config leaves to transformers' defaults is written into the mixture's."""

import pytest
import transformers

from nbmerge.engine.planning.mixtures.architectures import ARCHITECTURES, find_architecture

KEYS = (
    "rms_norm_eps", "hidden_act", "tie_word_embeddings", "num_key_value_heads", "max_position_embeddings", "rope_parameters",
)  # fmt: skip
PAIRS = [(a, base) for a in ARCHITECTURES for base in a.bases]


@pytest.mark.parametrize(("architecture", "base"), PAIRS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.slow
def test_defaults_of_the_base_are_spelled_out(architecture, base):
    bare = {"model_type": base, "num_hidden_layers": 2, "intermediate_size": 48}
    before = transformers.AutoConfig.for_model(**bare)
    after = transformers.AutoConfig.for_model(**architecture.config(bare, 3, 2))
    assert type(after).__name__.removesuffix("Config") == architecture.class_name.removesuffix("ForCausalLM")
    for key in KEYS:
        assert getattr(after, key) == getattr(before, key), key
    window = before.sliding_window if base != "llama" else None
    assert (after.sliding_window or None) == (window or None)
    assert after.num_experts_per_tok == 2
    if base == "qwen3":  # the only one with a width of heads of its own
        assert after.head_dim == before.head_dim
    assert after.architectures == [architecture.class_name]


def test_names_of_other_programs_are_known():
    names = {
        "Mixtral": "mixtral",
        "Qwen MoE": "qwen2_moe",
        "qwen": "qwen2_moe",
        "Qwen3 MoE": "qwen3_moe",
        "qwen3-moe": "qwen3_moe",
    }
    assert {name: find_architecture(name).name for name in names} == names
