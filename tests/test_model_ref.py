"""How recipes name models."""

from pathlib import Path

import pytest

from nbmerge.errors import ArgumentError
from nbmerge.recipe import ModelRef


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("org/model", ModelRef("org/model")),
        ("org/model@main", ModelRef("org/model", "main")),
        ("org/model+adapter", ModelRef("org/model", None, ("adapter",))),
        ("org/model@v1+a+b/c", ModelRef("org/model", "v1", ("a", "b/c"))),
        ("./folder", ModelRef("./folder")),
        (Path("/some/folder"), ModelRef("/some/folder")),
        (Path("/odd+folder@x"), ModelRef("/odd+folder@x")),
        ({"path": "org/model"}, ModelRef("org/model")),
        ({"model": "org/model"}, ModelRef("org/model")),
        ({"path": "org/model", "revision": "main"}, ModelRef("org/model", "main")),
        ({"path": "a+b@c@d", "lora": "x"}, ModelRef("a+b@c@d", None, ("x",))),
        ({"path": "a", "lora": ["x", "y"]}, ModelRef("a", None, ("x", "y"))),
        ({"model": {"path": "a", "revision": "r"}, "lora": {"path": "x"}}, ModelRef("a", "r", ("x",))),
        ({"path": "a", "revision": 1}, ModelRef("a", "1")),
    ],
)
def test_every_form_of_a_reference_is_parsed(raw, expected):
    assert ModelRef.of(raw) == expected


def test_a_reference_is_taken_as_it_is():
    ref = ModelRef("a")
    assert ModelRef.of(ref) is ref


@pytest.mark.parametrize("name", ["plus+sign", "at@sign", "both@+signs", "double@@at"])
def test_an_existing_folder_is_that_folder_whatever_its_name(tmp_path, name):
    (tmp_path / name).mkdir()
    text = str(tmp_path / name)
    assert ModelRef.of(text) == ModelRef(text)
    assert ModelRef.of(ModelRef.of(text).plain()) == ModelRef(text)


@pytest.mark.parametrize(
    "ref",
    [
        ModelRef("org/model"),
        ModelRef("org/model", "main", ("a", "b")),
        ModelRef("/no/such+folder"),
        ModelRef("/no/such@folder", "r"),
        ModelRef("/no/such+folder", None, ("x",)),
        ModelRef("org/model", None, ("/some/plus+sign", "a@revision")),
    ],
)
def test_plain_and_back_is_the_same(ref):
    assert ModelRef.of(ref.plain()) == ref


@pytest.mark.parametrize(
    ("path", "name"),
    [("org/model", "model"), ("/a/b/c", "c"), ("/a/b/c/", "c"), ("model", "model"), ("/", "/"), ("..", "..")],
)
def test_short_names(path, name):
    assert ModelRef(path).name == name


def test_the_text_of_a_reference_is_complete():
    assert str(ModelRef("org/model", "v1", ("a", "b"))) == "org/model@v1+a+b"


@pytest.mark.parametrize(
    "raw",
    [
        "", "  ", None, 5, True, [], ["a"], "a@b@c", "@main", "a@", "a+", "+x", "a++b", "nul\0byte",
        {}, {"path": ""}, {"path": 5}, {"path": "nul\0"}, {"revision": "main"}, {"path": "a", "model": "b"},
        {"path": "a", "branch": "main"}, {"path": ["a"]},
    ],
)  # fmt: skip
def test_other_values_are_refused_as_references(raw):
    with pytest.raises(ArgumentError, match=r"."):
        ModelRef.of(raw)


@pytest.mark.parametrize("text", ["x" * 5000, "~nobody-of-this-name/model", "a" * 300 + "/b"])
def test_odd_paths_are_names_like_others(text):
    assert ModelRef.of(text).path == text
