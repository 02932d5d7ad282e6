"""Recipes written for others: mergekit's YAML, a Python cell, sentences; and the formula of one tensor."""

import numpy as np
import pytest
import yaml

from nbmerge.engine.planning.formula import formula
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe


def recipe(method: str, models: list, **more) -> Recipe:
    return Recipe.of({"merge_method": method, "models": models} | more)


def weighted(path, weight, **more) -> dict:
    return {"model": str(path), "parameters": {"weight": weight} | more}


def exported(r: Recipe) -> dict:
    return yaml.safe_load(r.to_mergekit().text)


def lost(r: Recipe, severity: str | None = None) -> str:
    return "\n".join(str(p) for p in r.to_mergekit().lost if severity in (None, p.severity))


# --- mergekit ---


def test_arithmetic_in_float32_and_the_results_own_dtype():
    data = exported(recipe("linear", [weighted("a", 1)], dtype="bfloat16"))
    assert (data["dtype"], data["out_dtype"]) == ("float32", "bfloat16")
    data = exported(recipe("linear", [weighted("a", 1)], dtype="float64"))
    assert (data["dtype"], data.get("out_dtype")) == ("float64", None)


def test_without_a_dtype_the_stored_one_is_asked(tmp_path):
    from tests.models import make_model

    half = make_model(tmp_path / "half", dtype="float16", tokenizer=False)
    data = exported(recipe("linear", [weighted(half, 1)]))
    assert (data["dtype"], data["out_dtype"]) == ("float32", "float16")
    elsewhere = recipe("linear", [weighted("not/here", 1)])
    assert "dtype" not in exported(elsewhere)
    assert "stored" in lost(elsewhere, "info")


def test_a_base_that_is_not_listed_is_spelled_out():
    sources = [{"model": "a", "layer_range": [2, 5], "parameters": {"weight": 1}}]
    r = Recipe.of({"merge_method": "ties", "base_model": "b", "slices": [{"sources": sources}]})
    assert exported(r)["slices"][0]["sources"][1] == {"model": "b", "layer_range": [2, 5]}
    assert r.to_mergekit().same


def test_the_first_model_of_a_slerp_is_named_as_the_base():
    assert exported(recipe("slerp", ["a", "b"], parameters={"t": 0.5}))["base_model"] == "a"


def test_a_base_that_only_gives_its_config():
    r = recipe("linear", [weighted("a", 1), weighted("b", 1)], base_model="b")
    assert exported(r)["base_model"] == "b"
    r = recipe("linear", [weighted("a", 1), weighted("b", 1)], base_model="c")
    assert "base_model" not in exported(r)  # it would be merged
    assert "necessarily from c" in lost(r, "info")


@pytest.mark.parametrize(
    ("r", "tensor", "expected"),
    [
        (
            recipe("linear", [weighted("a", [0, 1]), weighted("b", 0.5)], embedding_source="b"),
            "embed_tokens",
            {"a": 0, "b": 1},
        ),
        (
            recipe("linear", [weighted("a", [0, 1]), weighted("b", 0.5)], lm_head_source="a"),
            "lm_head",
            {"a": 1, "b": 0},
        ),
        (recipe("ties", [weighted("a", 1)], base_model="b", final_norm_source="b"), "model.norm", {"a": 0}),
    ],
)
def test_donors_as_rules(r, tensor, expected):
    assert r.to_mergekit().same
    back = Recipe.load(r.to_mergekit().text)
    assert {s.model.path: s.parameters["weight"].at(f"{tensor}.weight", 1.0) for s in back.models} == expected


def test_a_donors_head_beside_a_tied_model(tmp_path):
    from tests.models import make_model

    tied, other = make_model(tmp_path / "tied", tied=True), make_model(tmp_path / "other", seed=1)
    r = recipe("linear", [weighted(tied, 1), weighted(other, 1)], lm_head_source=str(other))
    assert not r.to_mergekit().same
    assert "ties its head to its embedding" in lost(r, "error")


def test_donors_of_a_slerp():
    r = recipe("slerp", ["a", "b"], parameters={"t": [0.2, 0.4]}, embedding_source="b", lm_head_source="a")
    t = Recipe.load(r.to_mergekit().text).parameters["t"]
    assert t.at("model.embed_tokens.weight", 0.0) == 1
    assert t.at("lm_head.weight", 1.0) == 0


@pytest.mark.parametrize(
    ("r", "what"),
    [
        (recipe("ties", [weighted("a", 1)], base_model="b", embedding_source="a"), "cannot take these tensors from a"),
        (recipe("iso_c", [weighted("a", 1)], base_model="b"), "no method 'iso_c'"),
        (recipe("linear", [weighted("a", 1), weighted("a", 2)]), "same model twice"),
        (recipe("dare_ties", [weighted("a", 1, density=0.5)], base_model="b"), "different random masks"),
        (recipe("linear", [weighted("a", 1)], parameters={"method": "slerp"}), "one method"),
        (Recipe.of({"merge_method": "linear", "slices": [
            {"sources": [{"model": "a", "layer_range": [0, 1], "parameters": {"weight": 1}}]},
            {"sources": [{"model": m, "layer_range": [1, 2], "parameters": {"weight": 1}} for m in "ab"]},
        ]}), "only the first 1 models"),
    ],
)  # fmt: skip
def test_what_mergekit_cannot_do_is_an_error(r, what):
    assert what in lost(r, "error")
    assert not r.to_mergekit().same


