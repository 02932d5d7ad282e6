"""What is wrong with a mixture is said before any work, with the line and what to do."""

import json
import re
import shutil

import pytest
import torch
import yaml

import nbmerge as nbm
from nbmerge.errors import MergeError, RecipeError
from nbmerge.problems import place
from tests.mixtures import mixture
from tests.models import make_family, make_model


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    found = make_family(folder)
    make_model(folder / "wide", intermediate=32)
    make_model(folder / "deep", layers=4)
    make_model(folder / "more-tokens", base=found.base, vocab=30)
    make_model(folder / "qwen2", architecture="qwen2")
    make_model(folder / "gpt2", architecture="gpt2")
    make_model(folder / "silent", base=found.base, tokenizer=False)
    make_model(folder / "words", vocab=40)
    return found


@pytest.fixture
def recipe(family):
    return mixture(family.base, [family.ft1, family.ft2])


def found_in(recipe):
    report = nbm.check(yaml.safe_dump(recipe, sort_keys=False))
    assert not report or all(p.severity != "error" for p in report.problems)
    return {place(p.where): p for p in report.problems}


BAD = {
    "another width": ({"experts": [{"source_model": "wide"}]}, "experts[0].source_model", "16×32"),
    "another depth": ({"experts": [{"source_model": "deep"}]}, "experts[0].source_model", "has 4 layers"),
    "another kind": ({"experts": [{"source_model": "qwen2"}]}, "experts[0].source_model", "is qwen2"),
    "no such model": ({"experts": [{"source_model": "absent"}]}, "experts[0].source_model", "absent"),
    "a base that is none": ({"base_model": "gpt2"}, "base_model", "is gpt2.*llama, mistral"),
    "no base": ({"base_model": None}, "base_model", "is missing"),
    "too many for a token": (
        {"experts_per_token": 3},
        "experts_per_token",
        "each token would use 3 experts, and the recipe has 2",
    ),
    "no prompts": ({"experts": [{"positive_prompts": []}]}, "experts[0].positive_prompts", "has no positive_prompts"),
    "prompts that cancel": (
        {"experts": [{"negative_prompts": ["hello world", "abc"]}]},
        "experts[0].negative_prompts",
        "cancel",
    ),
    "equal prompts": (
        {"experts": [{}, {"positive_prompts": ["abc", "hello world"]}]},
        "experts[1].positive_prompts",
        "cannot tell them apart",
    ),
    "no tokenizer": ({"base_model": "silent"}, "base_model", "no tokenizer"),
    "an unknown architecture": ({"architecture": "mixtrl"}, "architecture", r"Did you mean 'mixtral'\?"),
    "an architecture for others": ({"architecture": "qwen3"}, "architecture", r"Choose mixtral or qwen2_moe"),
    "DeepSeek": ({"architecture": "deepseek"}, "architecture", r"no DeepSeek.*Choose mixtral"),
    "a shared expert too many": (
        {"architecture": "mixtral", "shared_experts": [{"source_model": "base", "positive_prompts": ["x"]}]},
        "shared_experts",
        "architecture: qwen2_moe",
    ),
    "no shared expert": ({"architecture": "qwen2_moe"}, "shared_experts", "exactly one shared expert"),
    "a parameter": ({"parameters": {"weight": 1}}, "parameters", "a mixture has no 'parameters'"),
    "a tokenizer": ({"tokenizer_source": "union"}, "tokenizer_source", "a mixture has no 'tokenizer_source'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_errors_have_a_place_and_a_way_out(kind, recipe, family):
    changes, where, text = BAD[kind]
    folder = family.base.parent
    for key, value in changes.items():
        if key == "experts":
            for expert, more in zip(recipe["experts"], value, strict=False):
                expert |= {k: str(folder / v) if k == "source_model" else v for k, v in more.items()}
        elif key == "base_model":
            recipe[key] = value and str(folder / value)
        else:
            recipe[key] = value
    for expert in recipe.get("shared_experts", ()):
        expert["source_model"] = str(folder / expert["source_model"])
    problem = found_in(recipe)[where]
    assert problem.severity == "error"
    assert problem.line or where == "base_model"
    assert re.search(text, f"{problem.what} {problem.how}")
    assert problem.how or kind == "no such model"


def test_a_base_with_parts_that_the_mixture_has_not_is_refused(family, recipe, tmp_path):
    config = {"attention_bias": True}
    biases = {f"model.layers.{i}.self_attn.q_proj.bias": torch.ones(16) for i in range(3)}
    recipe["base_model"] = str(make_model(tmp_path / "biased", base=family.base, config=config, replace=biases))
    assert "Mixtral has no place for self_attn.q_proj.bias of biased" in found_in(recipe)["base_model"].what


def test_warnings_do_not_prevent_a_mixture(recipe, family):
    recipe["experts"][0]["source_model"] = str(family.base.parent / "words")
    recipe["gate_mode"] = "random"
    found = found_in(recipe)
    assert "a vocabulary of 40" in found["experts[0].source_model"].what
    assert "prompts have no effect" in found["gate_mode"].what
    assert {p.severity for p in found.values()} == {"warning"}


def test_an_expert_with_other_tokens_or_none_beside_it_is_a_warning(recipe, family, tmp_path):
    other = shutil.copytree(family.ft2, tmp_path / "other")
    tokens = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (other / "tokenizer.json").write_text(json.dumps(tokens))
    recipe["experts"][1]["source_model"] = str(other)
    found = found_in(recipe)
    assert "different ids for 2 tokens" in found["experts[1].source_model"].what
    recipe |= {"experts": recipe["experts"][1:], "experts_per_token": 1}
    found = found_in(recipe)
    assert "a mixture of one expert" in found["experts"].what
    assert {p.severity for p in found.values()} == {"warning"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate_mode: hiden", r"line 3, gate_mode: unknown gate_mode 'hiden'. Did you mean 'hidden'\?"),
        ("gate_mod: hidden", r"line 3, gate_mod: unknown key 'gate_mod'. Did you mean 'gate_mode'\?"),
        ("merge_method: linear", r"a recipe with 'experts' has no merge_method, or 'moe', not 'linear'"),
        ("shared_experts: [a]", r"shared_experts\[0\]: expected a mapping, not 'a'. An expert has 'source_model'"),
        ("models: [a]", r"exactly one of 'models', 'slices', 'modules' and 'experts'"),
    ],
)
def test_files_are_read_with_lines_and_nearest_names(text, message):
    with pytest.raises(RecipeError, match=message):
        nbm.Recipe.load(f"base_model: a\nexperts: [{{source_model: b}}]\n{text}\n")


def test_keys_of_experts_have_lines_and_nearest_names():
    text = "base_model: a\nexperts:\n- source_model: b\n  positiv_prompts: [x]\n- source_model: c\n  positive_prompts: [x, '']\n"
    with pytest.raises(RecipeError) as caught:
        nbm.Recipe.load(text)
    assert [str(p) for p in caught.value.problems] == [
        "line 4, experts[0].positiv_prompts: unknown key 'positiv_prompts'. Did you mean 'positive_prompts'?",
        "line 6, experts[1].positive_prompts: prompt 2 of the list is empty. Write a text, or remove it.",
    ]
    with pytest.raises(RecipeError, match="'shared_experts' and 'architecture' belong to a mixture"):
        nbm.Recipe.load("merge_method: linear\nmodels: [a]\narchitecture: mixtral\n")


def test_a_prompt_that_is_too_long_is_named(tmp_path, capfd):
    family = make_family(tmp_path)
    recipe = mixture(family.base, [family.ft1, family.ft2])
    settings = family.base / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"model_max_length": 64}))
    recipe["experts"][0]["positive_prompts"] = ["abc" * 40]
    with pytest.raises(
        MergeError, match=r"'abcabc.*' has 121 tokens, and the base model reads at most 64\. Shorten it"
    ):
        nbm.moe(recipe, tmp_path / "out", progress=False)
    assert "longer than" not in capfd.readouterr().err  # transformers says so as well, in its own words
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_that_is_a_link_to_nothing_is_a_problem(family, recipe, tmp_path):
    base = make_model(tmp_path / "base")
    (base / "tokenizer_config.json").unlink()
    (base / "tokenizer_config.json").symlink_to(tmp_path / "gone")
    problem = found_in(recipe | {"base_model": str(base)})["base_model"]
    assert "tokenizer_config.json cannot be read: No such file" in problem.what
    assert "gate_mode: random" in problem.how
    nbm.plan(recipe | {"base_model": str(base), "gate_mode": "random"})


