"""Configs, model cards, cells, block weights and headers that hold a recipe."""

import json

import pytest
import torch
from safetensors.torch import save_file

from nbmerge.engine.merge import merge
from nbmerge.engine.planning.planner import plan
from nbmerge.errors import RecipeError
from nbmerge.model_ref import MAX_ADAPTERS
from nbmerge.recipe import Recipe
from nbmerge.recipe.documents import MAX_LEVELS
from nbmerge.recipe.load import MAX_MODELS
from nbmerge.recipe.readers.legacy.block_presets import find_preset
from tests.recipe.hostile import row

LINEAR = """\
merge_method: linear
models:
  - model: a/b
    parameters: {weight: 1.0}
  - model: c/d
    parameters: {weight: 0.3}
dtype: bfloat16
"""


def said(recipe: Recipe) -> str:
    return "\n".join(map(str, recipe.notes))


def refusal(text: str) -> str:
    with pytest.raises(RecipeError) as error:
        Recipe.load(text)
    return str(error.value)


# --- mergekit ---


def test_what_mergekit_accepts_and_never_reads_is_listed():
    r = Recipe.load("""\
merge_method: passthrough
input_model_parameters: {x: 1}
slices:
  - sources:
      - model: {model: {path: a/b}, override_architecture: LlamaForCausalLM}
        layer_range: [0, 2]
    residual_weight: 0.3
    base_model: q/r
""")
    assert [n.line for n in r.notes] == [2, 7, 5]
    assert {n.where[-1] for n in r.notes} == {"residual_weight", "input_model_parameters", "override_architecture"}
    assert r.slices[0].base_model.path == "q/r"
    assert Recipe.load(r.to_yaml()) == r


def test_notes_stand_in_the_report(family):
    from nbmerge.engine.check import check

    text = f"merge_method: passthrough\nslices:\n- sources: [{{model: {family.base}}}]\n  residual_weight: 1\n"
    assert any("residual_weight" in p.what for p in check(text).problems)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("models_to_merge: [a, b]\nmerge_ratios: [0.1]\n", "MergeMonster"),
    ],
)
def test_configs_of_other_programs_are_called_by_name(text, what):
    assert what in refusal(text)


def test_a_chain_of_documents_comes_back_whole():
    text = "".join(
        f"---\nname: step{i}\nmerge_method: karcher\nmodels: [{f'step{i - 1}' if i else 'a'}, b]\n" for i in range(4)
    )
    r = Recipe.load(text)
    assert r.merges[0].merges[0].merges[0].name == "step0"
    assert Recipe.load(r.to_yaml()) == r


def test_documents_that_multiply_are_refused():
    text = "".join(
        f"---\nname: s{i}\nmerge_method: linear\nmodels: [s{i - 1}, s{i - 2}]\nparameters: {{weight: 1}}\n"
        for i in range(2, 20)
    )
    assert "times in total" in refusal(text)


def test_documents_in_a_row_up_to_a_bound():
    assert len(Recipe.load(row(20, 2)).merges) == 1
    assert f"more than {MAX_LEVELS} of the documents" in refusal(row(MAX_LEVELS + 2, 2))
    assert f"more than {MAX_LEVELS} of the documents" in refusal(row(90, 1))


def test_models_and_adapters_up_to_a_bound():
    def of(count: int, adapters: int = 0) -> str:
        models = [f"m{i}" + "+b" * adapters for i in range(count)]
        return f"merge_method: linear\nmodels: [{', '.join(models)}]\n"

    assert len(Recipe.load(of(MAX_MODELS)).models) == MAX_MODELS
    assert "501 models are too many" in refusal(of(MAX_MODELS + 1))
    assert len(Recipe.load(of(1, MAX_ADAPTERS)).models[0].model.lora) == MAX_ADAPTERS
    assert "101 adapters" in refusal(of(1, MAX_ADAPTERS + 1))


@pytest.mark.parametrize("dialect", ["mergekit-0.0", "mergekit-0.1"])
def test_a_dialect_is_written_into_the_recipe(dialect):
    slerp = {"merge_method": "slerp", "models": ["a", "b"], "parameters": {"t": 0.5}}
    assert Recipe.load(slerp, dialect).parameters["zero_tensors"].plain() == "formula"
    dare = {
        "merge_method": "dare_ties",
        "base_model": "c",
        "models": ["a", "b"],
        "parameters": {"weight": 1, "density": 0.5},
    }
    rescale = Recipe.load(dare, dialect).parameters.get("rescale")
    assert (rescale and rescale.plain()) == ("l1" if dialect == "mergekit-0.1" else None)
    karcher = Recipe.load({"merge_method": "karcher", "base_model": "c", "models": ["a", "b"]}, dialect)
    assert [s.model.path for s in karcher.models] == ["a", "b", "c"]
    assert karcher.notes


