"""Whatever `check` passes, transformers loads: every kind of recipe, judged by transformers' own loading code."""

import json
import subprocess
import sys

import pytest

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.check import check
from nbmerge.engine.loading import load_findings
from nbmerge.engine.loading.dry_load import load
from nbmerge.engine.merge import merge
from nbmerge.engine.planning import plan
from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from tests.costs import rest_is_slow
from tests.encoder_decoders import make_bart, make_llava, make_t5
from tests.judgement import OutputJudge, assert_loads, judge
from tests.models import make_model, read_tensors


def stacked(model, *ranges, **more) -> Recipe:
    slices = [{"sources": [{"model": str(model), "layer_range": list(r)}]} for r in ranges]
    return Recipe.of({"merge_method": "passthrough", "slices": slices} | more)


def said(recipe) -> str:
    return "\n".join(map(str, check(recipe).problems))


# --- every kind of recipe ---


@pytest.mark.parametrize("name", rest_is_slow(sorted(methods()), ("linear", "slerp", "ties", "passthrough", "karcher")))
def test_the_result_of_every_method_loads(name, family, tmp_path):
    method = methods()[name]
    models = [str(family.ft1), str(family.ft2)][: (method.inputs[1] or 3) - (method.base == "required")]
    values = {p.name: 0.5 for p in method.parameters if p.kind == "number" and p.range}
    known = {k: v for k, v in values.items() if k in ("weight", "t", "density", "lambda")}
    data = {"merge_method": name, "models": models, "parameters": known}
    if method.base == "required":
        data["base_model"] = str(family.base)
    report = check(Recipe.of(data))
    assert report.ok, report
    merge(Recipe.of(data), tmp_path / "out")
    assert_loads(tmp_path / "out")


@pytest.mark.parametrize("ranges", [[(0, 2)], [(0, 3), (1, 3)], [(2, 3)], [(0, 3), (0, 3), (0, 3)]])
@pytest.mark.rest_is_slow(keep=2)
def test_stacks_load(ranges, family, tmp_path):
    recipe = stacked(family.base, *ranges)
    assert check(recipe).ok
    merge(recipe, tmp_path / "out")
    assert_loads(tmp_path / "out")


@pytest.mark.parametrize("mode", ["edge-gradient", "zeros", "copy", "mean", "truncate"])
@pytest.mark.rest_is_slow(keep=2)
def test_vocabularies_of_another_size_load(mode, family, tmp_path):
    larger = make_model(tmp_path / "larger", vocab=40)
    data = {"merge_method": "linear", "models": [str(family.base), str(larger)], "parameters": {"weight": 0.5}}
    recipe = Recipe.of(data | {"vocabulary": mode})
    assert check(recipe).ok
    merge(recipe, tmp_path / "out")
    assert_loads(tmp_path / "out")


