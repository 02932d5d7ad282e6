"""transformers loads what was merged, with nothing missing and nothing made up."""

import pytest
import torch

from nbmerge.engine.merge import merge
from nbmerge.recipe import Recipe
from tests.models import make_model, read_tensors


@pytest.mark.parametrize(
    "options", [{"architecture": "gpt2"}, {"tied": True}, {"architecture": "qwen2", "dtype": "bfloat16"}, {"shards": 3}]
)
@pytest.mark.rest_is_slow(keep=2)
def test_it_loads_with_transformers(tmp_path, options):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = make_model(tmp_path / "base", **options)
    tuned = make_model(tmp_path / "tuned", base=base, seed=1, dtype=options.get("dtype", "float32"))
    r = Recipe.of({"merge_method": "slerp", "models": [str(base), str(tuned)], "parameters": {"t": [0, 1]}})
    out = merge(r, tmp_path / "out", max_shard_size=6000).path
    model, report = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(report.values())
    state, stored = model.state_dict(), read_tensors(out)
    assert all(torch.equal(state[n], t) for n, t in stored.items())
    ids = AutoTokenizer.from_pretrained(out)("hello", return_tensors="pt").input_ids
    assert torch.isfinite(model(ids).logits).all()


def test_a_deeper_stack_loads_with_transformers(tmp_path, family):
    from transformers import AutoModelForCausalLM

    slices = [
        {"sources": [{"model": str(m), "layer_range": r}]} for m, r in ((family.base, [0, 3]), (family.ft1, [1, 3]))
    ]
    out = merge(Recipe.of({"merge_method": "passthrough", "slices": slices}), tmp_path / "out").path
    model, report = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
    assert not any(report.values())
    assert model.config.num_hidden_layers == 5
    tuned = read_tensors(family.ft1)
    assert torch.equal(
        model.state_dict()["model.layers.4.mlp.up_proj.weight"], tuned["model.layers.2.mlp.up_proj.weight"]
    )


def test_a_tied_head_taken_alone_loads_with_transformers(tmp_path, family):
    from transformers import AutoModelForCausalLM

    tied = make_model(tmp_path / "tied", tied=True, seed=5)
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    embedding = read_tensors(tied)["model.embed_tokens.weight"]
    for i, donors in enumerate(
        ({"embedding_source": str(tied), "lm_head_source": str(tied)}, {"lm_head_source": str(tied)})
    ):
        out = merge(Recipe.of(data | donors), tmp_path / str(i)).path
        model, report = AutoModelForCausalLM.from_pretrained(out, output_loading_info=True)
        assert not any(report.values())
        assert torch.equal(model.lm_head.weight, embedding)
