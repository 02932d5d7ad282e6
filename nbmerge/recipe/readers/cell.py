"""A Python cell that contains a recipe as a string or as data, as LazyMergekit's does. It is parsed, never run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe.readers.legacy.constants import Constants, NotConstant
from nbmerge.recipe.readers.recipe_text import RecipeText, note, reading_error
from nbmerge.recipe.recipe import Recipe

_CODE = re.compile(r"^[ \t]*\w+[ \t]*(?::[^=\n]*)?\+?=(?!=)|Recipe\.(?:of|load)\s*\(", re.MULTILINE)
"""An assignment, or a recipe of ours."""
MAX_CODE = 100_000
"""Most characters of code that is parsed: Python's parser takes seconds and hundreds of megabytes for a large text."""
MAKING = ("format", "dedent", "strip", "lstrip", "rstrip", "join")
"""Calls that make a string of strings."""
SETTINGS = ("MODEL_NAME", "username", "license", "token_name", "branch", "runtime", "trust_remote_code", "hub_license")
"""Other settings in LazyMergekit's cell."""
_DATA = "the data of a Python cell"


def read(text: RecipeText) -> Recipe | None:
    """Read the first string, or plain data, of a cell that is a recipe."""
    if text.raw.lstrip().startswith("{") and '"cells"' in text.raw:
        return _notebook(text)
    if not _CODE.search(text.raw):
        return None
    tree = _parsed(text.raw)
    return None if tree is None else _recipe(tree, text)


def _parsed(source: str) -> ast.Module | None:
    if len(source) > MAX_CODE:
        return None
    # Lines for the shell and for IPython are not Python.
    lines = [re.sub(r"^(\s*)[!%].*$", r"\1pass", line) for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _recipe(tree: ast.Module, text: RecipeText) -> Recipe | None:
    constants, first_error = Constants(tree), None
    for node in (*_expressions(tree), *constants.appended_names()):
        try:
            recipe = _recipe_of(constants.value(node), node, text)
            if recipe is not None:
                notes = _notes(tree, text.above) if recipe.origin != _DATA else []
                return recipe.with_origin(notes=notes)
        except RecipeError as error:
            first_error = first_error or error
        except NotConstant as error:
            if _may_be_recipe(ast.unparse(node)):
                first_error = first_error or _not_constant(error, text.above)
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue
    if first_error:
        raise first_error
    return None


def _recipe_of(value: Any, node: ast.expr, text: RecipeText) -> Recipe | None:
    """The recipe that an expression's value is, as text or as data."""
    from nbmerge.recipe.readers import read as read_any

    if isinstance(value, str) and "\n" in value and _may_be_recipe(value):
        recipe = read_any(value, text.above + node.lineno - 1, "cell")
        return recipe.with_origin(f"{recipe.origin} in a Python cell")
    if isinstance(value, dict) and "merge_method" in value:
        return Recipe.of(value).with_origin(_DATA)
    return None


def _not_constant(error: NotConstant, above: int) -> RecipeError:
    line = None if error.line is None else above + error.line
    how = "Replace it with its value, or give the YAML that the cell makes."
    return reading_error(f"the recipe in this cell cannot be read: {error}.", how, line=line)


def _expressions(tree: ast.AST) -> Iterator[ast.expr]:
    """What may be a string or data in a cell, in order; parts of such an expression are not listed by themselves."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Dict) or (
            isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in MAKING
        ):
            yield node
        else:
            yield from _expressions(node)


def _may_be_recipe(text: str) -> bool:
    return any(
        key in text for key in ("merge_method", "layer_slices", "genome:", "operations:", "--merge", "--model_path1")
    )


def _notes(tree: ast.Module, above: int) -> list[Problem]:
    named = ((t.id, n) for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name))
    return [
        note(f"'{name}' is ignored: it is not part of a recipe.", line=n.lineno + above)
        for name, n in named
        if name in SETTINGS
    ]


def _notebook(text: RecipeText) -> Recipe | None:
    """The first cell of a notebook file that contains a recipe."""
    try:
        cells = json.loads(text.raw)["cells"]
        sources = [(c["cell_type"], "".join(c["source"])) for c in cells]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    from nbmerge.recipe.readers import markdown

    for number, (kind, source) in enumerate(sources, start=1):
        if kind == "code" and source.startswith("%%merge"):
            from nbmerge.recipe.readers import read as read_any

            recipe: Recipe | None = read_any(source.partition("\n")[2], 0, "cell")
        else:
            recipe = read(RecipeText(source)) if kind == "code" else markdown.read(RecipeText(source))
        if recipe is not None:
            return recipe.with_origin(f"{recipe.origin}, cell {number} of a notebook")
    return None
