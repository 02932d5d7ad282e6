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
from tests.sources import PACKAGE, nodes, parsed

FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {
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
}


def imported(found: Iterable[ast.AST]) -> set[str]:
    """Full names of all modules that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in found:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


STAGES = {
    "import": "import nbmerge\ndir(nbmerge)",
    "check": "report = nbmerge.check(RECIPE)\nassert report.ok\nreport._repr_html_()",
    "recipe": "nbmerge.Recipe.load('merge_method: slerp\\nmodels: [a, b]\\nparameters: {t: [0, 1]}').to_yaml()\n"
    "nbmerge.Recipe.load('python main.py o --merge a --merge b --base-model c')",
    "empty studio": "assert nbmerge.Studio(save=False).recipe is not None",
    "studio": "studio = nbmerge.Studio(RECIPE, save=False)\nstudio.drawer.toggle('Recipe')\nstudio.close()",
    "figure": "from nbmerge.plots import to_png\nto_png(nbmerge.Recipe.load(RECIPE).plot())",
}
"""What one process does, one after the other, with the modules that each may import on top of those before it."""


@pytest.fixture(scope="module")
def loaded(deep_family) -> dict[str, set[str]]:
    """The modules that each stage has imported, in one process of their own."""
    models = [str(deep_family.base), str(deep_family.ft1)]
    recipe = {"merge_method": "linear", "models": models, "parameters": {"weight": 1}}
    code = f"import json, sys\nRECIPE = {recipe!r}\nbefore, loaded = set(sys.modules), {{}}\n"
    for name, lines in STAGES.items():
        code += f"{lines}\nloaded[{name!r}] = sorted(set(sys.modules) - before)\n"
    code += "print(json.dumps(loaded))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: set(modules) for name, modules in json.loads(done.stdout).items()}


def test_importing_is_cheap(loaded):
    assert loaded["import"] & HEAVY == set()
    assert [name for name in loaded["import"] if name.startswith("nbmerge.")] == []
    assert len(loaded["import"]) < 60


@pytest.mark.parametrize("stage", ["check", "recipe"])
def test_recipes_are_read_and_checked_without_the_heavy_libraries(stage, loaded):
    assert loaded[stage] & {"torch", "transformers", "matplotlib", "pandas", "ipywidgets"} == set()


@pytest.mark.parametrize("stage", ["empty studio", "studio"])
def test_a_studio_is_on_screen_before_the_heavy_libraries_are_imported(stage, loaded):
    """torch, pandas and matplotlib take seconds; they are imported when something is computed or drawn."""
    assert loaded[stage] & {"torch", "pandas", "matplotlib", "transformers", "scipy"} == set()


def test_folders_are_checked_without_the_library_of_the_hub(loaded):
    assert "huggingface_hub" not in loaded["check"]


def test_drawing_loads_no_pyplot(loaded):
    """The global figures and backend of the user are left alone."""
    assert "matplotlib" in loaded["figure"]
    assert "matplotlib.pyplot" not in loaded["figure"]


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


RUNS_ALONE = {"nbmerge/demo/train"}
"""Programs of their own, without threads that import."""


def test_transformers_is_imported_under_a_lock_and_parts_of_torch_after_torch():
    """Two threads that import parts of torch at the same time leave a process in which it cannot be imported."""
    found = [f"{file.relative_to(PACKAGE.parent)}:{line}" for file in FILES for line in unsafe_imports(parsed(file))]
    assert [place for place in found if not place.startswith(tuple(RUNS_ALONE))] == []


def unsafe_imports(tree: ast.Module) -> list[int]:
    """Lines on which another thread's import of torch or transformers can be in the way."""
    unsafe: list[int] = []

    def visit(node: ast.AST, locked: bool, torch: bool) -> bool:
        """Whether torch has been imported after this statement."""
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return torch
        if isinstance(node, ast.With):
            locked |= any(ast.unparse(item.context_expr) == "import_lock()" for item in node.items)
        named = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        named += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        for name in named:
            if name.split(".")[0] == "transformers" and not locked:
                unsafe.append(node.lineno)
            if name.startswith("torch.") and not (locked or torch):
                unsafe.append(node.lineno)
            torch |= name == "torch"
        inner = torch
        for child in ast.iter_child_nodes(node):
            inner = visit(child, locked, inner)
        return torch if isinstance(node, ast.FunctionDef | ast.ClassDef) else inner

    visit(tree, locked=False, torch=False)
    return unsafe


FIRST_USES = """
import sys, threading
import nbmerge as nbm
from nbmerge.checkpoints.declared import building
from nbmerge.engine.loading import dry_load

folder, config = sys.argv[1], {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8}
together, failed = threading.Barrier(4), []

def first_use(work):
    together.wait()
    try:
        work()
    except BaseException as error:
        failed.append(repr(error))

def build():
    with building(1, 1):
        pass

works = (lambda: nbm.sampling.load(folder), build, lambda: __import__("torch"),
         lambda: dry_load.load(config, {"lm_head.weight": ((8, 8), "float32")}))
threads = [threading.Thread(target=first_use, args=(work,)) for work in works]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed, failed
"""


@pytest.mark.slow
@pytest.mark.parametrize("again", range(3))
def test_threads_import_torch_and_transformers_at_the_same_time(again, deep_family):
    """A Studio that computes its forecast, and a cell that loads a model."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_USES, deep_family.base], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
