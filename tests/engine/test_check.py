"""Check before you pay: the same findings as a plan, and what the merge will cost."""

import json

import pytest

from nbmerge.engine.check import check
from nbmerge.engine.planning.planner import plan
from nbmerge.recipe import Recipe
from tests.models import make_model


@pytest.fixture
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


def test_a_correct_recipe_has_no_problems(half, tmp_path):
    report = check(half, tmp_path / "out")
    assert report.ok
    assert report
    assert report.plan.recipe == half
    assert [p for p in report.problems if p.severity == "error"] == []
    assert list(tmp_path.iterdir()) == []  # nothing was written


def test_a_report_has_a_forecast(half):
    forecast, planned = check(half).forecast, plan(half)
    assert (forecast.bytes_read, forecast.bytes_written) == (planned.bytes_read, planned.bytes_written)
    assert forecast.memory_bytes > 0
    assert "MB" in str(forecast)


def test_a_recipe_may_come_as_text_or_file(half, tmp_path):
    (tmp_path / "recipe.yml").write_text(half.to_yaml())
    assert check(half.to_yaml()).plan.recipe == half
    assert check(tmp_path / "recipe.yml").plan.recipe == half


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("merge_method: linear\nmodels: [", "not valid YAML"),
        ("merge_methd: linear\nmodels: [a]\n", "merge_method"),
        ("merge_method: linear\nmodels: [/no/such/folder]\nparameters: {weight: 1}\n", "neither a local folder"),
        ("nowhere.yml", "not a file"),
    ],
)
def test_problems_are_reported_and_not_raised(text, said):
    report = check(text)
    assert not report
    assert report.plan is None
    assert report.forecast is None
    assert any(said in str(p) for p in report.problems)
    assert said in str(report)


def test_an_output_that_cannot_be_is_reported(half, tmp_path, family):
    for out in (family.ft1, tmp_path / ("a" * 300), "~nobody-of-this-name/out"):
        report = check(half, out)
        assert not report.ok
        assert report.plan is not None
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years")
    assert "not empty" in str(check(half, tmp_path / "out"))


def test_it_shows_as_html_with_everything_escaped(tmp_path, family):
    evil = make_model(tmp_path / "<img src=x>", base=family.base, seed=3)
    data = {"merge_method": "linear", "models": [str(evil), "<script>alert(1)</script>"], "parameters": {"weight": 1}}
    page = check(Recipe.of(data))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    good = Recipe.of(data | {"models": [str(evil), str(family.base)]})
    assert "<img" not in check(good)._repr_html_()


def test_the_worst_comes_first(family):
    data = {
        "merge_method": "linear",
        "models": [str(family.base)],
        "parameters": {"weight": 1, "int8_mask": 1, "density": 1},
    }
    report = check(Recipe.of(data | {"embedding_source": "/no/such"}))
    assert [p.severity for p in report.problems] == ["error", "warning", "info"]


# --- advice ---


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        ([{"filter": "mlpp", "value": 1}, {"value": 0.5}], "the filter 'mlpp' matches no tensor"),
        ([1, 2, 3, 4, 5], "a gradient of 5 values over 3 layers"),
    ],
)
def test_settings_without_effect_are_warned_of(family, weight, said):
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": weight}}
    report = check(Recipe.of(data))
    assert report.ok
    assert any(p.severity == "warning" and said in str(p) for p in report.problems)


def test_one_model_under_two_names_is_warned_of(family, tmp_path):
    (tmp_path / "other").symlink_to(family.base)
    data = {
        "merge_method": "linear",
        "models": [str(family.base), str(tmp_path / "other")],
        "parameters": {"weight": 1},
    }
    assert "are the same files" in str(check(Recipe.of(data)))


def test_tokens_with_other_numbers_are_warned_of(family, tmp_path):
    other = make_model(tmp_path / "other", base=family.base, seed=4)
    file = other / "tokenizer.json"
    data = json.loads(file.read_text())
    words = data["model"]["vocab"]
    words["a"], words["b"] = words["b"], words["a"]
    file.write_text(json.dumps(data))
    recipe = {"merge_method": "linear", "models": [str(family.base), str(other)], "parameters": {"weight": 1}}
    report = check(Recipe.of(recipe))
    assert any(p.severity == "warning" and "other" in str(p) and "'a'" in str(p) for p in report.problems)


def test_a_model_named_twice_is_pointed_at(family):
    models = [{"model": str(m), "parameters": {"weight": 1}} for m in (family.base, family.ft1, family.base)]
    report = check(Recipe.of({"merge_method": "linear", "models": models}))
    assert [(p.severity, p.place, p.what) for p in report.problems] == [
        ("warning", "models[2].model", "base is listed twice.")
    ]


def test_all_problems_are_found_at_once(family, tmp_path):
    """Unknown keys, dtypes, methods' parameters, ranges and models: one report, and no second round."""
    text = f"""\
merge_method: ties
base_model: {family.base}
modles: 3
dtype: float99
models:
  - model: {family.ft1}
    parameters: {{weight: 1, density: 1.5, wieght: 2}}
  - model: {tmp_path}/nowhere
    parameters: {{weight: 1}}
"""
    report = check(text)
    assert not report.ok
    assert {(p.place, p.line) for p in report.problems} == {
        ("modles", 3), ("dtype", 4), ("models[0].parameters.wieght", 7), ("models[0].parameters.density", 7),
        ("models[1].model", 8),
    }  # fmt: skip


def test_an_unknown_parameter_does_not_hide_a_wrong_value(family):
    data = {
        "merge_method": "ties",
        "base_model": str(family.base),
        "models": [{"model": str(family.ft1), "parameters": {"weight": 1, "density": 1.5}}],
        "parameters": {"normalise": True},
    }
    assert {p.place for p in check(data).problems} == {"parameters.normalise", "models[0].parameters.density"}


@pytest.mark.parametrize(
    "wrong", [{"models": 3}, {"models": [{"model": 5}]}, {"name": []}, {"models": None}, {"merges": [{"name": "x"}]}]
)
def test_an_unreadable_recipe_is_the_only_problem(wrong, family):
    data = {"merge_method": "linear", "models": [str(family.base)], "parameters": {"weight": 1}} | wrong
    report = check(data)
    assert not report.ok
    assert all(p.where == () or p.where[0] in wrong for p in report.problems)


def test_filters_of_dtypes_that_match_nothing(family, half):
    report = check(half.replace(dtype_overrides=[{"filter": "nowhere", "dtype": "float16"}]))
    assert any(p.where == ("dtype_overrides", 0) and "'nowhere' matches no tensor" in p.what for p in report.problems)


def test_models_of_different_dtypes_are_named(family, tmp_path):
    other = make_model(tmp_path / "half", base=family.base, dtype="float16")
    data = {"merge_method": "linear", "models": [str(family.base), str(other)], "parameters": {"weight": 1}}
    said = next(p for p in check(data).problems if p.where == ("dtype",))
    assert (said.severity, "half float16" in said.what, "mostly float32" in said.what) == ("info", True, True)
    assert not [p for p in check({**data, "dtype": "float16"}).problems if p.where == ("dtype",)]


def test_what_would_solve_a_problem_is_suggested(half, tmp_path, family):
    other = make_model(tmp_path / "other", hidden=48)
    models = [{"model": str(m), "parameters": {"weight": 1}} for m in (family.base, family.ft1, other)]
    report = check({"merge_method": "linear", "models": models})
    assert report.suggestions == ("Remove other.",)
    assert "suggestion: Remove other." in str(report)
    assert check(half).suggestions == ()
