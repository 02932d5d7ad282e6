"""The public names: the same for programs and for editors, and with one word for each concept."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import pytest

import nbmerge
from nbmerge import sampling, statistics

SOURCE = ast.parse(Path(nbmerge.__file__).read_text(encoding="utf-8"))
FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (nbmerge, sampling, statistics)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
}
WRITES_A_FOLDER = {"check", "extract_lora", "fill_missing", "merge", "merge_adapters", "moe", "transplant"}


def test_editors_see_what_programs_get():
    typed = {
        (node.module, alias.name)
        for block in SOURCE.body
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("nbmerge")
        for alias in node.names
    }
    assert typed == {(module, name) for name, module in nbmerge._HOMES.items()}
    assert sorted(nbmerge._HOMES) == nbmerge.__all__


@pytest.mark.parametrize("name", FUNCTIONS)
def test_parameters_have_one_name_for_each_concept(name):
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    assert not {"stop", "settings", "options"} & parameters.keys()
    assert not [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    assert ("out" in parameters) <= (name.rpartition(".")[2] in WRITES_A_FOLDER)
    for optional in {"cancel", "progress", "threads"} & parameters.keys():
        assert parameters[optional].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[optional].default is None


@pytest.fixture(scope="module")
def forms(family, tmp_path_factory) -> dict:
    """One recipe in every form that is accepted."""
    data = {"merge_method": "linear", "models": [{"model": str(family.base), "parameters": {"weight": 1}}]}
    file = tmp_path_factory.mktemp("recipes") / "recipe.yml"
    recipe = nbmerge.Recipe.of(data)
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    text = json.dumps(data)
    return {"Recipe": recipe, "Plan": nbmerge.plan(recipe), "str": text, "Path": file, "Mapping": data}


@pytest.mark.parametrize("form", ["Recipe", "Plan", "str", "Path", "Mapping"])
@pytest.mark.rest_is_slow(keep=3)
def test_every_function_takes_a_recipe_in_every_form(forms, form, tmp_path):
    recipe, plan = forms[form], forms["Plan"]
    assert nbmerge.plan(recipe).tensors == plan.tensors
    assert nbmerge.check(recipe).ok
    assert nbmerge.forecast_live(recipe).model_bytes == plan.bytes_written
    assert nbmerge.measure_merge(recipe).total("base") == 0
    assert nbmerge.merge(recipe, tmp_path / "out").plan.tensors == plan.tensors
    with nbmerge.live(recipe) as live, nbmerge.virtual(recipe) as virtual:
        assert not live.update(recipe).touched
        assert not virtual.update(recipe).touched
        assert nbmerge.choose_backend(recipe, live).kind == "live"
