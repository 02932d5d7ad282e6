"""Hints for keys that are in the wrong place of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmerge.problems import Where
from nbmerge.recipe.parts import Slice, Source, Tokenizer, TokenRule

TOP = "at the top level of the recipe, next to merge_method"
PARTS: dict[str, tuple[type, str]] = {
    "layer_range": (Source, "next to a model in the sources of a slice"),
    "sources": (Slice, "in an entry of slices"),
    "pad_to_multiple_of": (Tokenizer, "under tokenizer"),
    "tokens": (Tokenizer, "under tokenizer"),
    "approximate": (Tokenizer, "under tokenizer"),
    "force": (TokenRule, "in an entry of tokenizer.tokens"),
}
"""Keys of the parts of a recipe that no other part has, and where they belong."""


def hint_for_key(key: str, where: Where, value: Any, data: Any, top: Sequence[str]) -> str:
    """What to do about a key that belongs elsewhere in a recipe; empty where it belongs nowhere.

    Parameters
    ----------
    key : str
        The key.
    where : tuple of str and int
        The place of the mapping that contains it.
    value
        Its value.
    data
        The whole recipe as plain data, or None.
    top : sequence of str
        Fields of a recipe.
    """
    if key in ("revision", "lora") and (model := _model_at(where, data)) is not None:
        sign = "@" if key == "revision" else "+"
        return f"It is part of the model's name: write '{model}{sign}{value}'."
    if key in PARTS:
        return f"'{key}' belongs {PARTS[key][1]}."
    if key in top and where:
        return f"'{key}' belongs {TOP}."
    return _hint_for_misplaced(key, where)


def hint_for_parameter(name: str, top: Sequence[str]) -> str:
    """What to do about a name under `parameters` that is a key of the recipe, not a parameter; empty if it is not one."""
    if name in PARTS:
        return f"'{name}' belongs {PARTS[name][1]}, not under parameters."
    return f"'{name}' belongs {TOP}, not under parameters." if name in top else ""


def _model_at(where: Where, data: Any) -> str | None:
    """The model that is named in the same mapping, or as the base model of the recipe."""
    for step in where:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    if not isinstance(data, Mapping):
        return None
    model = data.get("model", data.get("base_model"))
    return model if isinstance(model, str) else None


def _hint_for_misplaced(key: str, where: Where) -> str:
    """Where a parameter of a merge method belongs."""
    from nbmerge.methods import IGNORED, methods

    if key in IGNORED:
        return f"'{key}' belongs under parameters and has no effect: {IGNORED[key]}."
    parameters = [p for m in methods().values() for p in m.parameters if p.name == key]
    if not parameters:
        return ""
    one_model = "models" in where or "sources" in where
    if one_model and any(p.scope == "input" for p in parameters):
        return f"'{key}' is a parameter: write it under this model's 'parameters'."
    whose = "'parameters' of each model, or" if any(p.scope == "input" for p in parameters) else ""
    return f"'{key}' is a parameter: write it under {whose} the recipe's own 'parameters'.".replace("  ", " ")