def test_explicit_settings_hold_in_every_dialect():
    slerp = {"merge_method": "slerp", "models": ["a", "b"], "parameters": {"t": 0.5, "zero_tensors": "keep_other"}}
    assert Recipe.load(slerp, "mergekit-0.1").parameters["zero_tensors"].plain() == "keep_other"
    dare = {
        "merge_method": "dare_linear",
        "base_model": "c",
        "models": ["a"],
        "parameters": {"weight": 1, "rescale": False},
    }
    assert Recipe.load(dare, "mergekit-0.1").parameters["rescale"].plain() is False


# --- bakllama ---

BAKLLAMA = """\
layer_slices:
  - model: a/b
    start: 0
    end: 4
  - model: c/d
    start: 2
    end: 6
    scale: 0.8
embedding_source: e/f
lm_head_source: g/h
"""


def test_bakllama():
    r = Recipe.load(BAKLLAMA)
    assert r.origin == "a bakllama config"
    assert [s.sources[0].layer_range for s in r.slices] == [(0, 4), (2, 6)]
    scale = r.slices[1].sources[0].parameters["scale"]
    assert scale.at("model.layers.0.mlp.down_proj.weight", 0) == 0.8
    assert scale.at("model.layers.0.mlp.up_proj.weight", 0) == 1
    donors = (r.embedding_source, r.final_norm_source, r.lm_head_source, r.config_source)
    assert [str(d) for d in donors] == ["e/f", "g/h", "g/h", "a/b"]
    assert "final norm" in said(r)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("end: 4", "end: 0"), "line 4, layer_slices[0].end"),
        (("start: 2", "start: -1"), "line 7, layer_slices[1].end"),
        (("start: 2", "begin: 2"), "layer_slices[1].begin"),
        (("    end: 6\n", ""), "layer_slices[1].end: 'end' is missing"),
        (("embedding_source", "embeding_source"), "Did you mean 'embedding_source'"),
    ],
)
def test_mistakes_in_a_bakllama_config_are_named(change, place):
    assert place in refusal(BAKLLAMA.replace(*change))


@pytest.mark.parametrize("text", ["layer_slices: []\n", "layer_slices: 3\n", "layer_slices: [x]\n"])
def test_a_bakllama_config_without_pieces(text):
    assert "layer_slices" in refusal(text)


# --- mergekit-evolve ---

GENOME = """\
genome:
  models: [a/b, c/d]
  merge_method: dare_ties
  base_model: e/f
  layer_granularity: 8
  allow_negative_weights: true
tasks:
  - name: alpaca
"""


def test_a_genome_is_the_merge_it_starts_from():
    r = Recipe.load(GENOME)
    assert "genome" in r.origin
    assert [s.parameters["weight"].plain() for s in r.models] == [0.5, 0.5]
    assert r.parameters["normalize"].plain() is True
    assert all(word in said(r) for word in ("layer_granularity", "allow_negative_weights", "tasks", "density"))
    slerp = Recipe.load("genome: {models: [a, b], merge_method: slerp}\n")
    assert slerp.parameters["t"].plain() == 0.5


@pytest.mark.parametrize(
    "genome", ["{models: [a], merge_method: karcher}", "3", "{models: [], merge_method: linear}", "{modles: []}"]
)
def test_an_invalid_genome_is_refused(genome):
    assert "genome" in refusal(f"genome: {genome}\n")


# --- model cards ---

CARD = f"""\
---
base_model:
- a/b
tags: [merge]
---
# My merge

```bash
pip install mergekit
mergekit-yaml config.yml out
```

### Configuration

~~~yaml
just: something
~~~

> ```yaml
{"".join(f"> {line}" for line in LINEAR.splitlines(keepends=True))}> ```
"""


def test_a_model_card():
    r = Recipe.load(CARD)
    assert r == Recipe.load(LINEAR)
    assert "Markdown, line 20" in r.origin


def test_lines_are_those_of_the_card():
    card = CARD.replace("merge_method: linear", "merge_method: linear\n> merge_methd: x")
    assert "line 21" in refusal(card)


def test_the_first_block_that_validates():
    r = Recipe.load(f"```yaml\nmerge_method: 3 models\nmodles: x\n```\n```yml\n{LINEAR}```\n")
    assert r == Recipe.load(LINEAR)


