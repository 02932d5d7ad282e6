"""A Python cell that holds a recipe as a text, as LazyMergekit's does. It is parsed, never run."""

from __future__ import annotations

import ast
import json
import re

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem
from nbmerge.recipe.model import Recipe
from nbmerge.recipe.readers.text import Text, note

_TEXT = re.compile(r"=\s*(?:[rRuUbB]?)(?:\"\"\"|''')|(?:Recipe\.(?:of|load))\s*\(")
SETTINGS = ("MODEL_NAME", "username", "license", "token_name", "branch", "runtime", "trust_remote_code", "hub_license")
"""What LazyMergekit's cell also says."""


def read(text: Text) -> Recipe | None:
    """Read the first text, or literal data given to ``Recipe.of``, that is a recipe."""
    if text.raw.lstrip().startswith("{") and '"cells"' in text.raw:
        return _notebook(text)
    if not _TEXT.search(text.raw):
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


def _recipe(tree: ast.Module, text: Text) -> Recipe | None:
    from nbmerge.recipe.readers import read as read_any

    failed: RecipeError | None = None
    for node in ast.walk(tree):
        try:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value:
                if not _may_be_recipe(node.value):
                    continue
                recipe = read_any(node.value, text.above + node.lineno - 1, "cell")
                return recipe.read_as(f"{recipe.found} in a Python cell", _notes(tree, text.above))
            if _is_recipe_of(node):
                return Recipe.of(ast.literal_eval(node.args[0])).read_as("the data of a Python cell")
        except RecipeError as error:
            failed = failed or error
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    if failed:
        raise failed
    return None


def _may_be_recipe(text: str) -> bool:
    return any(
        key in text for key in ("merge_method", "layer_slices", "genome:", "operations:", "--merge", "--model_path1")
    )


def _is_recipe_of(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "of"
        and getattr(node.func.value, "attr", getattr(node.func.value, "id", None)) == "Recipe"
        and len(node.args) == 1 and isinstance(node.args[0], ast.Dict)
    )  # fmt: skip


def _notes(tree: ast.Module, above: int) -> list[Problem]:
    named = ((t.id, n) for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name))
    return [note(f"'{name}' is no part of a recipe.", line=n.lineno + above) for name, n in named if name in SETTINGS]


def _notebook(text: Text) -> Recipe | None:
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
            recipe = read(Text(source)) if kind == "code" else markdown.read(Text(source))
        if recipe is not None:
            return recipe.read_as(f"{recipe.found}, cell {number} of a notebook")
    return None
