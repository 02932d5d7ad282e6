"""From settings to values: which level of the recipe decides a parameter for one tensor.

Precedence: source > slice > whole recipe > the method's default. A level whose filters do not match is skipped.
Filters of a per-input parameter apply to the name of the input tensor, those of other parameters to the output tensor's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from nbmerge.methods import IGNORED, REQUIRED, Method, Parameter, methods, parameter_names
from nbmerge.methods.linear import WEIGHT
from nbmerge.problems import Problem, Where, nearest
from nbmerge.recipe import Recipe
from nbmerge.recipe.key_hints import hint_for_parameter
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.sections import Level, levels

CHOICE = Parameter("method", "Merge method of these tensors, instead of the recipe's own.", default=None)
"""Not a parameter of a method but the choice of one; it may have filters and gradients like any other."""

EMBED_SLERP = Parameter(
    "embed_slerp",
    "With tokenizer rows of owners and slerp: rows of tokens that both models own are slerped as well.",
    False,
    kind="flag",
)
"""Not a parameter of a method but a choice for the rows of tokens."""


def find_value(
    parameter: Parameter, nearest_first: Sequence[Level], tensor: str, t: float, depth: int
) -> tuple[Any, Where | None]:
    """The parameter's value for one tensor, and the place that decides it (None for the default).

    Parameters
    ----------
    parameter : Parameter
    nearest_first : sequence of Level
    tensor : str
        Name of the tensor.
    t : float
        Its position in its slice, 0 to 1.
    depth : int
        Number of layers of that slice.
    """
    for where, settings in nearest_first:
        setting = settings.get(parameter.name)
        if setting is None:
            continue
        i = setting.find(tensor)
        if i is not None:
            rule = (i,) if len(setting.rules) > 1 else ()
            return setting.rules[i].at(t, depth), (*where, parameter.name, *rule)
    return parameter.default, None


def check_names(recipe: Recipe, methods: Sequence[Method]) -> Iterator[Problem]:
    """Parameters that none of the recipe's methods has, or that have no effect where they are."""
    owners = recipe.tokenizer is not None and recipe.tokenizer.rows == "owners"
    extra = (CHOICE, EMBED_SLERP, WEIGHT) if owners else (CHOICE,)
    for where, settings, one_model, _ in levels(recipe):
        for name in settings:
            known = chain(extra, *(m.parameters for m in methods))
            parameter = next((p for p in known if p.name == name), None)
            here = (*where, name)
            if parameter is None:
                yield _unknown_parameter(name, here, methods, recipe)
            elif one_model and parameter.scope == "global":
                what = f"'{name}' applies to the whole merge and has no effect under one model."
                yield Problem("error", here, what, "Move it to the recipe's own parameters.", recipe.line(here))


def check_values(recipe: Recipe, methods: Sequence[Method]) -> Iterator[Problem]:
    """Values that are impossible for every tensor; for recipes whose tensors cannot be planned."""
    known = {p.name: p for m in methods for p in m.parameters}
    for where, settings, _, _ in levels(recipe):
        for name, setting in settings.items():
            faults = (known[name].fault(v) for v in setting.values()) if name in known else ()
            if fault := next(filter(None, faults), None):
                here = (*where, name)
                yield Problem("error", here, fault, line=recipe.line(here), kind="range")


def check_without_method(recipe: Recipe) -> Iterator[Problem]:
    """Parameters that no method has, and values that none accepts, for a recipe whose own method is not known."""
    every = methods()
    named: dict[str, list[Parameter]] = {}
    for parameter in (*chain.from_iterable(m.parameters for m in every.values()), CHOICE, EMBED_SLERP):
        named.setdefault(parameter.name, []).append(parameter)
    for where, settings, _, _ in levels(recipe):
        for name, setting in settings.items():
            here = (*where, name)
            if name not in named and name not in IGNORED:
                how = hint_for_parameter(name, list(Recipe.model_fields)) or nearest(name, named)
                what = f"no merge method has a parameter '{name}'."
                yield Problem("error", here, what, how, recipe.line(here), "parameter")
            faults = [f for v in setting.values() if (f := _common_fault(named.get(name, ()), v))]
            if faults:
                yield Problem("error", here, faults[0], line=recipe.line(here), kind="range")


def _common_fault(parameters: Sequence[Parameter], value: Any) -> str | None:
    """What is wrong with a value for every method that has the parameter."""
    faults = [p.fault(value) for p in parameters]
    return faults[0] if faults and all(faults) else None


def check_layers(nearest_first: Sequence[Level], depth: int, recipe: Recipe) -> Iterator[Problem]:
    """Values that are given to layers which a slice of this depth does not have."""
    for where, settings in nearest_first:
        for name, setting in settings.items():
            for i, rule in enumerate(setting.rules):
                if isinstance(rule.value, LayerValues) and rule.value.last > depth - 1:
                    here = (*where, name, i) if len(setting.rules) > 1 else (*where, name)
                    what = f"layer {rule.value.last:g} does not exist: the layers are 0 to {depth - 1}."
                    how = "Layers are counted from the first of a slice. A list is spread over any number of layers."
                    yield Problem("error", here, what, how, recipe.line(here))


def _unknown_parameter(name: str, here: Where, methods: Sequence[Method], recipe: Recipe) -> Problem:
    line, used = recipe.line(here), " or ".join(m.name for m in methods)
    if name in IGNORED:
        return Problem("info", here, f"'{name}' is ignored: {IGNORED[name]}.", line=line)
    if how := hint_for_parameter(name, list(Recipe.model_fields)):
        return Problem("error", here, f"'{name}' is not a parameter of a merge method.", how, line, "parameter")
    if name in parameter_names():
        return Problem(
            "warning",
            here,
            f"'{name}' has no effect on {used}.",
            "Remove it, or choose another method.",
            line,
            "effect",
        )
    known = [p.name for m in methods for p in m.parameters]
    return Problem("error", here, f"{used} has no parameter '{name}'.", nearest(name, known), line, "parameter")


def is_missing(value: Any) -> bool:
    """Whether no level of the recipe sets a required parameter."""
    return value is REQUIRED