@pytest.mark.parametrize(
    ("more", "what", "severity"),
    [
        ({"dtype_overrides": [{"filter": "lm_head", "dtype": "float32"}]}, "one dtype", "warning"),
        ({"vocabulary": "zeros"}, "different size", "warning"),
        ({"base_model": "a", "config_source": "b"}, "necessarily from b", "info"),
    ],
)
def test_a_possible_difference_is_a_warning(more, what, severity):
    r = recipe("linear", [weighted("a", 1)], **more)
    assert what in lost(r, severity)
    assert r.to_mergekit().same


@pytest.mark.parametrize(
    ("method", "count", "said"),
    [
        ("model_stock", 2, "by at most the mean's own distance"),
        ("sce", 2, "weighs models equally"),
        ("multislerp", 3, "stops at a tensor that three or more models leave unchanged"),
        ("arcee_fusion", 1, "random sample"),
    ],
)
def test_an_export_claims_no_equality_that_depends_on_weights(method, count, said):
    r = recipe(method, [weighted(m, 1) for m in "abc"[:count]], base_model="base")
    assert said in lost(r, "error")
    assert not r.to_mergekit().same


@pytest.mark.parametrize(("method", "count"), [("sce", 1), ("multislerp", 2)])
def test_an_export_claims_equality_where_nothing_can_differ(method, count):
    assert recipe(method, [weighted(m, 1) for m in "abc"[:count]], base_model="base").to_mergekit().same


def test_short_tensors_have_exact_quantiles_in_mergekit_too(family):
    assert recipe("arcee_fusion", [str(family.ft1)], base_model=str(family.base)).to_mergekit().same


def test_documents_that_feed_each_other():
    r = Recipe.load("name: x\nmerge_method: linear\nmodels: [a, b]\n---\nmerge_method: passthrough\nmodels: [x]\n")
    assert "mergekit-multi" in lost(r, "error")
    assert len(list(yaml.safe_load_all(r.to_mergekit().text))) == 2


def test_names_with_mergekits_own_signs():
    r = recipe("linear", [{"model": {"path": "/m/a+b@c"}, "parameters": {"weight": 1}}])
    assert exported(r)["models"][0]["model"] == {"model": {"path": "/m/a+b@c"}}
    assert Recipe.load(r.to_mergekit().text).models == r.models


def test_ours_alone_are_left_out():
    r = recipe("slerp", ["a", "b"], parameters={"t": 0.5, "zero_tensors": "keep_other"}, random_seed=3, name="x")
    assert exported(r).keys() == {"merge_method", "base_model", "models", "parameters"}
    assert exported(r)["parameters"] == {"t": 0.5}


# --- Python ---


def test_a_cell_that_makes_the_recipe_again():
    r = Recipe.load(
        "name: x\nmerge_method: linear\nmodels: [a, b]\nparameters: {weight: [0, 0.1, 1]}\n---\n"
        "merge_method: slerp\nmodels: [x, {path: 'c+d'}]\nparameters: {t: [{filter: mlp, value: 1e-4}, {value: 0.5}]}\n"
        .replace("models: [x, {path: 'c+d'}]", "models: [{model: x}, {model: {path: 'c+d'}}]")
    )  # fmt: skip
    space: dict = {}
    exec(r.to_python("again"), space)
    assert space["again"] == r
    assert max(map(len, r.to_python().splitlines())) < 120


@pytest.mark.parametrize("name", ["", "a b", "1x", "x; import os"])
def test_a_cell_needs_a_name(name):
    with pytest.raises(ValueError, match="not a valid name"):
        recipe("linear", [weighted("a", 1)]).to_python(name)


def test_text_of_users_is_quoted_in_python():
    evil = "'); import os #"
    space: dict = {}
    exec(recipe("linear", [weighted(evil, 1)]).to_python(), space)
    assert space["recipe"].models[0].model.path == evil
    assert "os" not in space


# --- words ---


def test_a_gradient_in_words():
    r = recipe(
        "slerp", ["org/base", "org/pirate"], parameters={"t": [{"filter": "mlp", "value": [0.3, 0.6]}, {"value": 0.1}]}
    )
    words = r.describe()
    assert "from base to pirate" in words
    assert "MLP: 30 % pirate, rising to 60 %." in words
    assert "Everything else: 10 % pirate." in words


def test_with_a_plan_layer_by_layer(deep_family):
    r = recipe(
        "slerp",
        [str(deep_family.base), str(deep_family.ft1)],
        parameters={"t": [{"filter": "mlp", "value": [0, 1, 0, 0]}, {"value": 0.1}]},
    )
    words = r.describe(plan(r))
    assert "Layers 0–5, layer norms and attention: 10 % ft1." in words
    assert "Layers 0–2, MLP: 0 % ft1, rising to 80 %." in words
    assert "Embedding, final norm and head: 10 % ft1." in words


