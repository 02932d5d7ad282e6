"""The gradients of a recipe alone: what it sets, from the first layer to the last, without looking at its models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nbmerge.methods import Method
from nbmerge.palette import PALETTE
from nbmerge.plots.colours import label_colours, label_models
from nbmerge.plots.gradient_values import Gradient, ParameterGradients, find_knots, list_sources
from nbmerge.plots.theme import DASHES
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.setting import Rule, Setting


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
    refs = [ref for ref in list_sources(recipe) if ref != base]
    labels = label_models(recipe)
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
            knots.setdefault(rule.filter, []).extend(find_knots(rule, start, end, in_layers))
    for number, filter in enumerate(sorted(lines, key=lambda f: f is not None)):
        x, y = zip(*lines[filter], strict=True)
        if not all(map(math.isnan, y)):
            title = label if filter is None else f"{label}, {filter}"
            yield Gradient(title, x, y, colour, DASHES[number % len(DASHES)], knots=knots[filter])


def _rule_points(rule: Rule, start: float, end: float, in_layers: bool) -> list[tuple[float, float]]:
    """The line of a rule between two positions; nothing for words."""
    numbers = [float(v) for v in rule.values if not isinstance(v, str | bool)]
    if len(numbers) < len(rule.values):
        return []
    inside = find_knots(rule, start, end, in_layers) if len(numbers) > 1 else []
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
