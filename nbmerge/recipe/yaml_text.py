"""YAML in and out: plain data and the line of every place in it. No text can run code, expand or exhaust memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from nbmerge.errors import RecipeError
from nbmerge.problems import Problem, Where
from nbmerge.recipe.layer_values import is_layer_key

MAX_CHARACTERS = 500_000
MAX_NODES = 10_000
MAX_DEPTH = 40
MAX_SCALAR = 100
"""Longest text that is read as a number: PyYAML takes minutes over a base-60 number of a megabyte."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML comes without types
    """PyYAML's safe loader, used for its parser and its reading of scalars only."""

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        # The parser recurses: a thousand opening brackets must end here, not in Python's own limit.
        self.depth += 1
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _yaml_error(f"more than {MAX_NODES:,} entries, too many for a recipe.", self.peek_event().start_mark)
        if self.depth > MAX_DEPTH:
            raise _yaml_error(f"nested deeper than {MAX_DEPTH} levels.", self.peek_event().start_mark)
        try:
            event = self.peek_event()
            name = getattr(event, "anchor", None)
            node = super().compose_node(parent, index)
            if isinstance(event, yaml.AliasEvent):
                node = copy.copy(node)
                node.start_mark, node.end_mark, node.alias, node.anchor = event.start_mark, event.end_mark, name, None
            elif name is not None:
                node.anchor = name
            return node
        finally:
            self.depth -= 1


def parse_yaml(text: str) -> list[tuple[Any, dict[Where, int]]]:
    """Read YAML of one or several documents.

    Returns
    -------
    list of (data, lines)
        For each document its data, and the 1-based line of every key and list entry by its place as in `Problem.where`.

    Raises
    ------
    RecipeError
        With the line, for anything that is not plain YAML of a reasonable size.
    """
    if len(text) > MAX_CHARACTERS:
        raise _yaml_error(f"the text has {len(text):,} characters; a recipe has at most {MAX_CHARACTERS:,}.")
    return _read_documents(text, lambda loader: _Builder(loader).build_document(loader.get_node()))


def compose_yaml(text: str) -> list[yaml.Node]:
    """The nodes of a YAML text, one tree for each document, with their places in the text.

    An alias is a copy of the node that it stands for, at its own place; it has the anchor's name as `alias`. A node that
    has an anchor has its name as `anchor`.

    Raises
    ------
    RecipeError
        As `parse_yaml` does for the text's form.
    """
    return _read_documents(text, lambda loader: loader.get_node())


def _read_documents(text: str, read: Callable[[_Loader], Any]) -> list[Any]:
    try:
        loader = _Loader(text)
        try:
            found = []
            while loader.check_node():
                found.append(read(loader))
            return found
        finally:
            loader.dispose()
    except RecipeError:  # ours, and a ValueError
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise _yaml_error(f"not valid YAML: {what}.", mark) from error
    except (ValueError, OverflowError, RecursionError) as error:  # 0o9, impossible dates
        raise _yaml_error(f"not valid YAML: {error}.") from error


class _Builder:
    """Turns a tree of YAML nodes into data, recording lines and counting what aliases would expand to."""

    def __init__(self, loader: _Loader):
        self.loader = loader
        self.lines: dict[Where, int] = {}
        self.nodes = 0

    def build_document(self, node: yaml.Node) -> tuple[Any, dict[Where, int]]:
        return self.build(node, ()), self.lines

    def build(self, node: yaml.Node, where: Where) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(where) > MAX_DEPTH:
            raise _yaml_error(
                "it expands to more than a recipe can contain (too many entries or aliases).", node.start_mark
            )
        self.lines.setdefault(where, node.start_mark.line + 1)
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            raise _yaml_error(f"the tag {node.tag!r} is not allowed; a recipe is plain data.", node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self.build_mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*where, i)) for i, child in enumerate(node.value)]
        return self.build_scalar(node)

    def build_scalar(self, node: yaml.ScalarNode) -> Any:
        if len(node.value) > MAX_SCALAR:
            return node.value
        try:
            value = self.loader.construct_object(node)
        except Exception as error:  # PyYAML trips over forced tags in many ways: !!int "", !!bool abc
            kind = node.tag.rsplit(":", 1)[-1]
            raise _yaml_error(f"{node.value!r:.60} cannot be read as {kind}.", node.start_mark) from error
        # Dates and bytes never occur in recipes: what looks like one is a name.
        return value if value is None or isinstance(value, bool | int | float | str) else node.value

    def build_mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _yaml_error("a key must be a plain string.", key_node.start_mark)
            key = key_node.value
            if key in data:
                raise _yaml_error(f"the key '{key}' occurs twice here. Remove one of them.", key_node.start_mark)
            place = (*where, key)
            self.lines[place] = key_node.start_mark.line + 1
            data[key] = self.build(value_node, place)
        return data


def _yaml_error(what: str, mark: yaml.Mark | None = None) -> RecipeError:
    return RecipeError([Problem("error", (), what, line=mark.line + 1 if mark else None)])


def line_of(where: Where, lines: Mapping[Where, int]) -> int | None:
    """Line of a place, or of the nearest enclosing place that was written down."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where)


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML comes without types
    """Block style, with short lists of plain values on one line as people write them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_list(dumper: _Dumper, data: list[Any]) -> yaml.Node:
    flat = not any(isinstance(v, dict | list) for v in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flat)


def _represent_dict(dumper: _Dumper, data: dict[Any, Any]) -> yaml.Node:
    layers = bool(data) and all(map(is_layer_key, data)) and not any(isinstance(v, dict | list) for v in data.values())
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=layers)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(dict, _represent_dict)


class _LineDumper(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML comes without types
    """Everything on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump_flow(data: Any, style: str | None = None) -> str:
    """Write plain data on one line, as it stands inside brackets; `style` is the quote of a string."""
    text = yaml.dump(
        data, Dumper=_LineDumper, sort_keys=False, allow_unicode=True, width=1_000_000, default_flow_style=True,
        default_style=style if isinstance(data, str) else None,
    )  # fmt: skip
    return text.removesuffix("...\n").strip()


def dump_yaml(data: Any) -> str:
    """Write plain data as YAML, keys in the order given, one gradient a line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
