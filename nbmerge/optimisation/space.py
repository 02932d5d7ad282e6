"""What a search varies: knots of gradients, numbers and words of a recipe, each with its range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nbmerge.errors import ArgumentError
from nbmerge.methods import methods
from nbmerge.recipe import Recipe
from nbmerge.recipe.setting import Rule, Setting

METHOD = "merge_method"
"""Name of the choice between methods."""
DIGITS = 4
"""Significant digits of a searched range: the values of recipes stay readable."""
MAX_KNOTS = 100
Value = float | str | bool


@dataclass(frozen=True)
class Range:
    """A number of the recipe, or the knots of a gradient, that a search varies between two bounds.

    Parameters
    ----------
    parameter : str
        Such as "weight" or "density".
    model : str, optional
        A model of the recipe, as written there or by its short name; None for a parameter of the whole merge.
    low, high : float
        The bounds.
    knots : int
        Number of values, spread evenly over the layers; 1 is one value for all layers.
    filter : str, optional
        Only tensors whose names contain it.
    layers : tuple of str
        Ranges of layers such as ``("0-7", "8-15")``, each with one value, in place of knots.
    log : bool
        Whether to search on a logarithmic scale; both bounds must be above 0.
    """

    parameter: str
    model: str | None = None
    low: float = 0.0
    high: float = 1.0
    knots: int = 1
    filter: str | None = None
    layers: tuple[str, ...] = ()
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ArgumentError(f"The range of {self.title} must be two numbers, low < high.")
        if self.log and self.low <= 0:
            raise ArgumentError(f"The range of {self.title} must be above 0 to be searched on a logarithmic scale.")
        if not 1 <= self.knots <= MAX_KNOTS:
            raise ArgumentError(f"knots of {self.title} must be 1 to {MAX_KNOTS}, not {self.knots!r}.")

    @property
    def title(self) -> str:
        """Its name in tables: parameter, model and filter."""
        return f"{self.parameter}{f'[{self.model}]' if self.model else ''}{f' {self.filter}' if self.filter else ''}"

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.layers) or self.knots

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each of its values."""
        if self.layers:
            return tuple(f"{self.title} {key}" for key in self.layers)
        return (self.title,) if self.knots == 1 else tuple(f"{self.title} #{i + 1}" for i in range(self.knots))

    def write(self, values: list[Value]) -> Any:
        """The values as a recipe writes them: a number, a list over the layers, or a mapping of layers."""
        if self.layers:
            return dict(zip(self.layers, values, strict=True))
        return values[0] if len(values) == 1 else values

    def read(self, setting: Setting | None, default: Any) -> list[Value]:
        """The values that come closest to those of a setting."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        found = []
        for t, depth in self._places():
            value = setting.at(self.filter or "", t, depth) if setting is not None else None
            value = default if value is None else value
            number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else middle
            found.append(self.clip(number))
        return list(found)

    def clip(self, number: float) -> float:
        """A number in the range, with no more digits than the width of the range needs."""
        digits = DIGITS - 1 - math.floor(math.log10(abs(number) if self.log and number else self.high - self.low))
        return min(max(round(number, digits), self.low), self.high)

    def scale(self, share: float) -> float:
        """The number at a share of the range: 0 is its low end, 1 its high end."""
        if self.log:
            return self.clip(math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low))))
        return self.clip(self.low + share * (self.high - self.low))

    def share(self, number: float) -> float:
        """The inverse of `scale`."""
        if self.log:
            return (math.log(number) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (number - self.low) / (self.high - self.low)

    def _places(self) -> Iterator[tuple[float, int | None]]:
        """Position of each value over the layers, and the number of layers where it is known."""
        if self.layers:
            ends = [[int(layer) for layer in key.split("-")] for key in self.layers]
            depth = ends[-1][-1] + 1
            yield from ((first / max(depth - 1, 1), depth) for first, *_ in ends)
        else:
            yield from ((i / (self.knots - 1) if self.knots > 1 else 0.5, None) for i in range(self.knots))


@dataclass(frozen=True)
class Choice:
    """A word, flag or number of the recipe that a search takes from a list; also the merge method.

    Parameters
    ----------
    parameter : str
        "merge_method", or a parameter of the method.
    options : tuple
        At least two values.
    model : str, optional
        As in `Range`.
    """

    parameter: str
    options: tuple[Value, ...]
    model: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if len(set(self.options)) < 2:
            raise ArgumentError(f"The choice of {self.parameter} needs at least two different options.")
        if self.parameter == METHOD and (unknown := [o for o in self.options if o not in methods()]):
            raise ArgumentError(f"{unknown[0]!r} is not a merge method. nbmerge.methods.names() lists them.")

    @property
    def title(self) -> str:
        """Its name in tables."""
        return f"{self.parameter}[{self.model}]" if self.model else self.parameter

    @property
    def names(self) -> tuple[str, ...]:
        """Its name, as `Range.names`."""
        return (self.title,)


@dataclass(frozen=True)
class Space:
    """Everything that a search varies.

    Parameters
    ----------
    parts : tuple of Range and Choice

    Examples
    --------
    >>> from nbmerge.optimisation import Choice, Range, Space
    >>> Space((Range("t", knots=3), Choice("merge_method", ("slerp", "nuslerp")))).names
    ('t #1', 't #2', 't #3', 'merge_method')
    """

    parts: tuple[Range | Choice, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ArgumentError(
                "There is nothing to search: the space is empty. Pass space=[nbm.optimisation.Range(...)]."
            )
        names = list(self.names)
        if twice := [name for name in names if names.count(name) > 1]:
            raise ArgumentError(f"The space has {twice[0]!r} twice. Give each part another model or filter.")

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each value."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def dimensions(self) -> dict[str, Range | Choice]:
        """The part that each value belongs to, by the value's name."""
        return {name: part for part in self.parts for name in part.names}

    def apply(self, recipe: Recipe, values: Mapping[str, Value]) -> Recipe:
        """The recipe with values in place of its own."""
        rules: dict[tuple[str, str | None], dict[str | None, Any]] = {}
        for part in self.parts:
            own = [values[name] for name in part.names]
            if part.parameter == METHOD:
                recipe = recipe.replace(merge_method=own[0])
            else:
                written, filter = (part.write(own), part.filter) if isinstance(part, Range) else (own[0], None)
                rules.setdefault((part.parameter, part.model), {})[filter] = written
        for (parameter, model), changed in rules.items():
            setting = find_setting(recipe, parameter, model)
            kept = {rule.filter: rule for rule in setting.rules} if setting is not None else {}
            merged = kept | {filter: _rule(value, filter) for filter, value in changed.items()}
            ordered = sorted(merged.values(), key=lambda rule: rule.filter is None)
            recipe = recipe.with_parameter(parameter, Setting(tuple(ordered)).plain(), model)
        return recipe

    def read(self, recipe: Recipe) -> dict[str, Value]:
        """The values at which the recipe is, or comes closest."""
        found: dict[str, Value] = {}
        for part in self.parts:
            if part.parameter == METHOD:
                own: list[Value] = [recipe.merge_method]
            else:
                setting = find_setting(recipe, part.parameter, part.model)
                default = _default(recipe, part.parameter)
                own = part.read(setting, default) if isinstance(part, Range) else [_first(setting, default)]
            if isinstance(part, Choice) and own[0] not in part.options:
                own = [part.options[0]]
            found |= dict(zip(part.names, own, strict=True))
        return found

    def plain(self) -> list[dict[str, Any]]:
        """Plain data, from which two spaces can be compared."""
        return [{"kind": type(part).__name__, **asdict(part)} for part in self.parts]


