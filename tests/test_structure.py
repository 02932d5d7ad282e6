"""How the package is laid out: imports run one way and in no circle, rooms can be looked over, nothing private is shared."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest

from tests.sources import PACKAGE, nodes, parsed

MODULES = {".".join(f.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): f
           for f in sorted(PACKAGE.rglob("*.py"))}  # fmt: skip
PACKAGES = {name for name, f in MODULES.items() if f.name == "__init__.py"}
LEVELS = (
    {"cache_folder", "imports", "presentation", "quoting", "typing", "whole_files"},
    {"problems"},
    {"errors"},
    {"model_ref", "palette", "sizes"},
    {"arguments", "bounded", "progress"},
    {"pace"},
    {"progress_bars"},
    {"guarded_files"},
    {"checkpoints", "methods", "tokenizers"},
    {"recipe", "kernels"},
    {"engine.planning"},
    {"curves", "engine.loading"},
    {"engine.compute"},
    {"engine.output"},
    {"engine.cluster", "engine.cost", "engine.remedies"},
    {"engine"},
    {"engine.live"},
    {"sampling", "statistics"},
    {"adapters", "analysis", "evaluation", "mixtures"},
    {"optimisation"},
    {"plots"},
    {"displays"},
    {"pages"},
    {"demo"},
    {"widgets.state"},
    {"widgets.controls"},
    {"widgets.panels"},
    {"widgets"},
    {"lessons"},
    {"cli", "magic"},
    {"__main__", "nbmerge"},
)
"""Rooms from the ground up. A module imports from its own room and from those below."""

MANY = 20
ONE_FILE_PER_THING = {"nbmerge.methods"}
"""Rooms with one module for each registered thing; they may have as many as there are things."""


def executed(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported: neither those of functions nor those for type checkers."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting += ast.iter_child_nodes(node)


def ancestors(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def loaded_by(name: str) -> set[str]:
    """Modules that must have run before a module can: what it imports, and the packages around that."""
    found: set[str] = set()
    for node in executed(parsed(MODULES[name])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (full & MODULES.keys()) | {node.module}
    found |= {a for module in found for a in ancestors(module)}
    return (found & MODULES.keys()) - {name, *ancestors(name)}


@cache
def imported(name: str) -> set[str]:
    """Modules that one imports anywhere, also in functions and for type checkers."""
    found: set[str] = set()
    for node in nodes(MODULES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)} & MODULES.keys()
    return {module for module in found if module.startswith("nbmerge.")}


def room(name: str) -> str:
    """The innermost room of `LEVELS` that a module is in; of the modules beside rooms, each is one."""
    rooms = set().union(*LEVELS)
    inner = name.removeprefix("nbmerge.")
    return next(r for r in (*reversed(ancestors(f"{inner}.")), "nbmerge") if r in rooms)


def level(name: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if room(name) in rooms)


@pytest.mark.slow
def test_imports_run_one_way():
    wrong = {}
    for name in MODULES.keys() - {"nbmerge", "nbmerge.typing"}:
        others = [other for other in imported(name) if room(other) != room(name) and level(other) >= level(name)]
        wrong |= {name: others} if others else {}
    assert wrong == {}, "these import from their own level or from one above"


def test_shared_types_import_nothing_of_the_package():
    assert not loaded_by("nbmerge.typing"), "imports of nbmerge.typing are for type checkers only"


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_every_package_exports_what_its_all_lists(name):
    module = import_module(name)
    for promised in getattr(module, "__all__", ()):
        assert getattr(module, promised) is not None
        assert getattr(module, promised).__class__.__name__ != "module" or f"{name}.{promised}" in MODULES


def test_there_are_no_import_cycles():
    """Packages count with what their ``__init__`` runs; those around a module are there before it, half or whole."""
    graph = {name: loaded_by(name) for name in MODULES}
    while ready := {name for name, needs in graph.items() if not needs}:
        graph = {name: needs - ready for name, needs in graph.items() if name not in ready}
    assert not graph, "these import each other: " + "; ".join(f"{n} ← {sorted(d)}" for n, d in graph.items())


def test_no_package_has_more_than_twenty_modules():
    sizes = {name: len(list(MODULES[name].parent.glob("*.py"))) for name in PACKAGES - ONE_FILE_PER_THING}
    assert {name: size for name, size in sizes.items() if size > MANY} == {}


def test_packages_have_docstrings():
    assert [name for name in sorted(PACKAGES) if not ast.get_docstring(parsed(MODULES[name]))] == []


def test_no_module_imports_private_names_of_another():
    wrong = [
        f"{name} imports {alias.name} of {node.module}"
        for name, file in MODULES.items()
        for node in nodes(file)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nbmerge"
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert wrong == []


def rows_of_the_map() -> dict[str, str]:
    """The package of each row of CONTRIBUTING's map, and the rest of the row."""
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(nbmerge/[\w/]*)` \|(.*)$", page, re.MULTILINE)
    assert found
    return dict(found)


def test_the_map_has_every_package():
    mapped = {
        place
        for package, rest in rows_of_the_map().items()
        for place in (package, *(f"{package}{part}" for part in re.findall(r"`([\w/]+/)`", rest)))
    }
    missing = {name.replace(".", "/") + "/" for name in PACKAGES - {"nbmerge"}} - mapped
    assert not missing, f"CONTRIBUTING.md does not mention {', '.join(sorted(missing))}"


@pytest.mark.parametrize("package", rows_of_the_map())
def test_every_path_of_the_map_exists(package):
    paths = re.findall(r"`([\w/]+(?:/|\.py))`", rows_of_the_map()[package])
    assert paths
    assert not [path for path in paths if not (PACKAGE.parent / package / path).exists()]


def test_other_paths_of_contributing_exist():
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:nbmerge|tests|docs|notebooks|binder|\.ci)/[\w./-]*)`", page)
    assert paths
    assert not [path for path in paths if not (PACKAGE.parent / path).exists()]


def test_packages_of_the_engine_are_imported_by_their_init():
    """Outside of the engine, its rooms are what their ``__init__`` exports; `nbmerge` itself names every public name's home."""
    inner = {module for module in MODULES if module not in PACKAGES and module.rsplit(".", 1)[0] in PACKAGES}
    rooms = {module for module in inner if module.startswith("nbmerge.engine.") and module.count(".") > 2}
    outside = [name for name in MODULES if name != "nbmerge" and not name.startswith("nbmerge.engine")]
    assert {name: imported(name) & rooms for name in outside if imported(name) & rooms} == {}
