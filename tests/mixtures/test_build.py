"""Mixtures on disk and in memory: what is in them, and that transformers computes with it what the formula says."""

import json
from pathlib import Path

import pytest
import torch
import transformers
import yaml

import nbmerge as nbm
from nbmerge.engine.compute.routers import read_routers
from nbmerge.engine.compute.routers.once import Once
from nbmerge.errors import RecipeError
from nbmerge.methods.numerics.random_streams import normal
from nbmerge.recipe import Recipe
from tests.mixtures import POSITIVE, mixture
from tests.models import make_family, make_model, read_tensors


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return make_family(tmp_path_factory.mktemp("family"))


def logits(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(torch.tensor([[1, 5, 9, 20, 7, 3]])).logits, model


KINDS = {
    "llama": ({"architecture": "llama", "tied": True}, {}, "mixtral"),
    "mistral": ({"architecture": "mistral", "config": {"sliding_window": 3}}, {}, "mixtral"),
    "qwen3": ({"architecture": "qwen3"}, {}, "qwen3_moe"),
    "qwen2": ({"architecture": "qwen2"}, {"shared": True}, "qwen2_moe"),
    "llama with a shared expert": ({"config": {"rms_norm_eps": None}}, {"shared": True}, "qwen2_moe"),
    "mistral with a shared expert": (
        {"architecture": "mistral", "config": {"sliding_window": 3}},
        {"shared": True},
        "qwen2_moe",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:.*sliding:UserWarning")
@pytest.mark.rest_is_slow(keep=3)
def test_equal_experts_compute_what_the_model_does(kind, tmp_path):
    sizes, more, target = KINDS[kind]
    base = make_model(tmp_path / "base", **sizes)
    settings = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    recipe = mixture(base, [base, base])
    if more.get("shared"):
        recipe["shared_experts"] = [{"source_model": str(base), "positive_prompts": ["x"], "residual_scale": 0}]
    result = nbm.moe(recipe, tmp_path / "out", progress=False)
    assert not result.warnings
    assert "same model" in str(nbm.check(recipe))
    found, model = logits(tmp_path / "out")
    assert model.config.model_type == target
    torch.testing.assert_close(found, logits(base)[0], rtol=1e-4, atol=1e-5)
    assert model.generate(torch.tensor([[1, 5]]), max_new_tokens=3, do_sample=False).shape == (1, 5)
    again = model.save_pretrained(tmp_path / "saved") or read_tensors(tmp_path / "saved")
    assert again.keys() == read_tensors(tmp_path / "out").keys()  # the names that transformers itself writes


def test_tensors_are_those_of_the_models(family, tmp_path):
    recipe = mixture(family.base, [family.ft1, family.ft2, family.ft1], gate_mode="random", random_seed=5)
    recipe["experts"][1] |= {"residual_scale": 0.5}
    recipe["experts"][2] |= {"noise_scale": 0.25}
    nbm.moe(recipe, tmp_path / "out", progress=False)
    base, one, two = (read_tensors(m) for m in (family.base, family.ft1, family.ft2))
    made = read_tensors(tmp_path / "out")
    layer, moe = "model.layers.1.", "model.layers.1.block_sparse_moe."
    assert torch.equal(made[f"{layer}self_attn.q_proj.weight"], base[f"{layer}self_attn.q_proj.weight"])
    assert torch.equal(made["lm_head.weight"], base["lm_head.weight"])
    for ours, theirs in {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}.items():
        factor = 0.5 if ours == "w2" else 1
        assert torch.equal(made[f"{moe}experts.0.{ours}.weight"], one[f"{layer}mlp.{theirs}.weight"])
        assert torch.equal(made[f"{moe}experts.1.{ours}.weight"], factor * two[f"{layer}mlp.{theirs}.weight"])
        noise = made[f"{moe}experts.2.{ours}.weight"] - one[f"{layer}mlp.{theirs}.weight"]
        assert 0.2 < float(noise.std()) < 0.3
    router = made[f"{moe}gate.weight"]
    expected = normal(f"5/router/{moe}gate.weight", 0, router.numel()).reshape(router.shape)
    torch.testing.assert_close(router, torch.from_numpy(expected).float())
    assert json.loads((tmp_path / "out/config.json").read_text())["num_local_experts"] == 3


def states(base, prompts, mean):
    """What every layer gets for a prompt, in float64, without nbmerge."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    found = []
    for prompt in prompts:
        ids = torch.tensor([tokenizer("<s>" + prompt, add_special_tokens=False).input_ids])
        with torch.no_grad():
            hidden = torch.stack(model(ids, output_hidden_states=True).hidden_states[:-1])[:, 0]
        found.append(hidden.mean(1) if mean else hidden[:, -1])
    return torch.stack(found).mean(0)


@pytest.mark.parametrize("mode", ["hidden", "hidden_avg"])
@pytest.mark.slow
def test_routers_are_hidden_states_of_the_base_model(mode, tmp_path):
    base = make_model(tmp_path / "base", architecture="mistral", config={"sliding_window": 4}, shards=3)
    experts = [make_model(tmp_path / f"ft{i}", base=base, seed=i) for i in (1, 2)]
    recipe = mixture(base, experts, gate_mode=mode)
    recipe["experts"][0]["negative_prompts"] = ["xy", "zz zz"]
    result = nbm.moe(recipe, tmp_path / "out", progress=False)
    made = read_tensors(tmp_path / "out")
    first = states(base, POSITIVE[0], mode == "hidden_avg") - states(base, ["xy", "zz zz"], mode == "hidden_avg")
    rows = torch.stack([first, states(base, POSITIVE[1], mode == "hidden_avg")], 1)
    rows /= rows.norm(dim=-1, keepdim=True)
    for layer in range(result.plan.depth):
        router = made[f"model.layers.{layer}.block_sparse_moe.gate.weight"]
        torch.testing.assert_close(router.double(), rows[layer], rtol=1e-5, atol=1e-6)
    # every tensor of the base model but those of the last layer's MLP is read once for all routers
    experts_read = sum(t.nbytes for t in result.plan.tensors if "experts" in t.name)
    assert result.plan.bytes_read < 2 * sum(t.nbytes for t in read_tensors(base).values()) + experts_read


def test_a_base_model_that_is_computed_has_the_routers_of_one_in_a_file(family, tmp_path):
    merged = f"name: same\nmerge_method: linear\nmodels: [{family.base}, {family.base}]\nparameters: {{weight: 0.5}}\n"
    experts = [family.ft1, family.ft2]
    nbm.moe(f"{merged}---\n{json.dumps(mixture('same', experts))}", tmp_path / "merge", progress=False)
    nbm.moe(mixture(family.base, experts), tmp_path / "file", progress=False)
    made, expected = read_tensors(tmp_path / "merge"), read_tensors(tmp_path / "file")
    assert all(torch.equal(made[name], tensor) for name, tensor in expected.items())


def test_cheap_routers_are_sums_of_embeddings(family, tmp_path):
    recipe = mixture(family.base, [family.ft1, family.ft2], gate_mode="cheap_embed")
    nbm.moe(recipe, tmp_path / "out", progress=False)
    table = read_tensors(family.base)["model.embed_tokens.weight"].double()
    tokenizer = transformers.AutoTokenizer.from_pretrained(family.base)
    ids = [i for p in POSITIVE[0] for i in tokenizer("<s>" + p, add_special_tokens=False).input_ids]
    row = table[ids].sum(0)
    for layer in range(3):
        router = read_tensors(tmp_path / "out")[f"model.layers.{layer}.block_sparse_moe.gate.weight"]
        torch.testing.assert_close(router[0].double(), row / row.norm(), rtol=1e-5, atol=1e-7)


def test_what_is_heard_is_what_is_saved(family, tmp_path, monkeypatch):
    recipe = mixture(family.base, [family.ft1, family.ft2], dtype="bfloat16")
    with nbm.live(recipe, progress=False) as live:
        ids = torch.tensor([[1, 5, 9, 20, 7, 3]])
        with torch.no_grad():
            heard = live.model(ids).logits
        live.save(tmp_path / "saved", progress=False)
        changed = live.update(recipe | {"gate_mode": "random"}, progress=False)
        assert {name.rsplit(".", 2)[-2] for name in changed.touched} == {"gate"}
    monkeypatch.setattr(read_routers, "_rows", Once(1))  # nothing is known from the live one
    nbm.moe(recipe, tmp_path / "merged", threads=3, progress=False)
    file = "model.safetensors"
    assert (tmp_path / "saved" / file).read_bytes() == (tmp_path / "merged" / file).read_bytes()
    torch.testing.assert_close(heard, logits(tmp_path / "saved")[0])
    assert nbm.verify(tmp_path / "merged", derive=True, progress=False).differing == ()
    steps = nbm.trace_lineage(tmp_path / "merged").steps
    assert {Path(step.parent).name for step in steps} == {"ft1", "ft2", "base"}


@pytest.mark.parametrize("same", [False, True])
def test_an_update_writes_experts_into_the_model_that_is_heard(same, family, tmp_path):
    recipe = mixture(family.base, [family.ft1, family.ft1 if same else family.ft2], gate_mode="random")
    other = recipe | {"experts": [recipe["experts"][0], recipe["experts"][1] | {"residual_scale": 0.5}]}
    ids = torch.tensor([[1, 5, 9, 20, 7, 3]])
    with nbm.live(recipe, progress=False) as live, nbm.live(other, progress=False) as expected, torch.no_grad():
        model, before = live.model, live.model(ids).logits
        pin = live.pin()
        live.update(other, progress=False)
        assert same or live.model is model  # equal experts cannot be told apart, so their model is built again
        assert torch.equal(live.model(ids).logits, expected.model(ids).logits)
        assert torch.equal(pin.model(ids).logits, before)
        assert not torch.equal(live.model(ids).logits, before)
        live.save(tmp_path / "saved", progress=False)
    nbm.moe(other, tmp_path / "merged", progress=False)
    file = "model.safetensors"
    assert (tmp_path / "saved" / file).read_bytes() == (tmp_path / "merged" / file).read_bytes()


def test_a_changed_base_model_is_not_taken_for_the_old_one(tmp_path):
    base = make_model(tmp_path / "base")
    recipe = mixture(base, [make_model(tmp_path / "ft", base=base, seed=1)], experts_per_token=1)
    nbm.moe(recipe, tmp_path / "one", progress=False)
    make_model(tmp_path / "base", seed=9)
    nbm.moe(recipe, tmp_path / "two", progress=False)
    routers = [read_tensors(tmp_path / n)["model.layers.2.block_sparse_moe.gate.weight"] for n in ("one", "two")]
    assert not torch.allclose(*routers, atol=1e-3)


@pytest.mark.parametrize("mode", ["hidden", "cheap_embed"])
def test_routers_follow_the_values_of_a_merge_that_is_the_base_model(family, mode):
    def make(weight):
        models = [{"model": str(family.ft1), "parameters": {"weight": 1 - weight}},
                  {"model": str(family.ft2), "parameters": {"weight": weight}}]  # fmt: skip
        inner = {"name": "inner", "merge_method": "linear", "models": models}
        outer = mixture("inner", [family.ft1, family.ft2], gate_mode=mode)
        return Recipe.load(yaml.safe_dump_all([inner, outer]))

    with (
        nbm.live(make(0.0), progress=False) as changed,
        nbm.live(mixture(family.ft2, [family.ft1, family.ft2], gate_mode=mode), progress=False) as wanted,
    ):
        changed.update(make(1.0), progress=False)
        for layer in range(3):
            name = f"model.layers.{layer}.mlp.gate.weight"
            assert torch.equal(changed.model.state_dict()[name], wanted.model.state_dict()[name])


def test_an_expert_may_be_a_merge_or_have_an_adapter(family, tmp_path):
    merged = f"name: both\nmerge_method: linear\nmodels: [{family.ft1}, {family.ft2}]\nparameters: {{weight: 0.5}}\n"
    recipe = mixture(family.base, ["both", family.ft2], gate_mode="random")
    result = nbm.moe(f"{merged}---\n{json.dumps(recipe)}", tmp_path / "out", progress=False)
    one, two = (read_tensors(m)["model.layers.0.mlp.up_proj.weight"] for m in (family.ft1, family.ft2))
    made = read_tensors(result.path)["model.layers.0.block_sparse_moe.experts.0.w3.weight"]
    torch.testing.assert_close(made, (one + two) / 2)


def test_a_merge_is_not_a_mixture(family, tmp_path):
    with pytest.raises(RecipeError, match=r"not a mixture of experts.*nbmerge\.merge"):
        nbm.moe({"merge_method": "linear", "models": [str(family.ft1)]}, tmp_path / "out")
