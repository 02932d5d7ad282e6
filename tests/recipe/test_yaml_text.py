"""YAML in: lines for every place, and nothing in a text that executes, expands, exhausts or raises foreign errors."""

import contextlib

import pytest

from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe, Setting
from tests.limits import processor_seconds

HEAD = "merge_method: linear\nmodels: [a]\n"

GOOD = """\
# a comment
merge_method: linear
models:
  - model: org/one
    parameters:
      weight: 0.5

  - model: org/two
    parameters:
      weight:
        - filter: mlp
          value: [0, 1]
        - value: 2
"""


def refused(text: str) -> RecipeError:
    """Load what must be refused, by our own error and soon."""
    with processor_seconds(5), pytest.raises(RecipeError) as caught:
        Recipe.load(text)
    assert len(str(caught.value)) < 2000
    return caught.value


def weight(text: str):
    """The weight in a recipe, written as `text`."""
    return Recipe.load(f"{HEAD}parameters: {{weight: {text}}}").parameters["weight"]


@pytest.mark.parametrize(
    ("where", "line"),
    [
        (("merge_method",), 2),
        (("models",), 3),
        (("models", 0), 4),
        (("models", 0, "model"), 4),
        (("models", 0, "parameters", "weight"), 6),
        (("models", 1), 8),
        (("models", 1, "parameters", "weight", 0, "value"), 12),
        (("models", 1, "parameters", "weight", 1), 13),
        (("models", 1, "parameters", "no such", "thing"), 9),  # the nearest place around it
    ],
)
def test_every_place_has_its_line(where, line):
    assert Recipe.load(GOOD).line(where) == line


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("model: org/two", "modl: org/two", 8),
        ("weight: 0.5", "weight: [0.5, [1]]", 6),
        ("filter: mlp", "filtr: mlp", 10),
        ("merge_method: linear", "merge_method: linear\nmerge_methd: ties", 3),
    ],
)
def test_errors_name_the_line(old, new, line):
    error = refused(GOOD.replace(old, new))
    assert line in [p.line for p in error.problems]
    assert f"line {line}" in str(error)


def test_lines_are_lost_when_a_recipe_changes():
    assert Recipe.load(GOOD).replace(random_seed=3).line(("models", 0)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), ("0x10", 16), ("1_000", 1000), (".5", 0.5), ("-1", -1), ("+2.", 2),
        ("'0.5'", 0.5), ('"1e-4"', 1e-4), ("yes", True), ("off", False), ("True", True), ("l1", "l1"),
        ("2001-01-01", "2001-01-01"), ("!!str 5", 5), ("!!float 5", 5), ("[0, 0.5, 1]", [0, 0.5, 1]), ("[0.5]", 0.5),
    ],
)  # fmt: skip
def test_scalars(text, expected):
    assert weight(text) == Setting.of(expected)


def test_names_that_look_like_other_things_stay_names():
    r = Recipe.load("merge_method: linear\nmodels: ['1e5', \"null\", 2001-01-01, 'yes']")
    assert [s.model.path for s in r.models] == ["1e5", "null", "2001-01-01", "yes"]


def test_keys_are_strings_even_where_yaml_reads_another_type():
    assert "on" in str(refused(f"{HEAD}on: 5"))
    assert "'5'" in str(refused(f"{HEAD}5: 5"))


def test_anchors_and_aliases_are_read():
    r = Recipe.load(
        "merge_method: linear\nmodels:\n- model: a\n  parameters: &p {weight: 1}\n- model: b\n  parameters: *p\n"
    )
    assert r.models[0].parameters == r.models[1].parameters


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks(newline, mark):
    assert Recipe.load(mark + GOOD.replace("\n", newline)) == Recipe.load(GOOD)


