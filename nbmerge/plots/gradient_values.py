"""What a gradient plot shows, as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nbmerge.methods import REQUIRED, Method
from nbmerge.palette import PALETTE
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.layer_values import LayerValues
from nbmerge.recipe.setting import Rule, position

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


def worth_showing(read: Iterable[ParameterGradients], method: Method | None) -> list[ParameterGradients]:
    """Parameters that vary, that the method requires, or that models have other values of than the default."""
    defaults = {p.name: p.default for p in method.parameters} if method is not None else {}
    scopes = {p.name: p.scope for p in method.parameters} if method is not None else {}

    def worth(shown: ParameterGradients) -> bool:
        default = defaults.get(shown.parameter, REQUIRED)
        if shown.varies or default is REQUIRED:
            return True
        values = {y for g in shown.gradients for y in g.y if not math.isnan(y)}
        return scopes.get(shown.parameter) == "input" and values != {default}

    return [shown for shown in read if worth(shown)]


def find_knots(rule: Rule, start: float, end: float, in_layers: bool) -> list[tuple[float, float]]:
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


def list_sources(recipe: Recipe) -> list[ModelRef]:
    """The models that are merged, in the order in which they are named."""
    return list(dict.fromkeys(s.model for p in recipe.pieces for s in p.sources))