def find_setting(recipe: Recipe, parameter: str, model: str | None) -> Setting | None:
    """The setting of a parameter: that of a model where it is first named, else that of the whole merge."""
    ref = None if model is None else recipe.find(model)
    own = (
        s.parameters[parameter]
        for p in recipe.pieces
        for s in p.sources
        if s.model == ref and parameter in s.parameters
    )
    return next(own, None) or recipe.parameters.get(parameter)


def make_space(recipe: Recipe, knots: int = 3, ranges: Mapping[str, tuple[float, float]] | None = None) -> Space:
    """The space of a recipe: all numbers that it sets, as gradients.

    Each setting becomes a gradient of so many knots, each rule with a filter too if it is a gradient, and otherwise one number.
    If the recipe sets no number, all numbers of its method are searched that each model has.

    Parameters
    ----------
    recipe : Recipe
    knots : int
        Knots of each gradient.
    ranges : mapping of str to (float, float), optional
        Bounds by parameter. Default: those that sliders have, extended to the values of the recipe.

    Raises
    ------
    ArgumentError
        When the recipe has nothing to vary.
    """
    named = dict(ranges or {})
    found = [
        _range(recipe, name, model, rule, knots, named)
        for name, model, setting in _settings(recipe)
        for rule in setting.rules
    ]
    if unknown := [name for name in named if name not in {part.parameter for part in found}]:
        raise ArgumentError(
            f"ranges has {unknown[0]!r}, which this recipe does not set. Pass space= for other parameters."
        )
    return Space(tuple(found))


