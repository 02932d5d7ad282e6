"""Command lines of older programs, pasted as they are."""

import numpy as np
import pytest
import torch

from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe
from nbmerge.recipe.readers.legacy.tensor_gradient import spread_values


def weights(recipe: Recipe) -> list:
    return [s.parameters["weight"].plain() for s in recipe.models]


def said(recipe: Recipe) -> str:
    return "\n".join(map(str, recipe.notes))


# --- mergekit's main.py and mergekit-legacy ---

README = """\
python main.py \\
    --base-model TheBloke/Llama-2-13B-fp16 \\
    --merge WizardLM/WizardLM-13B-V1.2 --weight 0.3 --density 0.5 \\
    --merge garage-bAInd/Platypus2-13B --weight 0.5 --density 0.5 \\
    ./output-model
"""


def test_the_readme_of_the_first_mergekit():
    r = Recipe.load(README)
    assert r == Recipe.of({
        "merge_method": "ties",
        "base_model": "TheBloke/Llama-2-13B-fp16",
        "models": [
            {"model": "WizardLM/WizardLM-13B-V1.2", "parameters": {"weight": 0.3, "density": 0.5}},
            {"model": "garage-bAInd/Platypus2-13B", "parameters": {"weight": 0.5, "density": 0.5}},
        ],
        "parameters": {"normalize": True},
        "dtype": "bfloat16",
        "dtype_overrides": [{"filter": "embed_tokens", "dtype": "float32"}, {"filter": "lm_head", "dtype": "float32"}],
    })  # fmt: skip
    assert "main.py" in r.origin
    assert "./output-model" in said(r)


def test_its_defaults():
    r = Recipe.load("python main.py out --merge a --merge b --base-model c --no-bf16")
    assert [s.parameters["weight"].plain() for s in r.models] == [1, 1]
    assert [s.parameters["density"].plain() for s in r.models] == [0.33, 0.33]
    assert r.dtype is None
    assert not r.dtype_overrides


def test_one_value_holds_for_all_and_order_of_appearance_counts():
    r = Recipe.load("main.py out --weight .2 --weight .7 --merge a --density .5 --merge b --base-model c")
    assert weights(r) == [0.2, 0.7]
    assert [s.parameters["density"].plain() for s in r.models] == [0.5, 0.5]


def test_slerp_takes_its_weight_as_t():
    r = Recipe.load("main.py out --method slerp --base-model a --merge b --weight 0.3 --no-bf16")
    assert r == Recipe.of({"merge_method": "slerp", "base_model": "a", "models": ["a", "b"], "parameters": {"t": 0.3}})
    assert Recipe.load("main.py out --method slerp --merge a --merge b --weight 0.3 --no-bf16") == r


def test_linear_with_a_base_takes_only_its_config():
    r = Recipe.load("main.py out --method linear --base-model c --merge a --merge b --weight 1 --no-bf16")
    assert [s.model.path for s in r.models] == ["a", "b"]
    assert r.base_model.path == "c"
    assert "config" in said(r)


def test_mergekit_legacy_has_other_defaults():
    r = Recipe.load("mergekit-legacy out --merge a --merge b --base-model c")
    assert r.dtype is None
    assert [s.parameters["density"].plain() for s in r.models] == [1, 1]
    r = Recipe.load("mergekit-legacy out --merge a --merge b --base-model c --bf16 --random-seed 7")
    assert (r.dtype, r.dtype_overrides, r.random_seed) == ("bfloat16", (), 7)


def test_what_has_no_meaning_here_is_listed():
    r = Recipe.load("main.py out --merge a --merge b --base-model c --naive-count --int8-mask --cuda --cache-dir x")
    notes = said(r)
    assert all(f"--{word}" in notes for word in ("int8-mask", "cuda", "cache-dir"))
    assert r.parameters["consensus"].plain() == "count"


@pytest.mark.parametrize(
    "paste",
    [
        "$ cd mergekit\n$ CUDA_VISIBLE_DEVICES=0 python3 -u ./main.py out --merge a --merge b --base-model c --no-bf16",
        "!python main.py out --merge=a --merge=b \\\n  --base-model=c --no-bf16",
        "python main.py out\n  --merge a --merge 'b'\n  --base-model \"c\" --no-bf16  # as on the forum",
        "cd x && python main.py out --merge a --merge b --base-model c --no-bf16 && echo done",
        "python main.py out ^\n --merge a ^\n --merge b --base-model c --no-bf16",
        "PS C:\\> py main.py out `\n --merge a --merge b --base-model c --no-bf16",
        "--merge a --merge b --base-model c --no-bf16",
    ],
)
def test_a_command_is_read_as_it_was_pasted(paste):
    assert Recipe.load(paste) == Recipe.load("main.py out --merge a --merge b --base-model c --no-bf16")