def test_shares_are_those_after_normalisation():
    words = recipe("linear", [weighted("a", 1), weighted("b", 3)]).describe()
    assert "75 % b" in words
    words = recipe("linear", [weighted("a", 1), weighted("b", 3)], parameters={"normalize": False}).describe()
    assert "b weight 3" in words


def test_slices_in_words():
    r = Recipe.of({"merge_method": "passthrough", "slices": [
        {"sources": [{"model": "a", "layer_range": [0, 4]}]},
        {"sources": [{"model": "b", "layer_range": [2, 3], "parameters": {"scale": 0.5}}]},
    ]})  # fmt: skip
    assert r.describe().splitlines()[1:] == [
        "Layers 0–3: made from layers 0–3 of a.",
        "Layer 4: made from layer 2 of b.",
        "Layer 4, all tensors: b scale 0.5.",
    ]


def test_the_description_names_dtypes_and_sources():
    r = recipe(
        "ties",
        [weighted("a", 1, density=0.5)],
        base_model="b",
        dtype="bfloat16",
        embedding_source="a",
        config_source="c",
    )
    words = r.describe()
    assert "a weight 1; a density 0.5" in words
    assert "Embedding copied from a." in words
    assert "tokenizer copied from c" in words
    assert "bfloat16" in words


@pytest.mark.parametrize("method", ["no such method", "karcher", "model_stock"])
def test_any_recipe_can_be_described(method):
    assert recipe(method, ["a", "b", "c"], base_model="c").describe()


# --- formulas ---

UP = "model.layers.1.mlp.up_proj.weight"


def of(family, method, models, **more):
    return plan(recipe(method, models, base_model=str(family.base), **more))[UP]


def test_the_numbers_are_those_after_normalisation(family):
    made = formula(of(family, "linear", [weighted(family.ft1, 1), weighted(family.ft2, 3)]))
    assert str(made) == "W = 0.25·ft1 + 0.75·ft2"
    assert made.latex == r"W = 0.25\,\mathrm{ft1} + 0.75\,\mathrm{ft2}"


def test_task_vectors_stay_visible(family):
    made = of(family, "task_arithmetic", [weighted(family.ft1, 1), weighted(family.ft2, -0.5)])
    assert formula(made).text == "W = base + (ft1 − base) − 0.5·(ft2 − base)"


def test_a_slerp_with_and_without_its_angle(family):
    made = of(family, "slerp", [str(family.base), str(family.ft1)], parameters={"t": 0.25})
    assert (
        formula(made).text == "W = sin(0.75·θ)/sin(θ)·base + sin(0.25·θ)/sin(θ)·ft1, θ the angle between base and ft1"
    )
    at_right_angles = np.array([[1.0, -1.0], [-1.0, 2.0]])
    assert formula(made, at_right_angles).text == "W = 0.92388·base + 0.382683·ft1"


def test_a_method_that_is_not_a_sum_lists_its_values(family):
    made = formula(of(family, "ties", [weighted(family.ft1, 1, density=0.5)]))
    assert "density[ft1] = 0.5" in made.text
    assert r"\mathrm{density[ft1]} = \mathrm{0.5}" in made.latex


def test_a_plan_has_formulas(family):
    made = plan(recipe("passthrough", [{"model": str(family.ft1), "parameters": {"scale": 0}}]))
    assert str(made.formula(UP)) == "W = 0"
    assert made.formula(UP)._repr_latex_() == "$W = 0$"


def test_all_formulas_are_mathtext(family):
    from matplotlib.mathtext import MathTextParser

    for method, parameters in (
        ("ties", {"weight": 1}),
        ("sce", {}),
        ("slerp", {"t": 0.3}),
        ("dare_linear", {"weight": 1}),
    ):
        made = formula(of(family, method, [str(family.base), str(family.ft1)], parameters=parameters))
        MathTextParser("path").parse(f"${made.latex}$".replace(r"\text", r"\mathrm"))


def test_modules_are_exported_with_what_mergekit_cannot_do_in_them():
    modules = {"text": {"models": [{"model": "a", "parameters": {"weight": 1}}]}}
    r = Recipe.of({"merge_method": "linear", "modules": modules, "embedding_source": "b"})
    assert exported(r) == {"merge_method": "linear", "base_model": "a", "modules": modules}
    assert ("embedding_source",) in {p.where for p in r.to_mergekit().lost if p.severity == "error"}
    assert r.describe().startswith("Linear (weighted mean): a.")
    assert Recipe.load(r.to_python()) == r


def test_the_documentation_agrees_with_the_code(tmp_path, monkeypatch):
    import re
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert Recipe.load(text).merge_method == "slerp"
    space: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, space)
    fields = set(re.findall(r"`(\w+)`", text.split("## Fields")[1].split("**A model**")[0]))
    assert set(Recipe.model_fields) - {"modules", "merges"} <= fields