def test_a_card_with_a_command():
    r = Recipe.load("Run this:\n\n```sh\npython main.py out --merge a --merge b --base-model c\n```\n")
    assert r.merge_method == "ties"


def test_a_card_without_a_recipe():
    assert "no code block" in refusal("# Title\n\n```python\nprint(1)\n```\n")


# --- cells and notebooks ---

CELL = f'''\
# @title Merge
!pip install -qqq git+https://github.com/arcee-ai/mergekit.git
%cd mergekit
MODEL_NAME = "NeuralPipe-7B-slerp"
yaml_config = """
{LINEAR}"""
runtime = "CPU" # @param ["CPU", "GPU"]
open("never", "w")
'''


def test_lazymergekits_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    r = Recipe.load(CELL)
    assert r == Recipe.load(LINEAR)
    assert "Python cell" in r.origin
    assert "MODEL_NAME" in said(r)
    assert "runtime" in said(r)
    assert not list(tmp_path.iterdir())
    assert r.line(("merge_method",)) == 6


def test_our_own_cell():
    r = Recipe.load(LINEAR)
    assert Recipe.load(r.to_python()) == r


def test_a_notebook_file(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Merge"]},
        {"cell_type": "code", "source": CELL.splitlines(keepends=True)},
    ]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    r = Recipe.load(tmp_path / "n.ipynb")
    assert r == Recipe.load(LINEAR)
    assert "cell 2" in r.origin
    magic = {"cells": [{"cell_type": "code", "source": [f"%%merge m\n{LINEAR}"]}]}
    (tmp_path / "m.ipynb").write_text(json.dumps(magic))
    assert Recipe.load(tmp_path / "m.ipynb") == r


# --- block weights ---

GRAD_A = [0, *(round(i / 12, 10) for i in range(13)), *(round(i / 12, 10) for i in range(11, -1, -1))]


@pytest.mark.parametrize(
    "text",
    [
        ",".join(map(str, GRAD_A)),
        ", ".join(map(str, GRAD_A)) + "\n",
        "GRAD_A:" + ",".join(map(str, GRAD_A)),
        "preset_name\tpreset_weights\nGRAD_A\t" + ",".join(map(str, GRAD_A)) + "\n",
    ],
)
def test_block_weights_are_a_curve_of_b(text, family, tmp_path):
    r = Recipe.load(text)
    assert "block weights" in r.origin
    assert "with_models" in said(r)
    filled = r.with_models({"A": family.base, "B": family.ft1})
    made = plan(filled)
    share = [made[f"model.layers.{i}.mlp.up_proj.weight"].values.each["weight"][1] for i in range(3)]
    assert share == [0, 1, 0]
    assert made["lm_head.weight"].values.each["weight"] == (1.0, 0.0)
    assert Recipe.load(r.to_yaml()) == r


def test_block_weights_fit_models_that_name_their_layers_otherwise(tmp_path):
    from tests.models import make_model

    a = make_model(tmp_path / "a", architecture="gpt2", tokenizer=False)
    b = make_model(tmp_path / "b", base=a, tokenizer=False)
    made = plan(Recipe.load(",".join(map(str, [0.25, *GRAD_A[1:]]))).with_models({"A": a, "B": b}))
    assert made["transformer.h.1.mlp.c_fc.weight"].values.each["weight"][1] == 1
    assert made["transformer.ln_f.weight"].values.each["weight"][1] == 0.25


@pytest.mark.parametrize("text", ["GRAD_A", ",".join(map(str, GRAD_A[1:]))])
def test_presets_by_name_and_lists_without_base(text):
    r = Recipe.load(text)
    assert r == Recipe.load(",".join(map(str, GRAD_A)))
    assert any("BASE" in n.what and " 0" in n.what for n in r.notes)