def test_a_mixture_is_written_for_mergekit_and_in_words(recipe):
    recipe["gate_mode"] = "cheap_embed"
    made = nbm.Recipe.of(recipe)
    export = made.to_mergekit()
    assert export.same
    assert yaml.safe_load(export.text) == recipe
    assert nbm.Recipe.load(made.to_yaml()) == made
    assert not nbm.Recipe.of(recipe | {"gate_mode": "random"}).to_mergekit().same
    assert made.describe().startswith(
        "Mixture of experts: in each layer the MLPs of ft1 and ft2, 2 of 2 for each token."
    )


def test_differences_of_mixtures_are_said_in_words(recipe):
    before = nbm.Recipe.of(recipe)
    recipe["experts"][0]["positive_prompts"] = ["other"]
    recipe["experts"][1]["residual_scale"] = 0.5
    after = nbm.Recipe.of(recipe | {"gate_mode": "hidden_avg"})
    text = "gate_mode hidden → hidden_avg; prompts of expert ft1 changed; residual_scale of expert ft2 none → 0.5"
    assert str(nbm.describe_difference(before, after)).startswith(text)


def test_formulas_tell_routers_from_copies(recipe):
    recipe["experts"][1]["residual_scale"] = 0.5
    plan = nbm.plan(recipe)
    layer = "model.layers.1.block_sparse_moe"
    assert plan.formula(f"{layer}.experts.1.w2.weight").text == "W = 0.5·ft2"
    router = plan.formula(f"{layer}.gate.weight").text
    assert router == "W = unit vectors of what layer 1 of the base model gets for each expert's prompts"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layer_types": ["full_attention"]}, r"lists 1 layer_types, and it has 3 layers|layer_types"),
        ({"num_attention_heads": 0}, "transformers cannot evaluate the base model"),
    ],
)
def test_a_base_model_that_cannot_be_evaluated_is_an_error_of_ours(recipe, tmp_path, config, message):
    model = make_model(tmp_path / "model", architecture="qwen3", config=config)
    expert = make_model(tmp_path / "ft", base=model, seed=1)
    recipe = mixture(model, [expert], experts_per_token=1)
    with pytest.raises((MergeError, RecipeError), match=message):
        nbm.moe(recipe, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
