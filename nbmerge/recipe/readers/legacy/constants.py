"""The value of a Python expression that only combines constants, evaluated without running anything.

Notebook cells build their YAML from names and f-strings. The value of such an expression follows from the parsed text:
constants, names assigned above, f-strings, ``+``, ``%``, arithmetic, and a few methods of strings. Anything else, calls
above all, is not evaluated.
"""

from __future__ import annotations

import ast
import operator
import re
import string
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, cast

from nbmerge.recipe.yaml_text import MAX_CHARACTERS

_SPEC = re.compile(r"[<>^=]?[+ -]?0?\d{0,2},?(\.\d{1,2})?[a-zA-Z%]?")
_PERCENT = re.compile(r"%(?:\((\w+)\))?([-+ 0]?\d{0,2}(?:\.\d{1,2})?)([sdfgr%])")
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
               ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod}  # fmt: skip
Assignment = ast.Assign | ast.AnnAssign | ast.AugAssign
_PLAIN = (str, int, float, bool, type(None))
_STRIPS = ("strip", "lstrip", "rstrip")
MAX_STEPS = 20_000
"""Parts of expressions that are evaluated: far above any cell, far below what takes a second."""


class NotConstant(ValueError):
    """An expression whose value depends on running it; the message quotes the part that is not constant."""

    def __init__(self, node: ast.AST):
        what = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
        super().__init__(f"'{what:.60}' is not known without running the cell")
        self.line = getattr(node, "lineno", None)


class Constants:
    """The constants of a cell.

    Parameters
    ----------
    tree : ast.Module
        Names that the cell itself assigns are known, not those inside its loops, conditions and functions.
    """

    def __init__(self, tree: ast.Module):
        self._assigned: dict[str, list[Assignment]] = {}
        self._steps = 0
        for statement in tree.body:
            for name in _targets(statement):
                self._assigned.setdefault(name, []).append(cast("Assignment", statement))
        changing = (n for statement in tree.body if not _targets(statement) for n in ast.walk(statement))
        self._changed = {n.id for n in changing if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}

    def appended_names(self) -> Iterator[ast.Name]:
        """Names that the cell adds to (``text += ...``), as they are at its end."""
        for name, statements in self._assigned.items():
            if isinstance(statements[-1], ast.AugAssign):
                end = ast.copy_location(ast.Name(name, ast.Load()), statements[-1])
                end.lineno = statements[-1].lineno + 1
                yield end

    def value(self, node: ast.expr) -> Any:
        """Evaluate an expression.

        Raises
        ------
        NotConstant
            When the value depends on running it.
        """
        self._steps += 1
        handler = getattr(self, f"_{type(node).__name__.lower()}", None)
        if handler is None or self._steps > MAX_STEPS:
            raise NotConstant(node)
        try:
            value = handler(node)
        except (ArithmeticError, TypeError, KeyError, IndexError, OverflowError, AttributeError) as error:
            raise NotConstant(node) from error
        if isinstance(value, str | list | tuple) and len(value) > MAX_CHARACTERS:
            raise NotConstant(node)
        return value

    def _constant(self, node: ast.Constant) -> Any:
        return _plain(node.value, node)

    def _name(self, node: ast.Name) -> Any:
        above = [s for s in self._assigned.get(node.id, ()) if s.lineno < node.lineno]
        if not above or node.id in self._changed:
            raise NotConstant(node)
        last = above[-1]
        if isinstance(last, ast.AugAssign):
            before = ast.copy_location(ast.Name(node.id, ast.Load()), last)
            return self.value(ast.copy_location(ast.BinOp(before, last.op, last.value), last))
        return self.value(cast(ast.expr, last.value))  # an annotation alone is not among the assignments

    def _joinedstr(self, node: ast.JoinedStr) -> str:
        return _bounded((str(self.value(part)) for part in node.values), node)

    def _formattedvalue(self, node: ast.FormattedValue) -> str:
        spec = self.value(node.format_spec) if node.format_spec else ""
        value = _plain(self.value(node.value), node)
        return _formatted({-1: value, 115: str(value), 114: repr(value)}[node.conversion], spec, node)

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(left, str) and isinstance(node.op, ast.Mod):
            return _percent(left, right, node)
        joins = isinstance(node.op, ast.Add) and type(left) is type(right) and isinstance(left, str | list | tuple)
        numbers = all(isinstance(v, int | float) and abs(v) < 1e15 for v in (left, right))
        if not joins and not numbers:
            raise NotConstant(node)
        return _ARITHMETIC[type(node.op)](left, right)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if not isinstance(node.op, ast.USub) or not isinstance(value, int | float):
            raise NotConstant(node)
        return -value

    def _list(self, node: ast.List) -> list[Any]:
        return [self.value(e) for e in node.elts]

    def _tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.value(e) for e in node.elts)

    def _dict(self, node: ast.Dict) -> dict[Any, Any]:
        return {_plain(self.value(k), k): self.value(v) for k, v in zip(node.keys, node.values, strict=True) if k}

    def _subscript(self, node: ast.Subscript) -> Any:
        key = self.value(node.slice)
        if not isinstance(key, str | int):
            raise NotConstant(node)
        return self.value(node.value)[key]

    def _call(self, node: ast.Call) -> Any:
        values = [self.value(a) for a in node.args]
        named = {k.arg: self.value(k.value) for k in node.keywords if k.arg}
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
        if name == "dedent" and len(values) == 1 and isinstance(values[0], str) and not named:
            return textwrap.dedent(values[0])
        if isinstance(node.func, ast.Attribute) and name in (*_STRIPS, "format", "join"):
            text = self.value(node.func.value)
            if isinstance(text, str):
                return _call_method(text, name, values, named, node)
        raise NotConstant(node)