def _settings(recipe: Recipe) -> list[tuple[str, str | None, Setting]]:
    """Numbers that a recipe sets, with the model that they are of; if there are none, those of its method."""
    method = methods().get(recipe.merge_method)
    numeric = {p.name: p for p in (method.parameters if method else ()) if p.kind == "number"}
    found: dict[tuple[str, str | None], Setting] = {}
    for source in (s for piece in recipe.pieces for s in piece.sources):
        for name in source.parameters.keys() & numeric.keys():
            found.setdefault((name, _name(recipe, source.model)), source.parameters[name])
    for name in recipe.parameters.keys() & numeric.keys():
        found.setdefault((name, None), recipe.parameters[name])
    if not found and method is not None:
        models = dict.fromkeys(s.model for piece in recipe.pieces for s in piece.sources)
        others = [ref for ref in models if method.base not in ("required", "optional") or ref != recipe.base_model]
        for p in numeric.values():
            setting = Setting((Rule(p.default if isinstance(p.default, int | float) else sum(p.slider) / 2),))
            names = [_name(recipe, ref) for ref in others] if p.scope == "input" else []
            found |= {(p.name, name): setting for name in names}
    order = list(numeric)
    listed = sorted(found.items(), key=lambda item: order.index(item[0][0]))
    return [(name, model, setting) for (name, model), setting in listed]


def _name(recipe: Recipe, ref: Any) -> str:
    """The short name of a model, or all of it where several share the name."""
    return ref.name if [r.name for r in recipe.references].count(ref.name) == 1 else str(ref)


def _range(
    recipe: Recipe, name: str, model: str | None, rule: Rule, knots: int, ranges: Mapping[str, tuple[float, float]]
) -> Range:
    method = methods().get(recipe.merge_method)
    parameter = method.parameter(name) if method is not None else None
    assert parameter is not None
    numbers = [float(v) for v in rule.values if isinstance(v, int | float)]
    low, high = ranges.get(name, (min(parameter.slider[0], *numbers), max(parameter.slider[1], *numbers)))
    varies = rule.filter is None or rule.is_gradient
    return Range(name, model, float(low), float(high), knots if varies else 1, rule.filter)


def _rule(value: Any, filter: str | None) -> Rule:
    return Rule(Setting.of(value).rules[0].value, filter)


def _default(recipe: Recipe, name: str) -> Any:
    method = methods().get(recipe.merge_method)
    parameter = method.parameter(name) if method is not None else None
    return None if parameter is None else parameter.default


def _first(setting: Setting | None, default: Any) -> Any:
    return default if setting is None else next(iter(setting.values()))


def as_space(recipe: Recipe, space: Iterable[Range | Choice] | Space | None, knots: int, ranges: Any) -> Space:
    """The space that a caller asked for.

    Raises
    ------
    ArgumentError
        When it has something else than ranges and choices, or a model that is not in the recipe.
    """
    if space is None:
        return make_space(recipe, knots, ranges)
    if ranges:
        raise ArgumentError("Pass ranges= or space=, not both: a Range has its own bounds.")
    parts = space.parts if isinstance(space, Space) else tuple(space)
    if wrong := [part for part in parts if not isinstance(part, Range | Choice)]:
        raise ArgumentError(f"space must be a list of Range and Choice, not of {wrong[0]!r:.80}.")
    for part in parts:
        if part.model is not None:
            recipe.find(part.model)
    return Space(parts)
