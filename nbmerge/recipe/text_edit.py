"""An existing YAML text brought to another recipe: what differs is replaced in place, all else stays character for character.

The text is not written anew from data, as no library keeps every space, quote and comment in doing so. Instead, the places
of the values that differ are found in the text, and only these are replaced.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import yaml

from nbmerge.errors import RecipeError
from nbmerge.recipe.documents import order_merges
from nbmerge.recipe.identity import identify_item, is_same
from nbmerge.recipe.layer_values import is_layer_key
from nbmerge.recipe.yaml_places import Place, TextEdits
from nbmerge.recipe.yaml_text import compose_yaml

if TYPE_CHECKING:
    from nbmerge.recipe.recipe import Recipe


def edit_text(text: str, recipe: Recipe, before: Recipe | None = None) -> str:
    r"""A YAML text changed so that it says another recipe.

    Comments, the order of keys, quotes, brackets and anchors stay. Where the text cannot express the recipe by changing
    values in it, the result is `Recipe.to_yaml`.

    Parameters
    ----------
    text : str
    recipe : Recipe
        What it is to say.
    before : Recipe, optional
        What it says now, if that is known.

    Examples
    --------
    >>> from nbmerge import Recipe
    >>> from nbmerge.recipe import edit_text
    >>> text = "\n".join([
    ...     "merge_method: slerp",
    ...     "models: [org/a, org/b]",
    ...     "parameters: {t: [0, 0.5, 1]}  # all of b at the end",
    ... ])
    >>> recipe = Recipe.load(text)
    >>> print(edit_text(text, recipe.with_parameter("t", [0, 0.7, 1])))
    merge_method: slerp
    models: [org/a, org/b]
    parameters: {t: [0, 0.7, 1]}  # all of b at the end
    """
    changed = change_text(text, recipe, before)
    return recipe.to_yaml() if changed is None else changed


def change_text(text: str, recipe: Recipe, before: Recipe | None = None) -> str | None:
    """As `edit_text`; None where the text cannot express the recipe."""
    from nbmerge.recipe.recipe import Recipe

    try:
        before = Recipe.load(text) if before is None else before
        if is_same(before.plain(), recipe.plain()):
            return text
        edited = _edit(text, before, recipe)
        if edited is not None and is_same(Recipe.load(edited).plain(), recipe.plain()):
            return edited
    except RecipeError:
        pass  # it is not a text that was read, or no longer one
    return None


def _edit(text: str, before: Recipe, after: Recipe) -> str | None:
    nodes = [n for n in compose_yaml(text) if isinstance(n, yaml.MappingNode)]
    old, new = ({r.name if r is not top else "": r for r in order_merges(top)} for top in (before, after))
    if old.keys() != new.keys() or len(nodes) != len(old):
        return None
    editor = _Editor(TextEdits(text), any(getattr(n, "alias", None) for node in nodes for n in _walk(node)))
    for node in nodes:
        name = next((v.value for k, v in node.value if k.value == "name"), None)
        which = name if name in old else ""
        editor.update(Place(node, flow=node.flow_style), *(_own(r[which]) for r in (old, new)))
    return editor.edits.apply()


def _own(recipe: Recipe) -> dict[str, Any]:
    """A recipe without those that feed it."""
    return {k: v for k, v in recipe.plain().items() if k != "merges"}


def _walk(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    if isinstance(node, yaml.CollectionNode) and not getattr(node, "alias", None):
        for child in node.value:
            yield from _walk(child[1] if isinstance(child, tuple) else child)


def _find_anchors(node: yaml.Node) -> list[str]:
    return [name for n in _walk(node) if (name := getattr(n, "anchor", None))]


_GONE = object()
"""What an anchor stands for that is removed."""


class _Mismatch(Exception):
    """The text writes something in another way than plain data do, so that its parts cannot be changed one by one."""


class _Editor:
    """Walks through a tree of nodes together with what it says and what it is to say.

    Parameters
    ----------
    edits : TextEdits
    aliases : bool
        Whether the text has aliases: what they stand for may change without them.
    """

    def __init__(self, edits: TextEdits, aliases: bool):
        self.edits = edits
        self.aliases = aliases
        self.anchors: dict[str, Any] = {}

    def update(self, place: Place, old: Any, new: Any) -> None:
        """Change what a node says."""
        node = place.node
        same = is_same(old, new)
        if (alias := getattr(node, "alias", None)) is not None:
            stands = self.anchors.get(alias, old)
            if not is_same(stands, new):
                self.edits.replace(place, new)
            return
        if getattr(node, "anchor", None):
            self.anchors[node.anchor] = new
        if same and not self.aliases:
            return
        mark = self.edits.mark()
        try:
            if isinstance(node, yaml.MappingNode) and isinstance(old, dict) and isinstance(new, dict):
                return self._update_mapping(place, old, new)
            if isinstance(node, yaml.SequenceNode) and isinstance(old, list) and isinstance(new, list):
                return self._update_sequence(place, old, new)
        except _Mismatch:
            self.edits.undo(mark)
        if not same:
            self.edits.replace(place, new)

    def _update_mapping(self, place: Place, old: dict[Any, Any], new: dict[Any, Any]) -> None:
        entries = {key.value: (key, value) for key, value in place.node.value}
        before, after = ({str(k): v for k, v in data.items()} for data in (old, new))
        if before.keys() != after.keys() and all(map(is_layer_key, [*before, *after])):
            raise _Mismatch  # few numbers in an order that matters
        for name, (key, value) in entries.items():
            if name in before and name not in after:
                self.anchors |= dict.fromkeys(_find_anchors(value), _GONE)
            elif name in after:
                self.update(Place(value, key, flow=place.flow or place.node.flow_style), before.get(name), after[name])
        gone = [name for name in before if name not in after]
        added = {name: value for name, value in after.items() if name not in entries}
        unseen = [name for name in before if name not in entries]
        if any(not is_same(before[n], after.get(n)) for n in unseen):
            raise _Mismatch
        for name in gone:
            if len(entries) == len(gone) or (place.flow and len(gone) > 1):
                raise _Mismatch
            self.edits.remove_key(place, entries[name][0])
        for name, value in added.items():
            if name not in before:
                self.edits.add_key(place, name, value)

    def _update_sequence(self, place: Place, old: list[Any], new: list[Any]) -> None:
        items, flow = place.node.value, bool(place.flow or place.node.flow_style)
        kinds = {isinstance(v, dict) for v in (*old, *new)}
        if len(items) != len(old) or len(kinds) > 1 or (len(old) != len(new) and flow):
            raise _Mismatch
        if flow and any(map(_grows, items, old, new)):
            raise _Mismatch
        before, after = ([identify_item(v) for v in some] for some in (old, new))
        matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
        if all(tag == "insert" for tag, *_ in matcher.get_opcodes()):
            raise _Mismatch
        for i, j in _pairs(matcher):
            if i is not None and j is None:
                self.anchors |= dict.fromkeys(_find_anchors(items[i]), _GONE)
        for i, j in _pairs(matcher):
            if i is not None and j is not None:
                self.update(Place(items[i], flow=flow, item=True), old[i], new[j])
        self.edits.change_items(place, new, list(_pairs(matcher)))


def _grows(item: yaml.Node, old: Any, new: Any) -> bool:
    """Whether a bare name becomes a mapping, for which a list in brackets is no place."""
    return isinstance(item, yaml.ScalarNode) and isinstance(new, dict) and not is_same(old, new)


def _pairs(matcher: difflib.SequenceMatcher[Any]) -> Iterator[tuple[int | None, int | None]]:
    """Indices of items before and after that belong together; None for what is new or gone."""
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for n in range(max(i2 - i1, j2 - j1)):
            yield (i1 + n if i1 + n < i2 else None), (j1 + n if j1 + n < j2 else None)