@pytest.mark.parametrize("tied", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("sources", [{}, {"embedding_source": 1}, {"lm_head_source": 1}, {"config_source": 1}])
@pytest.mark.rest_is_slow(keep=3)
def test_tied_and_untied_models_load(tied, sources, tmp_path):
    models = [str(make_model(tmp_path / f"m{i}", tied=t, seed=i)) for i, t in enumerate(tied)]
    data = {"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}}
    recipe = Recipe.of(data | {k: models[v] for k, v in sources.items()})
    if check(recipe).ok:
        merge(recipe, tmp_path / "out")
        assert_loads(tmp_path / "out")
    else:
        assert "error" in str(check(recipe))


@pytest.mark.parametrize("make", [make_t5, make_bart, make_llava])
@pytest.mark.rest_is_slow(keep=1)
def test_models_of_several_stacks_load(make, tmp_path):
    models = make(tmp_path)[:2]
    data = {"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}}
    assert check(Recipe.of(data)).ok
    merge(Recipe.of(data), tmp_path / "out")
    assert_loads(tmp_path / "out")


def test_the_judge_of_all_outputs_finds_what_does_not_load_once(family, tmp_path):
    biased = make_model(
        tmp_path / "biased", architecture="qwen2", replace={"model.layers.0.self_attn.q_proj.bias": None}
    )
    outputs = OutputJudge()
    for folder in (biased, biased, family.base):
        outputs.note(folder)
    assert [found.missing for found in outputs.wrong()] == [{"model.layers.0.self_attn.q_proj.bias"}]
    outputs.note(biased)
    assert outputs.wrong() == []


# --- what does not load is refused ---


@pytest.mark.parametrize("role", ["embedding_source", "lm_head_source"])
def test_an_embedding_and_a_head_of_different_rows_are_refused(role, family, tmp_path):
    larger = make_model(tmp_path / "larger", vocab=34, tokenizer=False)
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 0.5}}
    report = check(Recipe.of(data | {role: str(larger)}))
    assert not report.ok
    assert "34 rows" in str(report)
    assert "32 rows" in str(report)
    both = {"embedding_source": str(larger), "lm_head_source": str(larger)}
    assert check(Recipe.of(data | both)).ok


def test_shapes_that_the_config_does_not_ask_for_are_refused(family, tmp_path):
    narrow = make_model(tmp_path / "narrow", intermediate=20)
    data = stacked(narrow, (0, 2)).plain() | {"config_source": str(family.base)}
    text = said(Recipe.of(data))
    assert "transformers cannot load the result" in text
    assert "instead of" in text


def test_layers_that_lack_weights_are_refused(tmp_path):
    biased = make_model(tmp_path / "biased", architecture="qwen2")
    plain = make_model(tmp_path / "plain")
    data = stacked(plain, (0, 2)).plain() | {"config_source": str(biased)}
    assert "initialise them randomly" in said(Recipe.of(data))
    other = stacked(biased, (0, 2)).plain() | {"config_source": str(plain)}
    report = check(Recipe.of(other))
    assert report.ok
    assert "would ignore" in str(report)


def test_other_layers_are_suggested_only_where_they_help(tmp_path):
    biased = make_model(tmp_path / "biased", architecture="qwen2")
    plain = make_model(tmp_path / "plain")
    other_model = stacked(biased, (0, 2), (0, 2)).plain() | {"config_source": str(plain)}
    [problem] = [p for p in check(Recipe.of(other_model)).problems if "would ignore" in p.what]
    assert problem.how == "Set config_source to a model that fits."  # plain has no biases in any layer


@pytest.mark.parametrize(
    ("whole", "setting", "names", "expected"),
    [
        (False, {}, ["model.layers.0.mlp.up_proj.weight"], "Choose other layers, or set"),
        (True, {}, ["model.layers.0.mlp.up_proj.weight"], "Set"),
        (False, {}, ["model.norm.weight"], "Set"),
        (True, {"vocabulary": "zeros"}, ["model.embed_tokens.weight"], "Choose another vocabulary, or set"),
        (False, {"vocabulary": "zeros"}, None, "Choose other layers, or choose another vocabulary, or set"),
    ],
)
def test_the_fix_names_only_keys_that_can_help(family, whole, setting, names, expected):
    layers = (0, Checkpoint.open(family.base).depth if whole else 1)
    made = plan(stacked(family.base, layers, **setting))
    assert load_findings._fix(made, names) == f"{expected} config_source to a model that fits."


@pytest.mark.unloadable("to be warned of")
def test_a_merge_warns_of_what_it_wrote_and_does_not_load(tmp_path):
    plain = make_model(tmp_path / "plain")
    data = stacked(plain, (0, 2)).plain() | {
        "config_source": str(make_model(tmp_path / "biased", architecture="qwen2"))
    }
    result = merge(Recipe.of(data), tmp_path / "out")
    assert [p.severity for p in result.warnings] == ["warning"]
    assert "initialise them randomly" in repr(result)
    assert judge(tmp_path / "out").missing
    assert merge(stacked(plain, (0, 2)), tmp_path / "sound").warnings == ()


def test_kinds_of_layers_that_move_are_named(tmp_path):
    config = {"layer_types": None, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}
    model = make_model(tmp_path / "m", layers=4, architecture="qwen2", config=config)
    text = said(stacked(model, (2, 4), (0, 2)))
    assert "max_window_layers" in text
    assert "transformers builds layer 0 of the result with layer_types 'full_attention'" in text


def test_problems_of_the_donor_alone_are_not_repeated(tmp_path):
    import torch

    odd = make_model(tmp_path / "odd", replace={"model.extra.weight": torch.zeros(4, 4)})
    assert judge(odd).unexpected == {"model.extra.weight"}
    assert check(stacked(odd, (0, 2))).problems == ()


def test_an_unknown_architecture_is_noted_and_no_code_of_it_is_run(family, tmp_path):
    more = {"model_type": "made_up", "architectures": ["MadeUp"], "auto_map": {"AutoModel": "evil.MadeUp"}}
    model = make_model(tmp_path / "m", config=more)
    (model / "evil.py").write_text("raise SystemExit('run')")
    report = check(stacked(model, (0, 2)))
    assert report.ok
    assert "does not know MadeUp" in str(report)


def test_a_config_with_too_many_modules_is_not_built(family, monkeypatch):
    config = json.loads((family.base / "config.json").read_text()) | {"num_hidden_layers": 50}
    monkeypatch.setattr("nbmerge.checkpoints.declared.MORE_PARTS", 100)
    assert "more than 100 modules" in load(config, {}).refusal


def test_a_config_that_names_a_hub_kernel_is_not_built(family):
    config = json.loads((family.base / "config.json").read_text()) | {"attn_implementation": "someone/kernel"}
    assert "foreign code" in load(config, {}).refusal


@pytest.mark.slow
def test_most_merges_are_checked_and_written_without_transformers(family, tmp_path):
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 0.5}}
    code = (
        "import sys\nfrom nbmerge.engine.check import check\n"
        f"assert check({json.dumps(json.dumps(data))}).ok\n"
        f"from nbmerge.engine.merge import merge; merge({json.dumps(json.dumps(data))}, {str(tmp_path / 'out')!r})\n"
        "assert 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_comparisons_are_cached(family, monkeypatch):
    recipe = stacked(family.base, (0, 2), (1, 3))
    first = said(recipe)
    monkeypatch.setattr(load_findings, "load", None)
    assert said(recipe) == first


def test_a_whole_model_is_complete_in_another_dtype_as_well(family):
    shapes = {n: (tuple(t.shape), "bfloat16") for n, t in read_tensors(family.base).items()}
    assert load(Checkpoint.open(family.base).config, shapes).whole