HOSTILE = {
    "deep lists": "merge_method: " + "[" * 5_000,
    "deep mappings": "merge_method: " + "{a: " * 5_000,
    "deep blocks": "a:\n" + "".join(" " * i + "- \n" for i in range(1, 400)),
    "deep dashes": "a:\n " + "- " * 20_000,
    "deep question marks": "a:\n " + "? " * 20_000,
    "bomb of aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)),
    "an alias inside itself": "a: &a [*a]",
    "an alias inside itself, as a mapping": "a: &a {b: *a}",
    "many entries": HEAD + "parameters:\n  weight:\n" + "  - 1\n" * 100_000,
    "many entries in a row": HEAD + "parameters: {weight: [" + "1," * 100_000 + "]}",
    "many documents": "---\n" * 25_000,
    "long text": "a: " + "x" * 3_000_000,
    "long key": "x" * 1_500_000 + ": 1",
    "long name": "merge_method: linear\nmodels: [a]\nbase_model: {path: " + "x" * 1_500_000 + ", y: 1}",
    "long number": HEAD + "parameters: {weight: " + "1" * 5000 + "}",
    "long float": HEAD + "parameters: {weight: " + "1" * 5000 + ".5}",
    "base 60": HEAD + "parameters: {weight: [[1:1:1:1:1]]}",
    "an object": "merge_method: !!python/object/apply:os.system [ls]\nmodels: [a]",
    "an object around a mapping": HEAD + "parameters: !!python/object/apply:os.system {weight: 1}",
    "an object around a list": "merge_method: linear\nmodels: !!python/tuple [a, b]",
    "a python name": HEAD + "parameters: {weight: !!python/name:os.system ''}",
    "an own tag": HEAD + "parameters: {weight: !mine 1}",
    "an own tag on a list": HEAD + "parameters: {weight: !mine [1]}",
    "a tag with a prefix": "%TAG ! tag:evil,2000:\n---\nmerge_method: !x linear\nmodels: [a]",
    "no int": HEAD + "parameters: {weight: !!int ''}",
    "a false int": HEAD + "parameters: {weight: !!int abc}",
    "a false float": HEAD + "parameters: {weight: !!float abc}",
    "no float": HEAD + "parameters: {weight: !!float ''}",
    "a false flag": HEAD + "parameters: {weight: !!bool abc}",
    "a false date": HEAD + "parameters: {weight: !!timestamp abc}",
    "an impossible date": HEAD + "parameters: {weight: 2001-13-45}",
    "a false number": HEAD + "parameters: {weight: 0o9:1}\n: :",
    "a value": "merge_method: linear\nmodels: [a]\nx: =",
    "not a number": HEAD + "parameters: {weight: .nan}",
    "not a number in a list": HEAD + "parameters: {weight: [0, .NaN]}",
    "infinity": HEAD + "parameters: {weight: -.inf}",
    "infinity by size": HEAD + "parameters: {weight: 1e999}",
    "infinity by words": HEAD + "parameters: {weight: 'infinity'}",
    "control characters": "merge_method: lin\x07ear\nmodels: [a]",
    "a NUL": "merge_method: linear\0\nmodels: [a]",
    "a NUL in a name": 'merge_method: linear\nmodels: ["a\\0b"]',
    "half a surrogate pair": "merge_method: linear\nmodels: ['\ud800']",
    "a key twice": "merge_method: linear\nmerge_method: ties\nmodels: [a]",
    "a parameter twice": HEAD + "parameters: {weight: 1, weight: 2}",
    "a list as a key": "? [a, b]\n: 1\n",
    "a mapping as a key": "{a: 1}: 2",
    "merge keys": HEAD + "<<: {random_seed: 5}",
    "tabs": "merge_method: linear\nmodels:\n\t- a\n",
    "open quotes": 'merge_method: "linear\nmodels: [a]',
    "open bracket": "merge_method: linear\nmodels: [a",
    "an unknown alias": "merge_method: *nobody\nmodels: [a]",
    "percent": "%YAML 9.9\n---\nmerge_method: linear\nmodels: [a]\n%",
    "a list": "- a\n- b\n",
    "a word": "linear: \n\n",
    "nothing": "\n\n",
    "only comments": "# nothing\n# here\n",
    "null": "---\nnull\n...\n",
    "html": "<html>\n<body>Not found: 404</body>\n</html>\n",
    "json that is cut": '{"merge_method": "linear",\n "models": ["a"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_quickly_with_a_message(name):
    refused(HOSTILE[name])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a key twice", 2), ("a parameter twice", 3), ("an object", 1), ("an own tag", 3), ("open bracket", 2),
        ("merge keys", 3), ("infinity", 3), ("a false int", 3), ("tabs", 3),
    ],
)  # fmt: skip
def test_an_error_has_the_line_of_its_cause(name, line):
    assert line in [p.line for p in refused(HOSTILE[name]).problems]


@pytest.mark.parametrize(
    "text", ["1:" * 100_000 + "1", "0x" + "f" * 100_000, "0b" + "1" * 100_000, "9" * 100_000, "x" * 100_000]
)
@pytest.mark.rest_is_slow(keep=2)
def test_very_long_numbers_are_refused_quickly(text):
    with processor_seconds(5), contextlib.suppress(RecipeError):
        assert list(weight(text).values()) == [text]  # a word, which no parameter takes


def test_quoting_a_surrogate_does_not_break_anything():
    try:
        r = Recipe.load('merge_method: linear\nmodels: ["\\ud800"]')
    except RecipeError:
        return
    assert Recipe.load(r.to_yaml()) == r
    assert r.fingerprint


def test_json_is_yaml():
    assert Recipe.load('{"merge_method": "linear",\n "models": ["a"]}') == Recipe.load(HEAD)