PUBLISHED = {
    "REVERSE-SMOOTHSTEP": {1: 0.994936342592593, 21: 0.0429687499999996},
    "SMOOTHSTEP*3": {10: 0.871527777777778, 15: 0.0507812500000004},
    "R_SMOOTHSTEPx4": {7: 0.177662037037037, 12: 1, 23: 0.979745370370369},
    "SMOOTHSTEP/2": {7: 0.623842592592593, 12: 1, 13: 0.980324074074074},
    "COSINE": {0: 1, 5: 0.896676670145617, 24: 0},
    "TRUE_REVERSE_CUBIC_HERMITE": {1: 0.800968123070988, 18: 0.540364583333333},
    "RING08_SOFT": {4: 0, 5: 0.5, 8: 1, 9: 0.5, 10: 0, 15: 0.5, 20: 0},
    "WRAP14": {6: 1, 7: 0, 17: 0, 18: 1},
    "ALL_B": {0: 1, 24: 1},
}
"""Some numbers of the table that supermerger ships, by block."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_have_the_published_numbers(name):
    values = find_preset(name)
    assert len(values) == 25
    assert {i: values[i] for i in PUBLISHED[name]} == pytest.approx(PUBLISHED[name], abs=1e-10)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (",".join(["0.5"] * 24), "24 block weights; expected 26"),
        ("RING08_SOT", "Did you mean 'RING08_SOFT'?"),
        ("all_r", "'all_r' means random numbers"),
        (",".join(["0.5"] * 19 + ["R"]), "random"),
        (",".join(["0.5"] * 19 + ["half"]), "'half' is not a number"),
        ("\n".join(f"P{i}\t" + ",".join(["0.5"] * 20) for i in range(3)), "3 presets"),
        (",".join(["0.5"] * 19 + ["1e999"]), "finite"),
    ],
)
def test_invalid_block_weights_are_refused(text, what):
    assert what in refusal(text)


# --- folders and headers ---


def test_a_merged_folder_and_its_file(family, tmp_path):
    recipe = Recipe.of({
        "merge_method": "slerp", "models": [str(family.base), str(family.ft1)], "parameters": {"t": [0, 1]},
    })  # fmt: skip
    out = merge(recipe, tmp_path / "out", threads=1).path
    assert Recipe.load(out) == recipe
    assert Recipe.load(out / "model.safetensors") == recipe
    assert "header of model.safetensors" in Recipe.load(out / "model.safetensors").origin
    (out / "nbmerge_recipe.yml").unlink()
    assert Recipe.load(out) == recipe  # from the model card
    (out / "README.md").unlink()
    assert Recipe.load(out) == recipe  # from the header
    assert "header" in Recipe.load(out).origin


def test_mergekits_folder(tmp_path):
    (tmp_path / "mergekit_config.yml").write_text(LINEAR)
    (tmp_path / "README.md").write_text("```yaml\nmerge_method: slerp\nmodels: [x]\n```\n")
    assert Recipe.load(tmp_path) == Recipe.load(LINEAR)


def header(tmp_path, **metadata):
    save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors", metadata=metadata)
    return tmp_path / "m.safetensors"


def test_supermergers_header(tmp_path):
    said = {"type": "sd-webui-supermerger", "mode": "Weight sum", "weights_alpha": ",".join(["0.5"] * 25),
            "base_alpha": 0.2, "model_a": "sd15", "model_b": "anime"}  # fmt: skip
    r = Recipe.load(header(tmp_path, sd_merge_recipe=json.dumps(said)))
    assert r.models[1].parameters["weight"].at("lm_head.weight", 1.0) == 0.2
    assert any("model_a: sd15" in n.what and n.severity == "warning" for n in r.notes)


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        (
            {"sd_merge_recipe": '{"type": "webui", "interp_method": "Add difference", "multiplier": 0.4}'},
            "multiplier: 0.4",
        ),
        ({"sd_merge_recipe": "["}, "not JSON"),
        ({"sd_merge_recipe": "[1]"}, "not an object"),
        ({"format": "pt"}, "keys: format"),
    ],
)
def test_headers_without_a_recipe_for_us(tmp_path, metadata, what):
    with pytest.raises(RecipeError, match=what):
        Recipe.load(header(tmp_path, **metadata))


def test_a_folder_without_a_recipe(family):
    with pytest.raises(RecipeError, match="contains no recipe"):
        Recipe.load(family.base)


def test_a_last_slice_with_more_models_than_the_first():
    def piece(*models):
        return {"sources": [{"model": m, "layer_range": [0, 1], "parameters": {"weight": 1}} for m in models]}

    data = {"merge_method": "linear", "slices": [piece("a"), piece("a", "b")]}
    weight = Recipe.load(data, "mergekit-0.1").slices[1].sources[1].parameters["weight"]
    assert weight.at("lm_head.weight", 1.0) == weight.at("model.norm.weight", 1.0) == 0
    assert weight.at("model.layers.1.mlp.up_proj.weight", 1.0) == 1
    assert Recipe.load(data, "mergekit-0.0") == Recipe.load(data)


def test_a_model_in_the_cache_by_its_hub_id(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text(f"# A merge\n\n```yaml\n{LINEAR}```\n")
    monkeypatch.setattr("nbmerge.recipe.load.hub.find", lambda ref, ask: tmp_path)
    r = Recipe.load("org/m")
    assert r == Recipe.load(LINEAR)
    assert r.origin == "the recipe of the merged model org/m"
