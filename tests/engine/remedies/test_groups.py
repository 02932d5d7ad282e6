"""Problems are named by their cause, and every remedy that is offered leads to a plan."""

import pytest

from nbmerge.engine.planning import examine
from nbmerge.engine.remedies import group_problems
from nbmerge.recipe import Recipe
from tests.models import make_model


def groups_of(recipe):
    """The groups of a recipe; each remedy is applied and must leave no error."""
    _, problems = examine(recipe)
    groups = group_problems(recipe, problems, seconds=30)
    for remedy in (r for g in groups for r in g.remedies):
        plan, left = examine(remedy.change(recipe))
        assert plan is not None, (remedy.title, left)
    return groups


def task_arithmetic(base, *models, **fields):
    sources = [{"model": str(m), "parameters": {"weight": 0.5}} for m in models]
    return Recipe.of({"merge_method": "task_arithmetic", "base_model": str(base), "models": sources} | fields)


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        ({"hidden": 32, "intermediate": 48}, "it is 32 wide, base is 16"),
        ({"layers": 2}, "it has 2 layers, base has 3"),
        ({"architecture": "gpt2"}, "it is GPT2LMHeadModel"),
    ],
)
def test_a_model_that_does_not_fit_is_one_group_that_names_it(family, tmp_path, sizes, reason):
    other = make_model(tmp_path / "other", **sizes)
    (group,) = groups_of(task_arithmetic(family.base, family.ft1, other))
    assert group.title.startswith("other does not fit the other models")
    assert reason in group.title
    assert [r.title for r in group.remedies] == ["Remove other"]


def test_a_misfit_is_removed_also_where_that_shows_a_warning_about_another_model(family, tmp_path):
    wide, deep = make_model(tmp_path / "wide", vocab=40), make_model(tmp_path / "deep", layers=4)
    group, *_ = groups_of(task_arithmetic(family.base, family.ft1, wide, deep))
    assert group.title.startswith("deep does not fit")
    assert group.advice == "Models merged as a whole need the same depth; use slices to choose layers."
    assert [r.title for r in group.remedies] == ["Remove deep"]


def test_a_base_that_does_not_fit_is_replaced(family, tmp_path):
    other = make_model(tmp_path / "other", layers=2)
    (group,) = groups_of(task_arithmetic(other, family.base, family.ft1))
    assert "Remove other, and make base the base" in [r.title for r in group.remedies]


def test_vocabularies_get_remedies_without_a_next_error(family, tmp_path):
    wide = make_model(tmp_path / "wide", vocab=40)
    (group,) = groups_of(task_arithmetic(family.base, family.ft1, wide))
    assert group.severity == "warning"
    assert "Use config and tokenizer of ft1" not in [r.title for r in group.remedies]  # it does not fit, either
    assert "Use config and tokenizer of wide" in [r.title for r in group.remedies]


def test_a_missing_base_is_chosen_from_the_models(family):
    recipe = task_arithmetic(family.base, family.ft1, family.base).replace(base_model=None)
    (group,) = groups_of(recipe)
    titles = [r.title for r in group.remedies]
    assert titles == ["Make ft1 the base", "Make base the base"]
    assert group.remedies[1].change(recipe).base_model.name == "base"


def test_too_many_models_leave_or_the_method_changes(family):
    recipe = task_arithmetic(family.base, family.ft1, family.ft2, merge_method="slerp")
    number = next(g for g in groups_of(recipe) if "merges 2 models" in g.title)
    assert [r.title for r in number.remedies] == ["Remove ft2", "Use Task arithmetic", "Use TIES"]


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"merge_method": "tie"}, "Use TIES"),
        ({"parameters": {"lamda": 3}}, "Rename it to lambda"),
        ({"merge_method": "ties", "parameters": {"density": 1.5}}, "Limit density to 0 to 1"),
        ({"merge_method": "ties", "parameters": {"density": {0: 0.5, 2: 1.5}}}, "Limit density to 0 to 1"),
        ({"parameters": {"density": 0.5}}, "Remove density"),
    ],
)
def test_a_small_mistake_has_a_remedy_that_corrects_it(family, fields, title):
    (group,) = groups_of(task_arithmetic(family.base, family.ft1, **fields))
    assert group.remedies[0].title == title


def test_a_model_that_cannot_be_opened_is_removed(family, tmp_path):
    (group,) = groups_of(task_arithmetic(family.base, family.ft1, tmp_path / "gone"))
    assert group.models[0].name == "gone"
    assert [r.title for r in group.remedies] == ["Remove gone"]


def test_without_time_no_remedy_is_offered(family, tmp_path):
    recipe = task_arithmetic(family.base, family.ft1, tmp_path / "gone")
    assert group_problems(recipe, examine(recipe)[1], seconds=-1)[0].remedies == ()
