"""The package's own source, parsed once for all tests that look for what no module may do."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import nbmerge

PACKAGE = Path(nbmerge.__file__).parent


@cache
def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file; nobody may change it."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """Everything in the syntax tree of a file."""
    return tuple(ast.walk(parsed(file)))
