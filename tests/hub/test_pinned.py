"""What is planned and written down names commits, wherever a model is named."""

import pytest

import nbmerge as nbm
from nbmerge.checkpoints import hub as room
from nbmerge.engine.planning.pin_commits import pin_commits
from nbmerge.recipe import ModelRef


@pytest.fixture
def commits(online, family) -> dict[str, str]:
    return {name: online.add(f"org/{name}", getattr(family, name)) for name in ("base", "ft1", "ft2")}


def linear(*models, **more) -> nbm.Recipe:
    return nbm.Recipe.of({"merge_method": "linear", "models": list(models), "parameters": {"weight": 1}, **more})


def test_every_place_that_names_a_model(commits, family):
    inner = linear("org/base", "org/ft2@main", name="inner").plain()
    recipe = linear(
        "org/base", {"model": {"path": "org/ft1", "lora": ["org/ft2"]}}, "inner", str(family.ft1),
        base_model="org/base", lm_head_source="org/ft2",
        tokenizer={"source": "org/ft1", "tokens": {"a": {"source": "org/ft2"}}}, merges=[inner],
    )  # fmt: skip
    made = pin_commits(recipe)
    at = {name: f"org/{name}@{commit}" for name, commit in commits.items()}
    assert [str(s.model) for s in made.models] == [at["base"], f"{at['ft1']}+{at['ft2']}", "inner", str(family.ft1)]
    assert str(made.base_model) == at["base"]
    assert str(made.lm_head_source) == at["ft2"]
    assert made.tokenizer.source == str(made.models[1].model)
    assert str(made.tokenizer.tokens["a"].source) == at["ft2"]
    assert [str(s.model) for s in made.merges[0].models] == [at["base"], at["ft2"]]
    assert made.fingerprint != recipe.fingerprint
    assert pin_commits(made) is made
    assert nbm.Recipe.load(made.to_yaml()) == made


def test_a_recipe_of_folders_stays_itself(online, family):
    recipe = linear(family.base, family.ft1, tokenizer_source="base")
    assert pin_commits(recipe) is recipe
    assert online.requests == []


@pytest.mark.parametrize("source", ["union", "base", "ft1", "model:org/ft1"])
def test_sources_of_a_tokenizer(commits, source):
    made = pin_commits(linear("org/base", "org/ft1", base_model="org/base", tokenizer_source=source))
    expected = f"model:org/ft1@{commits['ft1']}" if source.startswith("model:") else source
    assert made.tokenizer_source == expected
    assert nbm.check(made).ok


@pytest.mark.slow
def test_a_plan_keeps_its_commit_when_the_branch_moves(online, family, commits, tmp_path):
    recipe = linear("org/base", "org/ft1")
    plan = nbm.plan(recipe)
    online.add("org/ft1", family.ft2)
    room.forget()
    written = nbm.merge(plan, tmp_path / "old").path
    for name in ("nbmerge_recipe.yml", "README.md"):
        assert f"org/ft1@{commits['ft1']}" in (written / name).read_text()
    again = nbm.merge(written / "nbmerge_recipe.yml", tmp_path / "again").path
    assert (again / "model.safetensors").read_bytes() == (written / "model.safetensors").read_bytes()
    assert nbm.verify(again, derive=True).ok
    assert nbm.plan(recipe).recipe != plan.recipe


def test_reading_and_writing_a_recipe_needs_no_network(online, commits):
    recipe = nbm.Recipe.load("merge_method: slerp\nmodels: [org/base, org/ft1]\nparameters: {t: [0, 1]}\n")
    for text in (
        recipe.to_yaml(),
        recipe.to_mergekit().text,
        recipe.to_python(),
        recipe.describe(),
        recipe.fingerprint,
    ):
        assert text
    assert online.requests == []


def test_a_model_that_is_not_found_is_left_to_the_planner(online):
    recipe = linear("org/none", "org/nothing")
    assert pin_commits(recipe) is recipe
    report = nbm.check(recipe)
    assert [p.place for p in report.problems if p.severity == "error"] == ["models[0].model", "models[1].model"]


def test_another_recipe_is_made_of_the_same_text(online, commits):
    recipe = linear("org/base", "org/ft1")
    renamed = recipe.with_references(lambda ref: ModelRef(ref.path.replace("org/", "us/")))
    assert [r.path for r in renamed.references] == ["us/base", "us/ft1"]
    assert recipe.with_references(lambda ref: ref) is recipe
