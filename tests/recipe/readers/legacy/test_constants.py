"""Cells that put their recipe together: what can be told from the parsed text, and what only running them could."""

import ast

import pytest

from nbmerge.errors import RecipeError
from nbmerge.recipe import Recipe
from nbmerge.recipe.readers.legacy.constants import Constants, NotConstant
from tests.limits import processor_seconds

WANTED = Recipe.of({"merge_method": "linear", "models": [{"model": "a/b", "parameters": {"weight": 0.5}}]})
BODY = "\nmodels:\n  - model: {}\n    parameters:\n      weight: {}\nmerge_method: linear\n"

LAZY = '''
MODEL_NAME = "NeuralPipe-7B-slerp"
base, share = None, None
BASE = "mistralai/Mistral-7B-v0.1"
OTHER = "OpenPipe/mistral-ft-optimized-1218"
LAYERS = 32
yaml_config = f"""
slices:
  - sources:
      - model: {OTHER}
        layer_range: [0, {LAYERS}]
      - model: {BASE}
        layer_range: [0, {LAYERS}]
merge_method: slerp
base_model: {OTHER}
parameters:
  t:
    - filter: self_attn
      value: [0, 0.5, 0.3, 0.7, 1]
    - value: {1 / 2}
dtype: bfloat16
"""
!pip install -q mergekit
with open("config.yaml", "w", encoding="utf-8") as f:
    f.write(yaml_config)
'''


def test_lazymergekits_cell_with_an_f_string():
    r = Recipe.load(LAZY)
    assert r.origin == "YAML text in a Python cell"
    assert r.base_model.path == "OpenPipe/mistral-ft-optimized-1218"
    assert [s.layer_range for s in r.slices[0].sources] == [(0, 32), (0, 32)]
    assert [(p.what, p.line) for p in r.notes] == [("'MODEL_NAME' is ignored: it is not part of a recipe.", 2)]


@pytest.mark.parametrize(
    "cell",
    [
        'm = "a/b"\ncfg = f"""' + BODY.format("{m}", "{0.25 * 2:.1f}") + '"""',
        'ms = ["x", "a/b"]\ncfg = f"""' + BODY.format("{ms[-1]}", "{1 - 0.5}") + '"""',
        'd = {"m": "a/b"}\ncfg = f"""' + BODY.format("{d['m']!s}", "0.5") + '"""',
        'cfg = """' + BODY + '""".format("a/b", 0.5)',
        'cfg = """' + BODY.format("{m}", "{w:.2f}") + '""".format(m="a/b", w=0.5)',
        'cfg = """' + BODY.format("%s", "%.1f") + '""" % ("a/b", 0.5)',
        'cfg = """' + BODY.format("%(m)s", "0.5") + '""" % {"m": "a/b"}',
        'cfg = "merge_method: linear\\n" + "models: [{model: a/b, parameters: {weight: 0.5}}]\\n"',
        'cfg = "merge_method: linear\\n"\ncfg += "models: [{model: a/b, parameters: {weight: 0.5}}]\\n"',
        'cfg = "\\n".join(["merge_method: linear", "models: [{model: a/b, parameters: {weight: 0.5}}]", ""])',
        'import textwrap\ncfg = textwrap.dedent("""' + BODY.format("a/b", 0.5).replace("\n", "\n    ") + '""").strip()',
        'config = {"merge_method": "linear", "models": [{"model": "a/b", "parameters": {"weight": 0.5}}]}',
        'w = 0.5\nconfig = dict(x=1)\nopen("c").write(f"""' + BODY.format("a/b", "{w}") + '""")',
        'm = "x"\nm = "a/b"\ncfg = f"""' + BODY.format("{m}", "0.5") + '"""\nm = "y"',
    ],
)
def test_a_recipe_put_together_of_constants(cell):
    assert Recipe.load(cell + "\n") == WANTED


@pytest.mark.parametrize(
    ("cell", "named", "line"),
    [
        ('cfg = f"""' + BODY.format("{input()}", 1) + '"""', "'input()'", 3),
        ('for m in "ab":\n    pass\ncfg = f"""' + BODY.format("{m}", 1) + '"""', "'m'", 5),
        ('import os\ncfg = os.popen("touch x").read() + """' + BODY.format("a", 1) + '"""', "'os.popen('touch x')", 2),
        ('a = b\nb = a\ncfg = f"""' + BODY.format("{b}", 1) + '"""', "'b'", 1),
    ],
)
def test_values_known_only_at_run_time_are_named(cell, named, line):
    with pytest.raises(RecipeError, match="cannot be read") as error:
        Recipe.load(cell + "\n")
    assert named in str(error.value)
    assert error.value.problems[0].line == line


@pytest.mark.parametrize(
    "expression",
    [
        "'a' * 10**9", "9**9**9", "f'{1:>9999999}'", "'%9999999d' % 3", "'{0.__class__}'.format('x')", "1e308 * 1e308 % 0",
        "[x for x in 'ab']", "(lambda: 1)()", "'x'.__class__", "open('x')", "'{!r:9999999}'.format(1)", "{1, 2}",
        "'{:d}'.format('x')", "'%d' % 'x'", "b'bytes'", "1 // 0", "'ab'[5]", "{}['x']", "'x' + 1", "getattr('', 'x')",
    ],
)  # fmt: skip
def test_other_expressions_have_no_value(expression):
    tree = ast.parse(f"x = {expression}")
    with pytest.raises(NotConstant):
        Constants(tree).value(tree.body[0].value)


def test_texts_that_double_are_refused_quickly():
    lines = ['a0 = "xxxxxxxxxxxxxxxx"', *(f"a{i + 1} = a{i} + a{i}" for i in range(60))]
    cell = "\n".join([*lines, 'cfg = f"""', "merge_method: linear", "models: [{a60}]", '"""', ""])
    with processor_seconds(1), pytest.raises(RecipeError, match="cannot be read"):
        Recipe.load(cell)
