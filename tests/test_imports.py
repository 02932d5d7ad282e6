"""What `import nbmerge` costs, that every promised name is there, and what no module may import."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import nbmerge

PACKAGE = Path(nbmerge.__file__).parent
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


def imported(file: Path) -> set[str]:
    """Full names of all modules that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
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


def test_importing_costs_next_to_nothing():
    got = fresh(
        "import time\nbegan = time.process_time()\nimport nbmerge\nanswer = time.process_time() - began\ndir(nbmerge)"
    )
    assert got["loaded"] == set()
    assert got["answer"] < 0.05


def test_recipes_are_read_without_the_heavy_libraries():
    text = "merge_method: slerp\nmodels: [a, b]\nparameters: {t: [0, 1]}\n"
    got = fresh(f"import nbmerge\nanswer = nbmerge.Recipe.load({text!r}).to_yaml()")
    assert not got["loaded"] & {"torch", "transformers", "matplotlib", "pandas", "ipywidgets"}


def test_plans_and_checks_are_made_without_the_heavy_libraries(family):
    data = {"merge_method": "linear", "models": [str(family.base), str(family.ft1)], "parameters": {"weight": 1}}
    got = fresh(f"import nbmerge\nreport = nbmerge.check({data!r})\nanswer = [report.ok, report._repr_html_()]")
    assert got["answer"][0] is True
    assert not got["loaded"] & {"torch", "transformers", "matplotlib", "pandas", "ipywidgets"}


@pytest.mark.parametrize("name", nbmerge.__all__)
def test_every_promised_name_is_there(name):
    assert getattr(nbmerge, name) is not None
    assert name in dir(nbmerge)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing_like_this'"):
        nbmerge.nothing_like_this  # noqa: B018


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_house_rules(file):
    names = imported(file)
    assert not [n for n in names if n.startswith(("matplotlib.pyplot", "pylab", "cloudpickle", "dill"))]
    assert "pickle" not in {n.split(".")[0] for n in names}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
        if isinstance(node, ast.keyword) and node.arg == "weights_only":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec")
