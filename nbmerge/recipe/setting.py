"""A setting: the value of one parameter, anywhere in a model.

It is a scalar, a gradient (a list of values spread evenly over the layers, or a mapping of layers to values) or a list of
rules, each with a filter that a tensor's name must contain. The first rule that matches wins; when none does, the next
level of the recipe decides. All of these are stored in one form, a tuple of rules, and compared by what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from nbmerge.recipe.layer_values import LayerValues, Scalar, is_layer_mapping, same_everywhere

Value = Scalar | tuple[Scalar, ...] | LayerValues
"""What a rule gives: one value, values spread evenly over the layers of a slice, or values at some of its layers."""
MAX_VALUES = 10_000
"""Longest gradient or rule list that is read: far above the depth of any model, far below what could exhaust memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A value for the tensors whose names contain `filter`.

    Parameters
    ----------
    value : scalar, tuple of scalars, or LayerValues
        One value, or a gradient over the layers of a slice.
    filter : str, optional
        String that the tensor's name must contain. None means every tensor.
    """

    value: Value
    filter: str | None = None

    def matches(self, tensor: str) -> bool:
        """Whether the rule applies to this tensor."""
        return self.filter is None or self.filter in tensor

    def at(self, t: float, depth: int | None = None) -> Scalar:
        """The value at position `t`, 0 at the first layer of a slice and 1 at its last.

        Parameters
        ----------
        t : float
        depth : int, optional
            Number of layers of the slice. Only values at given layers depend on it, and at both ends not even those.
        """
        if isinstance(self.value, LayerValues):
            return self.value.at(t, depth)
        return interpolate(self.value, t) if isinstance(self.value, tuple) else self.value

    @property
    def values(self) -> tuple[Scalar, ...]:
        """Every number or word that occurs, in order."""
        if isinstance(self.value, LayerValues):
            return self.value.values
        return self.value if isinstance(self.value, tuple) else (self.value,)

    @property
    def is_gradient(self) -> bool:
        """Whether its value may differ from layer to layer."""
        return isinstance(self.value, tuple | LayerValues)

    def map(self, change: Callable[[Scalar], Scalar]) -> Rule:
        """The same rule with every number or word changed."""
        if isinstance(self.value, LayerValues):
            return Rule(LayerValues(tuple((x, change(v)) for x, v in self.value.points)), self.filter)
        value = tuple(map(change, self.value)) if isinstance(self.value, tuple) else change(self.value)
        return Rule(value, self.filter)

    def canonical(self) -> Rule:
        """The same rule with a gradient of equal values as one value."""
        return Rule(self.values[0], self.filter) if self.is_gradient and same_everywhere(self.values) else self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rule):
            return NotImplemented
        mine, theirs = self.canonical(), other.canonical()
        return (mine.filter, mine.value) == (theirs.filter, theirs.value)

    def __hash__(self) -> int:
        mine = self.canonical()
        return hash((mine.filter, mine.value))


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of one parameter at one level of a recipe: rules, of which the first match wins."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, raw: Any) -> Setting:
        """Read a scalar, a gradient, a rule mapping, a list of rules, or a Setting.

        Raises
        ------
        ValueError
            When a part of it is not understood; the message names that part.
        """
        if isinstance(raw, Setting):
            return raw
        if is_layer_mapping(raw):
            return cls((Rule(_parse_value(raw)),))
        if isinstance(raw, Mapping) or (isinstance(raw, Sequence) and any(isinstance(r, Mapping | Rule) for r in raw)):
            entries = [raw] if isinstance(raw, Mapping) else raw
            _check_length(entries)
            return cls(_drop_unreachable(r if isinstance(r, Rule) else _parse_rule(r) for r in entries))
        return cls((Rule(_parse_value(raw)),))

    def find(self, tensor: str) -> int | None:
        """Position of the rule that decides for this tensor, None when no filter matches."""
        for i, rule in enumerate(self.rules):  # not a generator: a plan asks for each tensor of each model
            if rule.filter is None or rule.filter in tensor:
                return i
        return None

    def at(self, tensor: str, t: float, depth: int | None = None) -> Scalar | None:
        """The value for one tensor at position `t` of its slice, which has `depth` layers; None when no filter matches."""
        i = self.find(tensor)
        return None if i is None else self.rules[i].at(t, depth)

    def values(self) -> Iterable[Scalar]:
        """Every number and word that occurs, for range checks."""
        for rule in self.rules:
            yield from rule.values

    def with_first(self, filter: str, value: Scalar) -> Setting:
        """The same setting with one more rule in front."""
        return Setting(_drop_unreachable((Rule(value, filter), *self.rules)))

    def canonical(self) -> Setting:
        """The same setting with gradients of equal values as one value."""
        return Setting(tuple(rule.canonical() for rule in self.rules))

    def plain(self) -> Any:
        """The setting as YAML writes it, without the filters' mappings where one value is for every tensor."""
        if len(self.rules) == 1 and self.rules[0].filter is None:
            return _plain(self.rules[0].value)
        return [({"filter": r.filter} if r.filter is not None else {}) | {"value": _plain(r.value)} for r in self.rules]