def _call_method(text: str, name: str, values: list[Any], named: Mapping[str, Any], node: ast.Call) -> str:
    """The result of a method of a string."""
    if name == "format":
        return _format(text, values, named, node)
    if not named and name == "join" and len(values) == 1 and all(isinstance(v, str) for v in values[0]):
        return _bounded((part for i, v in enumerate(values[0]) for part in ((text, v) if i else (v,))), node)
    if not named and name in _STRIPS and not values:
        return cast(str, getattr(text, name)())
    raise NotConstant(node)


def _targets(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Assign):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    if isinstance(statement, ast.AnnAssign | ast.AugAssign) and statement.value is not None:
        return [statement.target.id] if isinstance(statement.target, ast.Name) else []
    return []


def _plain(value: Any, node: ast.AST) -> Any:
    if not isinstance(value, _PLAIN):
        raise NotConstant(node)
    return value


def _bounded(parts: Any, node: ast.AST) -> str:
    joined, size = [], 0
    for part in parts:
        joined.append(part)
        size += len(part)
        if size > MAX_CHARACTERS:
            raise NotConstant(node)
    return "".join(joined)


def _formatted(value: Any, spec: str, node: ast.AST) -> str:
    """`format`, without widths that could exhaust memory."""
    if not _SPEC.fullmatch(spec):
        raise NotConstant(node)
    try:
        return format(value, spec)
    except ValueError as error:
        raise NotConstant(node) from error


def _format(text: str, values: list[Any], named: Mapping[str, Any], node: ast.AST) -> str:
    """``str.format`` for fields that are numbers or names, and nothing inside them."""
    parts, count = [], 0
    try:
        for before, field, spec, conversion in string.Formatter().parse(text):
            parts.append(before)
            if field is None:
                continue
            key = field or str(count)
            count += not field
            if conversion or not re.fullmatch(r"\w+", key):
                raise NotConstant(node)
            value = values[int(key)] if key.isdigit() else named[key]
            parts.append(_formatted(_plain(value, node), spec or "", node))
    except NotConstant:
        raise
    except ValueError as error:
        raise NotConstant(node) from error
    return _bounded(parts, node)


def _percent(text: str, given: Any, node: ast.AST) -> str:
    """``text % values`` for plain values."""
    left = list(given) if isinstance(given, tuple) else [given]
    if text.count("%") != sum(m[0].count("%") for m in _PERCENT.finditer(text)):
        raise NotConstant(node)

    def one(match: re.Match[str]) -> str:
        if match[3] == "%":
            return "%"
        value = _plain(given[match[1]] if match[1] else left.pop(0), node)
        return f"%{match[2]}{match[3]}" % (value,)

    return _bounded([_PERCENT.sub(one, text)], node)
