"""A sample of very different architectures, merged with a gradient and stacked; all of them: ``python -m tests.architectures``.

What imports transformers is imported by the tests, so that collecting them does not.
"""

import pytest

SAMPLE = {
    "LlamaForCausalLM": "llama",
    "GPT2LMHeadModel": "gpt2",
    "MixtralForCausalLM": "mixtral",
    "RecurrentGemmaForCausalLM": "recurrent_gemma",
    "GPTNeoForCausalLM": "gpt_neo",
    "MambaForCausalLM": "mamba",
    "BartForCausalLM": "bart",
    "CTRLLMHeadModel": "ctrl",
    "CpmAntForCausalLM": "cpmant",
    "CamembertForMaskedLM": "camembert",
    "T5ForConditionalGeneration": "t5",
    "SwitchTransformersForConditionalGeneration": "switch_transformers",
    "SeamlessM4TForTextToText": "seamless_m4t",
    "NemotronHForCausalLM": "nemotron_h",
    "BertForMaskedLM": "bert",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # transformers' own, about configs that are smaller than any real one
@pytest.mark.parametrize("name", SAMPLE)
def test_it_loads_and_answers_merged_and_stacked(name, tmp_path):
    from tests.architectures.trial import try_architecture

    outcomes = list(try_architecture(SAMPLE[name], name, tmp_path / "models"))
    assert [(o.kind, o.result) for o in outcomes] == [("gradient", "works"), ("stacked", "works")], outcomes


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_architectures_that_cannot_be_stacked_are_refused(tmp_path):
    from tests.architectures.trial import try_architecture

    merged, stacked = try_architecture("gemma4", "Gemma4ForCausalLM", tmp_path / "models")
    assert merged.result == "works"
    assert stacked.result == "refused"
    assert "embed_tokens_per_layer.weight is 64×128 instead of 64×160" in stacked.why