def test_windows_paths_and_spaces():
    r = Recipe.load(r'python main.py D:\out --merge D:\models\a --merge "D:\my models\b" --base-model D:\c --no-bf16')
    assert [s.model.path for s in r.models] == [r"D:\models\a", r"D:\my models\b"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            "--merge a --merge b --merge c --weight .5 --weight .2 --method linear",
            "--weight: 2 values were given for 3 models",
        ),
        (
            "--merge a --merge b --merge c --density .5 --density .2 --base-model d",
            "--density: 2 values were given for 3 models",
        ),
        ("--merge a --merge b --method linear", "--weight: linear needs"),
        ("--merge a --merge b", "--base-model: ties needs"),
        ("--merge a --merge b --method slerp", "--weight: slerp needs exactly one"),
        ("--merge a --method slerp --weight .5", "--merge: slerp merges two models; the command names 1"),
        ("--merge a --merge b --method slerp --weight .5 --base-model c", "names 3"),
        ("--merge a --method nope --base-model b", "--method: main.py supports the methods"),
        ("--merge a --wieght 1", "Did you mean 'weight'"),
        ("--merge a --weight heavy --base-model b", "--weight: 'heavy' is not a number"),
        ("--merge a --base-model b --density 2", None),
        ("--merge a --base-model", "--base-model: this option needs a value"),
        ("--merge a+ --base-model b", "--merge: 'a+'"),
        ("out more --merge a --base-model b", "one output folder"),
    ],
)
def test_wrong_options_are_named(words, named):
    if named is None:  # the method's own range is the planner's to check
        assert Recipe.load(f"main.py {words}").models
        return
    with pytest.raises(RecipeError) as error:
        Recipe.load(f"main.py {words}")
    assert named in str(error.value)


# --- BlockMerge_Gradient over layers ---


def test_a_gradient_over_all_layers_of_models_elsewhere():
    r = Recipe.load(
        'python BlockMerge_Gradient.py --model_path1 "stabilityai/StableBeluga-7B" --model_path2 "NousResearch/Hermes" '
        '--output_model_path "mythologic-mini-7b" --max_shard_size 2000MiB'
    )
    assert weights(r) == [[1, 0], [0, 1]]
    assert r.dtype == "float16"
    assert r.embedding_source == r.lm_head_source == r.final_norm_source == r.models[0].model
    assert "2.1 GB" in said(r)
    assert "mythologic-mini-7b" in said(r)


def test_a_range_needs_the_model_here():
    with pytest.raises(RecipeError, match=r"number of layers of a/b.*hf download"):
        Recipe.load(
            "python BlockMerge_Gradient.py --model_path1 a/b --model_path2 c --layer_end 12 --output_model_path o"
        )


def test_a_range_is_cut_out(deep_family):
    command = (
        f"BlockMerge_Gradient.py --model_path1 {deep_family.base} --model_path2 {deep_family.ft1} --output_model_path o"
    )
    r = Recipe.load(f"{command} --gradient_start 0.9 --gradient_end -0.2 --layer_start 2 --layer_end 5")
    assert r == Recipe.block_gradient(deep_family.base, deep_family.ft1, 0.9, -0.2, 2, 5)
    assert [s.sources[0].layer_range for s in r.slices] == [(0, 2), (2, 5), (5, 6)]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--model_path1 a --output_model_path o", "--model_path2"),
        ("--model_path1 a --model_path2 b --gradient_start x", "--gradient_start: 'x'"),
        ("--model_path1 a --model_path2 b --layer_start 1.5", "--layer_start: '1.5' is not a whole number"),
        ("--model_path1 a --model_path2 b --max_shard_size 5parsecs", "--max_shard_size: '5parsecs' is not a size"),
        ("--model_path1 a --model_path2 b --gradient_strat 1", "Did you mean 'gradient_start'"),
        ("--model_path1 a --model_path2 b c", "no argument 'c'"),
    ],
)
def test_mistakes_in_a_gradient_are_named(words, named):
    with pytest.raises(RecipeError) as error:
        Recipe.load(f"python BlockMerge_Gradient.py {words}")
    assert named in str(error.value)


