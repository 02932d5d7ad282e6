import pytest
from IPython.core.error import UsageError

import nbmerge as nbm
from nbmerge.engine.live.live_merge import LiveMerge


@pytest.fixture(scope="module")
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "nbmerge")
    return shell


def recipe(family, weight: float) -> str:
    data = {"merge_method": "linear", "models": [
        {"model": str(family.ft1), "parameters": {"weight": weight}}, {"model": str(family.ft2), "parameters": {"weight": 1 - weight}},
    ]}  # fmt: skip
    return nbm.Recipe.of(data).to_yaml()


def test_a_cell_becomes_a_live_model_that_later_cells_update(shell, family):
    shell.run_cell_magic("merge", "mine", recipe(family, 0.25))
    mine = shell.user_ns["mine"]
    assert isinstance(mine, LiveMerge)
    shell.run_cell_magic("merge", "mine", recipe(family, 0.5))
    assert shell.user_ns["mine"] is mine
    assert mine.recipe == nbm.Recipe.load(recipe(family, 0.5))


def test_a_bad_recipe_is_described(shell):
    with pytest.raises(UsageError, match="unknown key 'mehtod'"):
        shell.run_cell_magic("merge", "", "mehtod: linear\nmodels: [a]\nmerge_method: linear\n")
    with pytest.raises(UsageError, match="one variable name"):
        shell.run_cell_magic("merge", "two words", "x")


@pytest.mark.parametrize("line", ["--dialect mergekit-0.1 ends", "ends --dialect=mergekit-0.1"])
def test_a_cell_in_a_dialect(shell, family, line):
    text = f"merge_method: slerp\nmodels: [{family.base}, {family.ft1}]\nparameters: {{t: [0, 1]}}\n"
    shell.run_cell_magic("merge", line, text)
    assert shell.user_ns["ends"].recipe == nbm.Recipe.load(text, "mergekit-0.1") != nbm.Recipe.load(text)


def test_an_unknown_dialect_of_a_cell(shell):
    with pytest.raises(UsageError, match="unknown dialect 'x'"):
        shell.run_cell_magic("merge", "--dialect x", "merge_method: linear\nmodels: [a]\n")
