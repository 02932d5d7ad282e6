"""pydantic's errors as problems: the place, what is wrong there, and the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe.key_hints import hint_for_key
from nbmerge.recipe.parts import Expert, Module, Part, Slice, Source, Tokenizer, TokenRule
from nbmerge.recipe.yaml_text import line_of

_WORDS = {
    "dict_type": "a mapping", "model_type": "a mapping", "model_attributes_type": "a mapping", "tuple_type": "a list",
    "list_type": "a list", "string_type": "a string", "int_type": "a whole number", "bool_type": "true or false",
}  # fmt: skip
"""Types of pydantic's errors, and what was expected."""


def drop_consequences(errors: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors without those that follow from others: a list is not also too short because its entry was refused."""
    errors = list(errors)
    places = [tuple(e["loc"]) for e in errors]

    def follows(error: Mapping[str, Any]) -> bool:
        own = tuple(error["loc"])
        return error["type"] == "too_short" and any(len(p) > len(own) and p[: len(own)] == own for p in places)

    return [e for e in errors if not follows(e)]


def explain_error(error: Mapping[str, Any], lines: Mapping[Where, int], keys: list[str], data: Any = None) -> Problem:
    """Turn one error into a problem.

    Parameters
    ----------
    error : mapping
        An entry of ``ValidationError.errors()``.
    lines : mapping
        See `nbmerge.recipe.yaml_text.parse_yaml`.
    keys : list of str
        Names of the recipe's own fields.
    data : optional
        What was validated, for hints that quote what is next to an unknown key.
    """
    where = tuple(error["loc"])
    kind = error["type"]
    how = ""
    if kind == "extra_forbidden":
        known = _fields(where, keys)
        hint = hint_for_key(str(where[-1]), where[:-1], error.get("input"), data, keys)
        what, how = f"unknown key '{where[-1]}'.", hint or nearest(str(where[-1]), known)
    elif kind == "missing":
        what, how = f"'{where[-1]}' is missing.", "Every recipe needs it." if len(where) == 1 else "Add it here."
    elif kind in _WORDS:
        what = f"expected {_WORDS[kind]}, not {error.get('input')!r:.80}."
        if len(where) == 2 and where[0] in ("experts", "shared_experts"):
            how = "An expert has 'source_model', and 'positive_prompts' for its router."
    else:
        message = re.sub(r"^(Value error|Assertion failed), ", "", error["msg"])
        what = message if message.endswith((".", "?")) else f"{message} (found {error.get('input')!r:.80})."
    return Problem("error", where, what, how, line_of(where, lines))


def remove_keys(data: Mapping[str, Any], wrong: Iterable[Where]) -> dict[str, Any] | None:
    """A copy of plain data without the keys at these places; None where one of them is not a key of a mapping."""
    rest = _copied(data)
    for *above, key in filter(None, wrong):
        inner = rest
        try:
            for step in above:
                inner = inner[step]
            del inner[key]
        except (KeyError, IndexError, TypeError):
            return None
        if not isinstance(inner, dict):  # without an entry of a list, the places of the others would be wrong
            return None
    return rest


def _copied(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {k: _copied(v) for k, v in data.items()}
    return [_copied(v) for v in data] if isinstance(data, list | tuple) else data


def _fields(where: Where, keys: list[str]) -> list[str]:
    """Valid keys at the place of an unknown one."""
    parents = [p for p in where[:-1] if isinstance(p, str)]
    if not parents:
        return keys
    known: dict[str, type[Part]] = {
        "models": Source,
        "sources": Source,
        "slices": Slice,
        "modules": Module,
        "tokenizer": Tokenizer,
        "tokens": TokenRule,
        "experts": Expert,
        "shared_experts": Expert,
    }
    part = next((known[p] for p in reversed(parents) if p in known), None)
    return list(part.model_fields) if part else keys
