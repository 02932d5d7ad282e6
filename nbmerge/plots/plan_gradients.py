"""The gradients of a plan: what each layer gets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from nbmerge.engine.planning import Plan, mean_value, read_layers
from nbmerge.methods import Combination, Parameter
from nbmerge.palette import PALETTE
from nbmerge.plots.colours import model_colours
from nbmerge.plots.gradient_values import Gradient, ParameterGradients, find_knots, list_sources
from nbmerge.plots.theme import DASHES
from nbmerge.recipe import ModelRef
from nbmerge.recipe.setting import Rule, position

TINY = 1e-6
"""Differences of values that are rounding."""


def read_plan(plan: Plan) -> list[ParameterGradients]:
    """Every numeric parameter of a plan's method, with the value of each layer."""
    sources = list_sources(plan.recipe)
    models = [ref for ref, label in plan.labels.items() if label != plan.base_label and ref in sources]
    read = []
    for parameter in plan.method.parameters:
        if parameter.kind != "number":
            continue
        of = models if parameter.scope == "input" else [None]
        gradients = tuple(g for model in of for g in _of_plan(plan, parameter, model))
        if gradients:
            read.append(ParameterGradients(parameter.name, gradients, _ends(plan, parameter)))
    return read


def _of_plan(plan: Plan, parameter: Parameter, model: ModelRef | None) -> Iterator[Gradient]:
    """The curve of one model; one for each group of tensors where these differ."""
    groups, outside = read_layers(plan, parameter, model)
    if not groups:
        return
    label = parameter.name if model is None else plan.labels[model]
    colour = PALETTE[0] if model is None else model_colours(plan)[label]
    rules = _rules(plan, parameter.name, model)
    alike = _groups_alike(groups)
    for number, chosen in enumerate(alike):
        values = [[v for group in chosen for v in groups[group].get(i, ())] for i in range(plan.depth)]
        y = [mean_value(v) if v else math.nan for v in values]
        yield Gradient(
            ", ".join([label, *([" and ".join(chosen)] if len(alike) > 1 else [])]),
            range(plan.depth), y, colour, DASHES[number % len(DASHES)],
            [(min(v), max(v)) if v else (math.nan, math.nan) for v in values],
            {} if number else outside,
            [knot for rule in rules for knot in _knots_on(rule, y)],
        )  # fmt: skip


def _groups_alike(groups: Mapping[str, Mapping[int, list[float]]]) -> list[list[str]]:
    """Groups of tensors that have the same values wherever both have one, together."""
    alike: list[list[str]] = []
    for group in groups:
        means = {i: mean_value(v) for i, v in groups[group].items()}
        same = (a for a in alike if all(mean_value(groups[a[0]].get(i, [v])) == v for i, v in means.items()))
        if (found := next(same, None)) is None:
            alike.append([group])
        else:
            found.append(group)
    return alike


def _rules(plan: Plan, name: str, model: ModelRef | None) -> tuple[Rule, ...]:
    """The rules of a parameter, where the recipe sets it for the whole depth."""
    recipe = plan.recipe
    if recipe.models is None:
        return ()
    own = [s.parameters for s in recipe.models if s.model == model]
    settings = [level[name] for level in (*own, recipe.parameters) if name in level]
    return settings[0].rules if settings else ()


def _knots_on(rule: Rule, y: Sequence[float]) -> list[tuple[float, float]]:
    """Knots of a rule that are points of a line: where another filter overrules it, the line passes elsewhere."""
    if any(isinstance(v, str | bool) for v in rule.values):
        return []
    depth = len(y)
    on = [abs(float(rule.at(position(i, depth), depth)) - value) < TINY for i, value in enumerate(y)]
    return [(x, v) for x, v in find_knots(rule, 0, depth - 1, in_layers=True) if on[math.floor(x)] and on[math.ceil(x)]]


def _ends(plan: Plan, parameter: Parameter) -> tuple[str, str]:
    """The models at 0 and 1 of a blend of two."""
    if parameter.scope == "input" or not (isinstance(plan.method, Combination) and plan.method.inputs == (2, 2)):
        return "", ""
    pairs = {t.models for t in plan.tensors if t.method == plan.method.name and len(t.models) == 2}
    first, second = ({pair[i] for pair in pairs} for i in (0, 1))
    return (next(iter(first)), next(iter(second))) if len(first) == len(second) == 1 else ("", "")
