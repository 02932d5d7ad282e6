"""Replacements at places of a YAML text: a value, a key with its value, an item of a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from nbmerge.recipe.yaml_text import dump_flow, dump_yaml

INDENT = 2
"""Columns by which written blocks are indented."""


@dataclass(frozen=True)
class Place:
    """A node and how it stands in the text.

    Parameters
    ----------
    node : yaml.Node
    key : yaml.Node, optional
        The key it is the value of.
    flow : bool
        Whether it is inside of brackets or braces.
    item : bool
        Whether it is an item of a list.
    """

    node: Any
    key: Any = None
    flow: bool = False
    item: bool = False


class TextEdits:
    """Replacements in a text, collected and made at once.

    Parameters
    ----------
    text : str
        What nodes were composed from.
    """

    def __init__(self, text: str):
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self._parts: list[tuple[int, int, str]] = []

    def mark(self) -> int:
        """The state to which `undo` goes back."""
        return len(self._parts)

    def undo(self, mark: int) -> None:
        """Drop the replacements since a mark."""
        del self._parts[mark:]

    def apply(self) -> str | None:
        """The text with all replacements; None where they overlap."""
        parts = sorted(enumerate(self._parts), key=lambda p: (p[1][0], p[1][1], p[0]))
        written, end = [], 0
        for _, (start, stop, new) in parts:
            if start < end:
                return None
            written += [self.text[end:start], new]
            end = stop
        return "".join([*written, self.text[end:]])

    def replace(self, place: Place, value: Any) -> None:
        """Another value at a place: on one line where it is short or inside of brackets, else as a block."""
        node = place.node
        start, end = _start(node), self._content_end(node)
        anchor = self._anchor(node)
        if place.flow or not _needs_block(value) or (place.key is None and not place.item):
            return self._replace_by_line(place, start, end, anchor + dump_flow(value, getattr(node, "style", None)))
        if place.key is not None:
            return self._replace_by_block(place, start, end, anchor, value)
        first, *rest = self._indent(dump_yaml(value), node.start_mark.column)
        self._put(start, end, anchor + first.lstrip())
        if rest:
            self._put(self._line_end(end), self._line_end(end), self.newline + self.newline.join(rest))

    def _replace_by_block(self, place: Place, start: int, end: int, anchor: str, value: Any) -> None:
        """Comments stay on the line of the key."""
        colon = self._after_colon(place.key)
        lines = self._indent(dump_yaml(value), place.key.start_mark.column + INDENT)
        block = self.newline + self.newline.join(lines)
        key_line = self._line_end(colon)
        if start > key_line:
            self._put(colon, colon, f" {anchor}".rstrip())
            return self._put(key_line, end, block)
        self._put(colon, end, f" {anchor}".rstrip())
        self._put(self._line_end(end), self._line_end(end), block)

    def _replace_by_line(self, place: Place, start: int, end: int, text: str) -> None:
        colon = self._after_colon(place.key) if place.key is not None else start
        line = self._line_end(colon)
        if start <= line:
            return self._put(start, end, f" {text}" if start and self.text[start - 1] == ":" else text)
        self._put(colon, colon, f" {text}")  # before a comment that may follow the key
        self._put(line, end, "")

    def add_key(self, place: Place, name: str, value: Any) -> None:
        """Another key at the end of a mapping."""
        node = place.node
        if node.flow_style:
            end = self._content_end(node.value[-1][1]) if node.value else _start(node) + 1
            gap = ", " if node.value else ""
            return self._put(end, end, f"{gap}{dump_flow(name)}: {dump_flow(value)}")
        lines = self._indent(dump_yaml({name: value}), node.value[0][0].start_mark.column)
        self._insert_lines(self._content_end(node.value[-1][1]), lines)

    def remove_key(self, place: Place, key: Any) -> None:
        """A mapping without one of its keys, of which it has others."""
        entries = place.node.value
        i = next(i for i, (k, _) in enumerate(entries) if k is key)
        if i == 0:
            return self._put(_start(key), _start(entries[1][0]), "")
        if place.node.flow_style:
            return self._put(self._content_end(entries[i - 1][1]), self._content_end(entries[i][1]), "")
        self._remove_lines(_start(key), self._content_end(entries[i][1]))

    def change_items(self, place: Place, new: Sequence[Any], pairs: Sequence[tuple[int | None, int | None]]) -> None:
        """A list in block style without the items that are gone, and with those that are new."""
        items, previous = place.node.value, None
        for i, j in pairs:
            if i is not None and j is None:
                self._remove_lines(self._dash(items[i]), self._content_end(items[i]))
            elif i is None and j is not None:
                lines = self._indent(dump_yaml([new[j]]), self._column(self._dash(items[0])))
                if previous is None:
                    at = self._line_start(self._dash(items[0]))
                    self._put(at, at, self.newline.join(lines) + self.newline)
                else:
                    self._insert_lines(self._content_end(items[previous]), lines)
            previous = i if i is not None else previous

    # --- places ---

    def _put(self, start: int, end: int, text: str) -> None:
        self._parts.append((start, end, text))

    def _content_end(self, node: Any) -> int:
        """Where a node's own text ends: that of a block reaches over the comments and empty lines after it."""
        if not _is_block(node) or not node.value:
            return node.end_mark.index
        last = node.value[-1]
        return self._content_end(last[1] if isinstance(last, tuple) else last)

    def _anchor(self, node: Any) -> str:
        return f"&{node.anchor} " if getattr(node, "anchor", None) else ""

    def _after_colon(self, key: Any) -> int:
        return self.text.index(":", key.end_mark.index) + 1

    def _dash(self, item: Any) -> int:
        return self.text.rindex("-", 0, _start(item))

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return end - 1 if end > at and self.text[end - 1] == "\r" else end

    def _column(self, at: int) -> int:
        return at - self._line_start(at)

    def _remove_lines(self, first: int, last: int) -> None:
        end = self.text.find("\n", last)
        self._put(self._line_start(first), len(self.text) if end < 0 else end + 1, "")

    def _insert_lines(self, after: int, lines: Sequence[str]) -> None:
        """Lines after the one that a place is in."""
        end = self.text.find("\n", after)
        if end < 0:
            return self._put(len(self.text), len(self.text), self.newline + self.newline.join(lines))
        self._put(end + 1, end + 1, self.newline.join(lines) + self.newline)

    def _indent(self, block: str, column: int) -> list[str]:
        return [f"{' ' * column}{line}" for line in block.rstrip("\n").split("\n")]


def _start(node: Any) -> int:
    return node.start_mark.index


def _is_block(node: Any) -> bool:
    """Whether a node is a mapping or a list over several lines, without brackets."""
    return isinstance(node, yaml.CollectionNode) and not node.flow_style and not getattr(node, "alias", None)


def _needs_block(value: Any) -> bool:
    """Whether a value is easier to read on several lines: it has mappings or lists in it."""
    return isinstance(value, dict | list) and "\n" in dump_yaml(value).rstrip("\n")
