"""Where recipes are read from."""

from pathlib import Path

import pytest

from nbmerge.errors import RecipeError
from nbmerge.recipe import RECIPE_FILE, Recipe

TEXT = "merge_method: linear\nmodels: [org/one, org/two]\nparameters: {weight: 0.5}\n"
SAME = Recipe.of({"merge_method": "linear", "models": ["org/one", "org/two"], "parameters": {"weight": 0.5}})


def test_a_text():
    r = Recipe.load(TEXT)
    assert r == SAME
    assert "text" in r.origin


@pytest.mark.parametrize("source", [None, 3, 0.5, ["a", "b"]])
def test_other_texts_are_refused_as_recipes(source):
    with pytest.raises(RecipeError, match=f"not {type(source).__name__}"):
        Recipe.load(source)


def test_one_line_of_text():
    assert Recipe.load("{merge_method: linear, models: [org/one, org/two], parameters: {weight: 0.5}}") == SAME


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file(tmp_path, kind):
    file = tmp_path / "my recipe.yaml"
    file.write_text(TEXT)
    r = Recipe.load(kind(file))
    assert r == SAME
    assert "my recipe.yaml" in r.origin


@pytest.mark.parametrize("name", [RECIPE_FILE, "mergekit_config.yml"])
def test_a_merged_folder(tmp_path, name):
    (tmp_path / name).write_text(TEXT)
    r = Recipe.load(tmp_path)
    assert r == SAME
    assert tmp_path.name in r.origin


def test_our_own_file_comes_first_in_a_folder(tmp_path):
    (tmp_path / RECIPE_FILE).write_text(TEXT)
    (tmp_path / "mergekit_config.yml").write_text("merge_method: ties\nmodels: [x]\n")
    assert Recipe.load(tmp_path) == SAME


def test_a_file_whose_name_looks_like_yaml(tmp_path):
    folder = tmp_path / "merges: old"
    folder.mkdir()
    (folder / "recipe.yml").write_text(TEXT)
    assert Recipe.load(str(folder / "recipe.yml")) == SAME


def test_home_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "recipe.yml").write_text(TEXT)
    assert Recipe.load("~/recipe.yml") == SAME


def test_plain_data_and_recipes():
    assert Recipe.load(SAME.plain()) == SAME
    assert Recipe.load(SAME) is SAME


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.yml", "not a file"),
        ("", "contains no recipe"),
        ("a" * 300, "a"),
        ("~nobody-of-this-name/recipe.yml", "nobody-of-this-name"),
        ("x" * 5000, "is not a recipe"),
        ("nul\0byte", "not a file"),
    ],
)
def test_paths_that_do_not_exist_are_refused(source, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=said):
        Recipe.load(source)


def test_a_folder_without_a_recipe(tmp_path):
    with pytest.raises(RecipeError, match=RECIPE_FILE):
        Recipe.load(tmp_path)


def test_a_binary_file(tmp_path):
    (tmp_path / "model.yml").write_bytes(b"merge_method: \xff\xfe\x80")
    with pytest.raises(RecipeError, match="not a text file"):
        Recipe.load(tmp_path / "model.yml")


def test_a_huge_file_is_not_even_read(tmp_path):
    file = tmp_path / "model.safetensors"
    with open(file, "wb") as f:
        f.truncate(10**12)
    with pytest.raises(RecipeError, match="too large"):
        Recipe.load(file)


def test_an_unknown_dialect():
    with pytest.raises(RecipeError, match=r"mergekit-0\.1"):
        Recipe.load(TEXT, dialect="mergekit-0.2")


# --- several documents ---


def test_documents_that_feed_each_other():
    text = "name: half\nmerge_method: linear\nmodels: [a, b]\n---\nmerge_method: slerp\nmodels: [half, c]\n"
    r = Recipe.load(text)
    assert r.merge_method == "slerp"
    assert [m.name for m in r.merges] == ["half"]
    assert Recipe.load(r.to_yaml()) == r


def test_a_chain_of_documents_survives_the_way_through_yaml():
    text = (
        "name: one\nmerge_method: linear\nmodels: [a, b]\n---\n"
        "name: two\nmerge_method: linear\nmodels: [one, c]\n---\n"
        "merge_method: linear\nmodels: [two, d]\n"
    )
    r = Recipe.load(text)
    assert r.merges[0].merges[0].name == "one"
    back = Recipe.load(r.to_yaml())
    assert back == r
    assert back.merges[0].merges[0].name == "one"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("merge_method: linear\nmodels: [a]\n---\nmerge_method: linear\nmodels: [b]\n", "not used by any other"),
        ("name: x\nmerge_method: linear\nmodels: [a]\n---\nname: x\nmerge_method: linear\nmodels: [b]\n", "named 'x'"),
        ("name: x\nmerge_method: linear\nmodels: [y]\n---\nname: y\nmerge_method: linear\nmodels: [x]\n", "circle"),
        ("name: x\nmerge_method: linear\nmodels: [x]\n---\nmerge_method: linear\nmodels: [x]\n", "circle"),
        ("merge_method: linear\nmodels: [a]\n---\n- b\n", "not a recipe"),
    ],
)
def test_documents_that_do_not_fit_together(text, said):
    with pytest.raises(RecipeError, match=said):
        Recipe.load(text)
