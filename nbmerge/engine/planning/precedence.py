"""From settings to numbers: which level of the recipe decides a parameter's value for one tensor.

Precedence: source > slice > whole recipe > the method's default. A level whose filters do not match is passed over.
A per-input parameter sees the name of the input tensor, a parameter of the whole merge that of the output tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from nbmerge.methods import IGNORED, REQUIRED, Method, Parameter, parameter_names
from nbmerge.methods.linear import WEIGHT
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe import Recipe
from nbmerge.recipe.key_hints import hint_for_parameter
from nbmerge.recipe.sections import Level, levels

CHOICE = Parameter("method", "Merge method of these tensors, instead of the recipe's own.", default=None)
"""Not a method's parameter but the choice of one, with filters and over layers like any other."""

EMBED_SLERP = Parameter(
    "embed_slerp",
    "With tokenizer rows of owners, slerp of two: rows that both own go along the arc, too.",
    False,
    kind="flag",
)
"""Not a method's parameter but a choice for the rows of tokens."""


def find(parameter: Parameter, nearest_first: Sequence[Level], tensor: str, t: float) -> tuple[Any, Where | None]:
    """The parameter's value for one tensor, and the place that decided it (None for the default)."""
    for where, settings in nearest_first:
        setting = settings.get(parameter.name)
        if setting is None:
            continue
        i = setting.find(tensor)
        if i is not None:
            rule = (i,) if len(setting.rules) > 1 else ()
            return setting.rules[i].at(t), (*where, parameter.name, *rule)
    return parameter.default, None


def check_names(recipe: Recipe, methods: Sequence[Method]) -> Iterator[Problem]:
    """Parameters that none of the recipe's methods has, or that stand where they have no effect."""
    owners = recipe.tokenizer is not None and recipe.tokenizer.rows == "owners"
    extra = (CHOICE, EMBED_SLERP, WEIGHT) if owners else (CHOICE,)
    for where, settings, one_model, _ in levels(recipe):
        for name in settings:
            known = chain(extra, *(m.parameters for m in methods))
            parameter = next((p for p in known if p.name == name), None)
            here = (*where, name)
            if parameter is None:
                yield _stranger(name, here, methods, recipe)
            elif one_model and parameter.scope == "global":
                what = f"'{name}' holds for the whole merge and has no effect under one model."
                yield Problem("error", here, what, "Move it to the recipe's own parameters.", recipe.line(here))


def check_values(recipe: Recipe, methods: Sequence[Method]) -> Iterator[Problem]:
    """Values that no tensor can have, for where the tensors themselves cannot be asked."""
    known = {p.name: p for m in methods for p in m.parameters}
    for where, settings, _, _ in levels(recipe):
        for name, setting in settings.items():
            faults = (known[name].fault(v) for v in setting.values()) if name in known else ()
            if fault := next(filter(None, faults), None):
                here = (*where, name)
                yield Problem("error", here, fault, line=recipe.line(here))


def _stranger(name: str, here: Where, methods: Sequence[Method], recipe: Recipe) -> Problem:
    line, used = recipe.line(here), " or ".join(m.name for m in methods)
    if name in IGNORED:
        return Problem("info", here, f"'{name}' is ignored: {IGNORED[name]}.", line=line)
    if how := hint_for_parameter(name, list(Recipe.model_fields)):
        return Problem("error", here, f"'{name}' is not a parameter of a merge method.", how, line)
    if name in parameter_names():
        return Problem(
            "warning", here, f"'{name}' has no effect on {used}.", "Remove it, or choose another method.", line
        )
    known = [p.name for m in methods for p in m.parameters]
    return Problem("error", here, f"{used} has no parameter '{name}'.", nearest(name, known), line)


def is_missing(value: Any) -> bool:
    """Whether a required parameter was given nowhere."""
    return value is REQUIRED
