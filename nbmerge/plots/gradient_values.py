"""What a gradient plot shows, as plain numbers: read from a plan, layer by layer, or from a recipe alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nbmerge.checkpoints import GROUPS
from nbmerge.engine.planning import Plan, TensorPlan
from nbmerge.methods import REQUIRED, Combination, Method, Parameter
from nbmerge.plots.colours import label_colours, model_colours
from nbmerge.plots.theme import DASHES, PALETTE
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.setting import Rule, Setting, position

OUTSIDE = ("embedding", "final norm", "head")
"""Roles outside the layers that gradients are shown for."""
Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Gradient:
    """One curve: a parameter of one model, over the layers.

    Parameters
    ----------
    label : str
    x, y : sequence of float
        Positions, in layers or from 0 to 1, and values; NaN where the model has no part, which leaves a gap.
    colour : str
    dash : str or tuple
        A line style of matplotlib.
    spread : sequence of (float, float), optional
        Smallest and largest value at each position, where tensors differ.
    outside : mapping of str to float
        Values for embedding, final norm and head.
    knots : sequence of (float, float)
        Positions and values as the recipe writes them.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str = PALETTE[0]
    dash: Dash = "solid"
    spread: Sequence[tuple[float, float]] = ()
    outside: Mapping[str, float] = field(default_factory=dict)
    knots: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class ParameterGradients:
    """The curves of one parameter, which share their axes.

    Parameters
    ----------
    parameter : str
    gradients : tuple of Gradient
    ends : (str, str)
        What the values 0 and 1 mean; empty where they mean nothing in particular.
    """

    parameter: str
    gradients: tuple[Gradient, ...]
    ends: tuple[str, str] = ("", "")

    @property
    def varies(self) -> bool:
        """Whether any value differs from another."""
        return len({y for g in self.gradients for y in (*g.y, *g.outside.values()) if not math.isnan(y)}) > 1


# --- from a plan ---


def read_plan(plan: Plan) -> list[ParameterGradients]:
    """Every numeric parameter of a plan's method, with the value of each layer."""
    sources = _sources(plan.recipe)
    labels = [label for ref, label in plan.labels.items() if label != plan.base_label and ref in sources]
    read = []
    for parameter in plan.method.parameters:
        if parameter.kind != "number":
            continue
        of = labels if parameter.scope == "input" else [None]
        gradients = tuple(g for label in of for g in _of_plan(plan, parameter, label))
        if gradients:
            read.append(ParameterGradients(parameter.name, gradients, _ends(plan, parameter)))
    return read


def _of_plan(plan: Plan, parameter: Parameter, label: str | None) -> Iterator[Gradient]:
    """The curve of one model; one for each group of tensors where these differ."""
    groups: dict[str, dict[int, list[float]]] = {}
    outside: dict[str, float] = {}
    for tensor, value in _values(plan, parameter, label):
        if tensor.layer is None and tensor.kind in OUTSIDE:
            outside.setdefault(tensor.kind, value)
        elif tensor.layer is not None and tensor.stack == plan.stack:
            groups.setdefault(tensor.kind, {}).setdefault(tensor.layer, []).append(value)
    if not groups:
        return
    colour = PALETTE[0] if label is None else model_colours(plan)[label]
    knots = _knots(plan, parameter.name, label)
    alike = _groups_alike(groups)
    for number, chosen in enumerate(alike):
        values = [[v for group in chosen for v in groups[group].get(i, ())] for i in range(plan.depth)]
        y = [_mean(v) if v else math.nan for v in values]
        yield Gradient(
            ", ".join([label or parameter.name, *([" and ".join(chosen)] if len(alike) > 1 else [])]),
            range(plan.depth), y, colour, DASHES[number % len(DASHES)],
            [(min(v), max(v)) if v else (math.nan, math.nan) for v in values],
            {} if number else {role: outside[role] for role in OUTSIDE if role in outside},
            [(x, value) for x, value in knots if _lies_on(x, value, y)],
        )  # fmt: skip


def _groups_alike(groups: Mapping[str, Mapping[int, list[float]]]) -> list[list[str]]:
    """Groups of tensors that have the same values wherever both have one, together."""
    alike: list[list[str]] = []
    for group in (g for g in GROUPS if g in groups):
        means = {i: _mean(v) for i, v in groups[group].items()}
        same = (a for a in alike if all(_mean(groups[a[0]].get(i, [v])) == v for i, v in means.items()))
        if (found := next(same, None)) is None:
            alike.append([group])
        else:
            found.append(group)
    return alike


