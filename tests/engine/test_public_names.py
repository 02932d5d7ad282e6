"""What others read of a merge: Hub ids and names of folders, never where they lie."""

import pytest

from nbmerge.engine.public_names import public_names, replace_names, with_names
from nbmerge.recipe import Recipe

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CACHED = f"/home/me/.cache/huggingface/hub/models--org--base/snapshots/{COMMIT}"


def linear(*models, **more) -> Recipe:
    return Recipe.of({"merge_method": "linear", "models": list(models), "parameters": {"weight": 1}, **more})


@pytest.mark.parametrize(
    ("models", "wanted"),
    [
        (["org/base", "org/ft@main"], {}),
        ([CACHED, "org/ft"], {CACHED: f"org/base@{COMMIT}"}),
        (["/a/base", "/b/base", "./base"], {"/a/base": "base", "/b/base": "base-2", "./base": "base-3"}),
        (["/a/base+/a/lora", "org/ft"], {"/a/base": "base", "/a/lora": "lora"}),
        (["~/models/poet", {"model": {"path": "../x y@z"}}], {"~/models/poet": "poet", "../x y@z": "x-y-z"}),
    ],
)
def test_names(models, wanted):
    assert public_names(linear(*models)) == wanted


def test_the_donor_of_a_tokenizer_is_renamed_too():
    recipe = linear("org/a", "org/b", tokenizer={"source": "/secret/donor"})
    assert "/secret" not in with_names(recipe, public_names(recipe)).to_yaml()


def test_a_merge_that_feeds_another_keeps_its_name():
    recipe = Recipe.load(
        "name: base\nmerge_method: linear\nmodels: [/a/one, /a/two]\nparameters: {weight: 1}\n---\n"
        "merge_method: linear\nmodels: [base, /b/base]\nparameters: {weight: 1}\n"
    )
    names = public_names(recipe)
    assert names["/b/base"] == "base-2"
    again = with_names(recipe, names)
    assert "/a/" not in again.to_yaml()
    assert [str(m.model) for m in again.models] == ["base", "base-2"]


def test_a_snapshot_becomes_id_and_revision():
    recipe = linear(CACHED, "org/ft@main")
    (first, second) = (m.model for m in with_names(recipe, public_names(recipe)).models)
    assert (first.path, first.revision) == ("org/base", COMMIT)
    assert (second.path, second.revision) == ("org/ft", "main")


def test_one_path_may_begin_with_another():
    names = {"/a/base": "base", "/a/base-large": "base-large", "here": "here"}
    assert replace_names("/a/base-large, /a/base; here", names) == "base-large, base; here"
    assert replace_names("nothing", {}) == "nothing"