def interpolate(values: Sequence[Scalar], t: float) -> Scalar:
    """Value at position `t` of a gradient, linear between neighbours.

    Words and flags cannot be interpolated: each holds until the next one begins.

    Parameters
    ----------
    values : sequence of n scalars
        Spread evenly over [0, 1], the first at 0 and the last at 1.
    t : float
        Position in [0, 1].
    """
    x = min(max(t, 0.0), 1.0) * (len(values) - 1)
    # Layer i of L stands at i/(L-1): the product can miss the anchor by an ulp, and must not (endpoints are exact).
    if abs(x - round(x)) < 1e-9:
        return values[round(x)]
    i = int(x)
    numbers = [v for v in values if not isinstance(v, bool | str)]
    if len(numbers) < len(values):
        return values[i]
    if numbers[i] == numbers[i + 1] and same_everywhere(values):  # one value, however it is written
        return numbers[i]
    return (1 - (x - i)) * numbers[i] + (x - i) * numbers[i + 1]


def position(index: int, count: int) -> float:
    """Position of layer `index` of `count` in a gradient, from 0 to 1; a single layer takes the last value."""
    return index / (count - 1) if count > 1 else 1.0


def _parse_rule(raw: Any) -> Rule:
    if not isinstance(raw, Mapping):
        raise ValueError(
            f"a list contains either values or rules with 'value' and 'filter', not both (found {raw!r:.200})."
        )
    extra = set(raw) - {"filter", "value"}
    if extra or "value" not in raw:
        what = f"has an unknown key {sorted(map(str, extra))[0]!r}" if extra else "has no 'value'"
        raise ValueError(f"a rule {what}; write it as {{filter: mlp, value: 0.5}}.")
    filter = raw.get("filter", None)
    if filter is not None and not isinstance(filter, str):
        raise ValueError(f"a filter is a string that tensor names contain, not {filter!r}.")
    return Rule(_parse_value(raw["value"]), None if filter in (None, "", "*") else filter)


def _parse_value(raw: Any) -> Value:
    if isinstance(raw, LayerValues):
        return raw
    if is_layer_mapping(raw):
        _check_length(raw)
        return LayerValues.parse(raw, _parse_scalar)
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        return _parse_scalar(raw)
    if not raw:
        raise ValueError("a gradient needs at least one value.")
    _check_length(raw)
    values = tuple(_parse_scalar(v) for v in raw)
    return values[0] if len(values) == 1 else values


def _parse_scalar(raw: Any) -> Scalar:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str):
        try:  # YAML 1.1 reads 1e-4 as a string
            raw = float(raw)
        except ValueError:
            return raw
    if not isinstance(raw, int | float):
        raise ValueError(f"expected a number, a word, true or false, not {raw!r:.200}.")
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{raw!r} is not a finite number.")
    return number


def _check_length(values: Sized) -> None:
    if len(values) > MAX_VALUES:
        raise ValueError(f"a list of {len(values):,} entries is too long (at most {MAX_VALUES:,}).")


def _drop_unreachable(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Drop what can never match: rules after a catch-all, and a filter's second occurrence."""
    reachable: list[Rule] = []
    for rule in rules:
        if not any(earlier.filter is None or earlier.filter == rule.filter for earlier in reachable):
            reachable.append(rule)
    return tuple(reachable)


def _plain(value: Value) -> Any:
    if isinstance(value, LayerValues):
        return value.plain(_plain)
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