def _values(plan: Plan, parameter: Parameter, label: str | None) -> Iterator[tuple[TensorPlan, float]]:
    """A parameter's value for every tensor that the plan's method computes."""
    for tensor in plan.tensors:
        if tensor.method != plan.method.name:
            continue
        value = tensor.values.shared.get(parameter.name)
        if parameter.scope == "input":
            row = tensor.values.each.get(parameter.name, ())
            value = next((v for m, v in zip(tensor.models, row, strict=False) if m == label), None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield tensor, float(value)


def _knots(plan: Plan, name: str, label: str | None) -> list[tuple[float, float]]:
    """Where the recipe sets values for the whole depth, in layers."""
    recipe = plan.recipe
    if recipe.models is None:
        return []
    own = [s.parameters for s in recipe.models if label is not None and plan.labels[s.model] == label]
    settings = [level[name] for level in (*own, recipe.parameters) if name in level]
    rules = [rule for setting in settings[:1] for rule in setting.rules]
    return [knot for rule in rules for knot in _rule_knots(rule, 0, plan.depth - 1, in_layers=True)]


def _lies_on(x: float, value: float, y: Sequence[float]) -> bool:
    """Whether a knot is a point of the line through some layers' values, not one that another filter overrules."""
    low, high = math.floor(x), math.ceil(x)
    between = y[low] + (y[high] - y[low]) * (x - low)
    corner = low != high  # of a gradient between two layers: the line passes below or above it
    return corner or abs(between - value) < 1e-6


def _ends(plan: Plan, parameter: Parameter) -> tuple[str, str]:
    """The models at 0 and 1 of a blend of two."""
    if parameter.scope == "input" or not (isinstance(plan.method, Combination) and plan.method.inputs == (2, 2)):
        return "", ""
    pairs = {t.models for t in plan.tensors if t.method == plan.method.name and len(t.models) == 2}
    first, second = ({pair[i] for pair in pairs} for i in (0, 1))
    return (next(iter(first)), next(iter(second))) if len(first) == len(second) == 1 else ("", "")


# --- from a recipe alone ---


@dataclass(frozen=True)
class NominalGradients:
    """The gradients of a recipe whose models have not been looked at.

    Parameters
    ----------
    parameters : list of ParameterGradients
    depth : int, optional
        Number of layers, where the recipe's slices tell it; positions then are layers, else from 0 to 1.
    """

    parameters: list[ParameterGradients]
    depth: int | None


def read_recipe(recipe: Recipe, method: Method | None) -> NominalGradients:
    """Every number that a recipe sets, at the places where it sets it.

    Parameters
    ----------
    recipe : Recipe
    method : Method, optional
        Its method, for the parameters that each model has; None where it is not known.
    """
    counts = [
        next((b - a for s in p.sources if s.layer_range for a, b in [s.layer_range]), None) for p in recipe.pieces
    ]
    depth = sum(n for n in counts if n is not None) if all(counts) else None
    spans = list(_spans(counts, depth))
    base = recipe.base_model if method is not None and method.base == "required" else None
    refs = [ref for ref in _sources(recipe) if ref != base]
    names = [ref.name for ref in recipe.references]
    labels = {r: r.name if names.count(r.name) == 1 else str(r) for r in recipe.references}
    colours = label_colours(labels.values(), labels.get(base) if base else None)
    known = {p.name: p for p in method.parameters} if method is not None else {}
    read = []
    for name in _numbers(recipe):
        shared = known[name].scope == "global" if name in known else not _is_set_by_models(recipe, name)
        gradients: list[Gradient] = []
        for ref in [None] if shared else refs:
            label, colour = (name, PALETTE[0]) if ref is None else (labels[ref], colours[labels[ref]])
            gradients += _of_recipe(recipe, name, ref, spans, depth is not None, label, colour)
        if gradients:
            read.append(ParameterGradients(name, tuple(gradients)))
    return NominalGradients(read, depth)


def _of_recipe(
    recipe: Recipe, name: str, ref: ModelRef | None, spans: Sequence[tuple[float, float]], in_layers: bool,
    label: str, colour: str,
) -> Iterator[Gradient]:  # fmt: skip
    """The curve of one model; one for each filter."""
    lines: dict[str | None, list[tuple[float, float]]] = {}
    knots: dict[str | None, list[tuple[float, float]]] = {}
    pieces = ((section, k, piece) for section in recipe.sections for k, piece in enumerate(section.slices))
    for (start, end), (section, k, piece) in zip(spans, pieces, strict=True):
        own = [s.parameters for s in piece.sources if s.model == ref]
        if ref is not None and not own:
            continue
        levels = [*own, *(level for _, level in section.levels(k)), recipe.parameters]
        settings: list[Setting] = [level[name] for level in levels if name in level]
        for rule in {r.filter: r for s in reversed(settings) for r in reversed(s.rules)}.values():
            lines.setdefault(rule.filter, []).extend([*_rule_points(rule, start, end, in_layers), (end, math.nan)])
            knots.setdefault(rule.filter, []).extend(_rule_knots(rule, start, end, in_layers))
    for number, filter in enumerate(sorted(lines, key=lambda f: f is not None)):
        x, y = zip(*lines[filter], strict=True)
        if not all(map(math.isnan, y)):
            title = label if filter is None else f"{label}, {filter}"
            yield Gradient(title, x, y, colour, DASHES[number % len(DASHES)], knots=knots[filter])


def _rule_knots(rule: Rule, start: float, end: float, in_layers: bool) -> list[tuple[float, float]]:
    """Where a rule sets numbers, between two positions; none for a single number, and for words.

    Parameters
    ----------
    in_layers : bool
        Whether positions are layers; otherwise the last layer that a rule names stands at the end.
    """
    value = rule.value
    if isinstance(value, LayerValues):
        scale = 1.0 if in_layers else (end - start) / max(value.last, 1)
        knots = [(start + layer * scale, v) for layer, v in value.points]
    elif isinstance(value, tuple):
        knots = [(start + position(i, len(value)) * (end - start), v) for i, v in enumerate(value)]
    else:
        return []
    return [(x, float(v)) for x, v in knots if x <= end and not isinstance(v, str | bool)]


def _rule_points(rule: Rule, start: float, end: float, in_layers: bool) -> list[tuple[float, float]]:
    """The line of a rule between two positions; nothing for words."""
    numbers = [float(v) for v in rule.values if not isinstance(v, str | bool)]
    if len(numbers) < len(rule.values):
        return []
    inside = _rule_knots(rule, start, end, in_layers) if len(numbers) > 1 else []
    first, last = (inside[0], inside[-1]) if inside else ((start, numbers[0]), (end, numbers[0]))
    points = [(start, first[1]), *inside, (end, last[1])]
    return list(dict.fromkeys(points))


def _spans(counts: Sequence[int | None], depth: int | None) -> Iterator[tuple[float, float]]:
    """First and last position of each slice: in layers where all are known, else equal parts of 0 to 1."""
    at = 0
    for i, count in enumerate(counts):
        if depth is None:
            yield i / len(counts), (i + 1) / len(counts)
        else:
            yield at, at + (count or 1) - 1
            at += count or 0


def _numbers(recipe: Recipe) -> list[str]:
    """Names of all parameters that have a number somewhere, in the order in which they are written."""
    levels = [(name, setting) for level in _levels(recipe) for name, setting in level.items()]
    return list(dict.fromkeys(n for n, s in levels if any(not isinstance(v, str | bool) for v in s.values())))


def _levels(recipe: Recipe) -> Iterator[Mapping[str, Setting]]:
    for section in recipe.sections:
        for k, piece in enumerate(section.slices):
            yield from (source.parameters for source in piece.sources)
            yield from (level for _, level in section.levels(k))
    yield recipe.parameters


def _is_set_by_models(recipe: Recipe, name: str) -> bool:
    return any(name in source.parameters for piece in recipe.pieces for source in piece.sources)


def _sources(recipe: Recipe) -> list[ModelRef]:
    return list(dict.fromkeys(s.model for p in recipe.pieces for s in p.sources))


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return values[0] if len(set(values)) == 1 else sum(values) / len(values)


# --- which of them a picture shows ---


def worth_showing(read: Iterable[ParameterGradients], method: Method | None) -> list[ParameterGradients]:
    """Those that vary, that the method requires, or that differ from their default; none is a wall of flat lines at 1."""
    defaults = {p.name: p.default for p in method.parameters} if method is not None else {}
    scopes = {p.name: p.scope for p in method.parameters} if method is not None else {}

    def worth(shown: ParameterGradients) -> bool:
        default = defaults.get(shown.parameter, REQUIRED)
        if shown.varies or default is REQUIRED:
            return True
        values = {y for g in shown.gradients for y in g.y if not math.isnan(y)}
        return scopes.get(shown.parameter) == "input" and values != {default}

    return [shown for shown in read if worth(shown)]