# --- BlockMerge_Gradient over tensors ---

ORDER = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
    "mlp.down_proj", "input_layernorm", "post_attention_layernorm",
)  # fmt: skip


def names(depth: int = 6) -> list[str]:
    """Tensors in the order of a state_dict."""
    layers = [f"model.layers.{i}.{p}.weight" for i in range(depth) for p in ORDER]
    return ["model.embed_tokens.weight", *layers, "model.norm.weight", "lm_head.weight"]


def by_hand(values: list[float], keys: list[str]) -> dict[str, float]:
    """Sections of equal length, each spread evenly with both ends, the rest the last value."""
    sections = len(values) - 1
    shares = [x for i in range(sections) for x in np.linspace(values[i], values[i + 1], len(keys) // sections)]
    return dict(zip(keys, [*shares, *[values[-1]] * (len(keys) - len(shares))], strict=True))


def shares(recipe: Recipe) -> dict[str, float]:
    """The second model's share of every tensor, by the plan."""
    from nbmerge.engine.planning.planner import plan

    return {t.name: t.values.each["weight"][1] if "weight" in t.values.each else 0.0 for t in plan(recipe).tensors}


@pytest.mark.parametrize(
    ("words", "keep"),
    [
        ("--layer_only", lambda n: "layer" in n),
        ("--no_layers", lambda n: "layer" not in n),
        ("", lambda n: True),
        ("--custom_filter mlp", lambda n: "mlp" in n),
        ("--layer_only --custom_filter norm", lambda n: "layer" in n and "norm" in n),
    ],
)
@pytest.mark.parametrize("values", ["[0.9,0.0,0.0,0.0]", "[0, 1]", "'[1.0, 0.5, 0.0, 0.3, 0.2, 0.9, 0.1]'"])
def test_a_gradient_over_tensors_is_exact(words, keep, values, deep_family):
    command = (
        f"BlockMerge_Gradient.py --model_path1 {deep_family.base} --model_path2 {deep_family.ft1} --output_model_path o"
    )
    r = Recipe.load(f"python {command} --gradient_values {values} {words}")
    wanted = dict.fromkeys(names(), 0.0) | by_hand(eval(values.strip("'")), [n for n in names() if keep(n)])
    got = shares(r)
    assert got.keys() == wanted.keys()
    assert all(got[n] == pytest.approx(wanted[n], abs=1e-12) for n in wanted)


def test_operations_follow_each_other(deep_family):
    r = Recipe.load(f"""
model_path1: "{deep_family.base}"
model_path2: "{deep_family.ft1}"
output_model_path: x
operations:
  - operation: attention
    filter: self_attn
    gradient_values: [0.8, 0.2]
  - operation: one layer
    filter: layers.1.
    gradient_values: [0.5]
""")
    attention = by_hand([0.8, 0.2], [n for n in names() if "self_attn" in n])
    got = shares(r)
    q = "model.layers.1.self_attn.q_proj.weight"
    assert got[q] == pytest.approx(1 - (1 - attention[q]) * 0.5)
    assert got["model.layers.1.mlp.up_proj.weight"] == 0.5
    assert got["model.layers.0.mlp.up_proj.weight"] == 0
    assert "compound" in said(r)
    assert r.origin == "a BlockMerge_Gradient config"


@pytest.mark.parametrize(("first", "second", "mode"), [(32, 40, "truncate"), (40, 32, "copy")])
def test_common_rows_blend_and_the_first_models_others_stay(first, second, mode, tmp_path):
    """As the program has it, whatever the tokens are."""
    from nbmerge.engine.merge import merge
    from tests.models import make_model, read_tensors

    a, b = (make_model(tmp_path / f"{n}", vocab=n, layers=1, tokenizer=False) for n in (first, second))
    r = Recipe.load(
        f"python x.py --model_path1 {a} --model_path2 {b} --output_model_path o --gradient_values [0.25,0.75]"
    )
    assert r.vocabulary == mode
    merge(r, tmp_path / "out", threads=1)
    tensors = [read_tensors(folder) for folder in (a, b, tmp_path / "out")]
    for name, share in (("model.embed_tokens.weight", 0.25), ("lm_head.weight", 0.75)):
        one, other, made = (t[name].float() for t in tensors)
        assert made.shape == one.shape
        assert torch.allclose(made[:32], (1 - share) * one[:32] + share * other[:32], atol=1e-3)
        assert torch.equal(made[32:], one[32:].half().float())


def test_vocabularies_may_differ_where_they_are_not_merged(deep_family, tmp_path):
    from nbmerge.engine.planning.planner import plan
    from tests.models import make_model

    other = make_model(tmp_path / "other", layers=6, vocab=40, seed=5, tokenizer=False)
    command = f"BlockMerge_Gradient.py --model_path1 {deep_family.base} --model_path2 {other} --output_model_path o"
    made = plan(Recipe.load(f"python {command} --gradient_values [0,1] --layer_only"))
    assert made["lm_head.weight"].shape[0] == 32


@pytest.mark.parametrize(
    ("values", "named"),
    [("[0.5]", "at least two"), ("0.5", "not a list of numbers"), ("[a,b]", "not a list"), ("[1,1e999]", "not a list"),
     ("__import__('os')", "not a list"), ("[", "not a list")],
)  # fmt: skip
def test_values_for_tensors_that_do_not_exist(values, named, deep_family):
    command = f"BlockMerge_Gradient.py --model_path1 {deep_family.base} --model_path2 {deep_family.ft1}"
    with pytest.raises(RecipeError, match=named):
        Recipe.load(f'python {command} --gradient_values "{values}"')


def test_sections_longer_than_the_tensors_take_the_last_value():
    assert spread_values([0.1, 0.2, 0.3, 0.4], 2) == [0.4, 0.4]
    assert spread_values([0.5], 3) == [0.5, 0.5, 0.5]
    assert spread_values([0.0, 1.0], 0) == []


# --- commands that name a file ---


def test_a_command_that_names_its_recipe(tmp_path):
    (tmp_path / "config.yml").write_text("merge_method: linear\nmodels: [a, b]\nparameters: {weight: 1}\n")
    r = Recipe.load(f"mergekit-yaml {tmp_path}/config.yml ./out --cuda --random-seed 5")
    assert [s.model.path for s in r.models] == ["a", "b"]
    assert r.random_seed == 5
    assert "./out" in said(r)
    assert "--cuda" in said(r)


def test_a_command_that_names_itself_ends(tmp_path):
    file = tmp_path / "config.yml"
    file.write_text(f"mergekit-yaml {file} out\n")
    with pytest.raises(RecipeError):
        Recipe.load(file)


@pytest.mark.parametrize("method", ["slerp", "linear", "ties"])
def test_vocabularies_that_the_first_mergekit_cut_are_cut_with_a_warning(method, family, tmp_path):
    from tests.models import make_model

    long = make_model(tmp_path / "long", vocab=40, seed=5, tokenizer=False)
    r = Recipe.load(f"main.py out --method {method} --weight 0.5 --base-model {family.base} --merge {long} --no-bf16")
    assert r.vocabulary == "truncate"
    assert [n.severity for n in r.notes if "vocabularies" in n.what] == ["warning"]
    same = Recipe.load(f"main.py out --method {method} --weight 0.5 --base-model {family.base} --merge {family.ft1}")
    assert same.vocabulary == "refuse"
    if method == "ties":  # a base longer than the others was an error there
        r = Recipe.load(f"main.py out --base-model {long} --merge {family.base}")
        assert r.vocabulary == "refuse"


def test_mergekit_legacy_merges_the_base_of_a_linear_too():
    r = Recipe.load("mergekit-legacy out --method linear --merge a --merge b --base-model c --weight 0.5")
    assert [(s.model.path, s.parameters["weight"].plain()) for s in r.models] == [("a", 0.5), ("b", 0.5), ("c", 0.5)]
    with pytest.raises(RecipeError, match="2 values were given for 3 models"):
        Recipe.load("mergekit-legacy out --method linear --merge a --merge b --base-model c --weight 0.5 --weight 1")


def test_mergekit_legacy_knows_other_methods():
    r = Recipe.load("mergekit-legacy out --method karcher --merge a --merge b")
    assert r == Recipe.of({"merge_method": "karcher", "models": ["a", "b"]})
    r = Recipe.load("mergekit-legacy out --method dare_ties --merge a --base-model c --density 0.5 --no-normalize")
    assert r.models[0].parameters["density"].plain() == 0.5
