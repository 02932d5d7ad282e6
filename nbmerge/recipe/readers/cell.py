"""A Python cell that holds a recipe as a text or as data, as LazyMergekit's does. It is parsed, never run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe.readers.legacy.constants import Constants, NotConstant
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.recipe import Recipe

_CODE = re.compile(r"^[ \t]*\w+[ \t]*(?::[^=\n]*)?\+?=(?!=)|Recipe\.(?:of|load)\s*\(", re.MULTILINE)
"""An assignment, or a recipe of ours."""
MAKING = ("format", "dedent", "strip", "lstrip", "rstrip", "join")
"""Calls that make a text of texts."""
SETTINGS = ("MODEL_NAME", "username", "license", "token_name", "branch", "runtime", "trust_remote_code", "hub_license")
"""What LazyMergekit's cell also says."""


def read(text: RecipeText) -> Recipe | None:
    """Read the first text, or plain data, of a cell that is a recipe."""
    if text.raw.lstrip().startswith("{") and '"cells"' in text.raw:
        return _notebook(text)
    if not _CODE.search(text.raw):
        return None
    tree = _parsed(text.raw)
    return None if tree is None else _recipe(tree, text)


def _parsed(source: str) -> ast.Module | None:
    # Lines for the shell and for IPython are no Python.
    lines = [re.sub(r"^(\s*)[!%].*$", r"\1pass", line) for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _recipe(tree: ast.Module, text: RecipeText) -> Recipe | None:
    from nbmerge.recipe.readers import read as read_any

    constants, failed = Constants(tree), None
    for node in (*_expressions(tree), *constants.grown()):
        try:
            value = constants.value(node)
            if isinstance(value, str) and "\n" in value and _may_be_recipe(value):
                recipe = read_any(value, text.above + node.lineno - 1, "cell")
                return recipe.with_origin(f"{recipe.origin} in a Python cell", _notes(tree, text.above))
            if isinstance(value, dict) and "merge_method" in value:
                return Recipe.of(value).with_origin("the data of a Python cell")
        except RecipeError as error:
            failed = failed or error
        except NotConstant as error:
            if _may_be_recipe(ast.unparse(node)):
                line = None if error.line is None else text.above + error.line
                how = "Write its value there, or give the YAML that the cell makes."
                failed = failed or reading_error(f"the recipe of this cell cannot be read: {error}.", how, line=line)
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue
    if failed:
        raise failed
    return None


def _expressions(tree: ast.AST) -> Iterator[ast.expr]:
    """What may be a text or data in a cell, in its order; the parts of such an expression are not asked by themselves."""
    for node in ast.iter_child_nodes(tree):
        whole = isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Dict)
        made = isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in MAKING
        if whole or made:
            yield node
        else:
            yield from _expressions(node)


def _may_be_recipe(text: str) -> bool:
    return any(
        key in text for key in ("merge_method", "layer_slices", "genome:", "operations:", "--merge", "--model_path1")
    )


def _notes(tree: ast.Module, above: int) -> list[Problem]:
    named = ((t.id, n) for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name))
    return [note(f"'{name}' is no part of a recipe.", line=n.lineno + above) for name, n in named if name in SETTINGS]


def _notebook(text: RecipeText) -> Recipe | None:
    """The first cell of a notebook file that holds a recipe."""
    try:
        cells = json.loads(text.raw)["cells"]
        sources = [(c["cell_type"], "".join(c["source"])) for c in cells]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    from nbmerge.recipe.readers import markdown

    for number, (kind, source) in enumerate(sources, start=1):
        if kind == "code" and source.startswith("%%merge"):
            from nbmerge.recipe.readers import read as read_any

            recipe = read_any(source.partition("\n")[2], 0, "cell")
        else:
            recipe = read(RecipeText(source)) if kind == "code" else markdown.read(RecipeText(source))
        if recipe is not None:
            return recipe.with_origin(f"{recipe.origin}, cell {number} of a notebook")
    return None
