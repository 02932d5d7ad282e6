"""What `import nbmerge` costs, that every promised name is there, and what no module may import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import nbmerge
from tests.sources import PACKAGE, nodes

FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    "torch",
    "transformers",
    "matplotlib",
    "pandas",
    "ipywidgets",
    "anywidget",
    "numpy",
    "pydantic",
    "yaml",
    "huggingface_hub",
)


def imported(found: Iterable[ast.AST]) -> set[str]:
    """Full names of all modules that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in found:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def fresh(code: str) -> dict:
    """Run code in a process of its own; what it assigns to `answer` comes back with the heavy modules it loaded."""
    code = f"{code}\nimport json, sys\nprint(json.dumps([answer, [m for m in {HEAVY!r} if m in sys.modules]]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, loaded = json.loads(done.stdout)
    return {"answer": answer, "loaded": set(loaded)}


def test_importing_is_cheap():
    got = fresh(
        "import sys\nbefore = set(sys.modules)\nimport nbmerge\ndir(nbmerge)\nanswer = sorted(set(sys.modules) - before)"
    )
    assert got["loaded"] == set()
    assert [name for name in got["answer"] if name.startswith("nbmerge.")] == []
    assert len(got["answer"]) < 60


def test_recipes_are_read_without_the_heavy_libraries():
    text = "merge_method: slerp\nmodels: [a, b]\nparameters: {t: [0, 1]}\n"
    got = fresh(f"import nbmerge\nanswer = nbmerge.Recipe.load({text!r}).to_yaml()")
    assert not got["loaded"] & {"torch", "transformers", "matplotlib", "pandas", "ipywidgets"}


def test_plans_and_checks_are_made_without_the_heavy_libraries(family):
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    got = fresh(f"import nbmerge\nreport = nbmerge.check({data!r})\nanswer = [report.ok, report._repr_html_()]")
    assert got["answer"][0] is True
    assert not got["loaded"] & {"torch", "transformers", "matplotlib", "pandas", "ipywidgets"}


def test_every_public_name_can_be_imported():
    assert [name for name in nbmerge.__all__ if getattr(nbmerge, name, None) is None] == []
    assert set(nbmerge.__all__) <= set(dir(nbmerge))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing_like_this'"):
        nbmerge.nothing_like_this  # noqa: B018


def test_no_module_uses_forbidden_functions():
    broken = [f"{file.relative_to(PACKAGE)}: {rule}" for file in FILES for rule in broken_rules(file)]
    assert broken == []


def broken_rules(file: Path) -> list[str]:
    """What a module does that none may: draw with pyplot, unpickle, run code of a model or of a text."""
    names = imported(nodes(file))
    broken = [n for n in names if n.startswith(("matplotlib.pyplot", "pylab", "cloudpickle", "dill"))]
    broken += [n for n in names if n.split(".")[0] == "pickle"]
    only = {"trust_remote_code": False, "weights_only": True}
    for node in nodes(file):
        if isinstance(node, ast.keyword) and node.arg in only:
            fixed = isinstance(node.value, ast.Constant) and node.value.value is only[node.arg]
            broken += [] if fixed else [f"line {node.value.lineno}: {node.arg} is not {only[node.arg]}"]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
            broken.append(f"line {node.lineno}: {node.func.id}")
    return broken


def test_a_studio_opens_without_matplotlib():
    """Its import takes half a second, and the first figure is drawn after the first paint."""
    got = fresh("import nbmerge\nstudio = nbmerge.Studio(save=False)\nanswer = studio.recipe is not None")
    assert got["answer"] is True
    assert "matplotlib" not in got["loaded"]


def test_a_studio_is_on_screen_before_torch_is_imported(deep_family):
    """torch, pandas and matplotlib take seconds; they are imported when something is computed or drawn."""
    recipe = {"merge_method": "linear", "models": [str(deep_family.base), str(deep_family.ft1)]}
    code = f"""
import sys, nbmerge
studio = nbmerge.Studio({recipe | {"parameters": {"weight": 1}}!r}, save=False)
studio.drawer.toggle("Recipe")
studio.close()
heavy = {{"torch", "pandas", "matplotlib", "transformers", "scipy"}} & sys.modules.keys()
assert not heavy, heavy
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
