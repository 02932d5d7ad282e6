"""Values at some layers, linear in between: the form of a gradient whose knots are not evenly spaced.

In a recipe it is a mapping, ``{0: 0.2, 8-15: 0.8, 31: 0}``: layers of a slice, counted from 0, and their values. A range
is short for the same value at both of its ends. Before the first of these layers and after the last the value is constant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Scalar = bool | int | float | str

MAX_LAYER = 10_000
"""Largest layer that can be named: far beyond the depth of any model."""
_LAYER = re.compile(r"\d{1,9}(\.\d{1,9})?")
_RANGE = re.compile(r"(\d{1,9})\s*[-–]\s*(\d{1,9})")


@dataclass(frozen=True, slots=True)
class LayerValues:
    """Values at some layers of a slice.

    Parameters
    ----------
    points : tuple of (float, scalar)
        Layers and their values, in ascending order. A layer such as 15.5 lies between two.
    """

    points: tuple[tuple[float, Scalar], ...]

    @classmethod
    def parse(cls, raw: Mapping[Any, Any], scalar: Callable[[Any], Scalar]) -> LayerValues:
        """Read a mapping of layers and ranges of layers to values, each of which `scalar` reads.

        Raises
        ------
        ValueError
            When a key is not a layer or a range, or a layer has two values.
        """
        values: dict[float, Scalar] = {}
        for key, entry in raw.items():
            value = scalar(entry)
            for layer in _parse_layers(key):
                if layer in values:
                    raise ValueError(f"layer {layer:g} has two values.")
                values[layer] = value
        return cls(tuple(sorted(values.items())))

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The values without their layers."""
        return tuple(value for _, value in self.points)

    @property
    def last(self) -> float:
        """The last layer that is named."""
        return self.points[-1][0]

    def at(self, t: float, depth: int | None = None) -> Scalar:
        """The value at position `t` of a slice of `depth` layers, 0 at its first layer and 1 at its last.

        Without a depth, the last layer that is named counts as the slice's last: that is right at both ends.
        """
        end = depth - 1 if depth else self.last
        return interpolate_points(self.points, min(max(t, 0.0), 1.0) * end)

    def plain(self, scalar: Callable[[Scalar], Any]) -> dict[int | float | str, Any]:
        """The mapping that YAML writes; neighbours of equal value are written as a range."""
        written: dict[int | float | str, Any] = {}
        points = list(self.points)
        while points:
            layer, value = points.pop(0)
            key: int | float | str = _plain_layer(layer)
            if points and points[0][1] == value and isinstance(key, int) and float(points[0][0]).is_integer():
                key = f"{key}-{int(points.pop(0)[0])}"
            written[key] = scalar(value)
        return written


def is_layer_mapping(raw: Any) -> bool:
    """Whether a mapping is meant to give values to layers: some of its keys are layers or ranges."""
    return isinstance(raw, Mapping) and any(is_layer_key(key) for key in raw)


def is_layer_key(key: Any) -> bool:
    """Whether a key of a mapping is a layer or a range of layers."""
    if isinstance(key, bool) or not isinstance(key, int | float | str):
        return False
    text = str(key).strip()
    return bool(_LAYER.fullmatch(text) or _RANGE.fullmatch(text))


def interpolate_points(points: Sequence[tuple[float, Scalar]], layer: float) -> Scalar:
    """The value at a layer: linear between neighbours, constant outside; words and flags hold until the next begins."""
    if abs(layer - round(layer)) < 1e-9:  # layer i of L stands at i/(L-1), which may miss it by an ulp
        layer = round(layer)
    below = max((i for i, (x, _) in enumerate(points) if x <= layer), default=None)
    if below is None:
        return points[0][1]
    (x, value), after = points[below], points[below + 1 :]
    if x == layer or not after or any(isinstance(v, bool | str) for _, v in points):
        return value
    following, other = after[0]
    if value == other:  # a weighted mean of equal numbers may miss them by an ulp
        return value
    share = (layer - x) / (following - x)
    return (1 - share) * float(value) + share * float(other)


def same_everywhere(values: Iterable[Scalar]) -> bool:
    """Whether there is only one value; true is not 1."""
    return len({(type(v) is bool, v) for v in values}) == 1


def _parse_layers(key: Any) -> tuple[float, ...]:
    if not is_layer_key(key):
        raise ValueError(f"{key!r:.60} is not a layer; write {{0: 0.2, 8-15: 0.8, 31: 0}}, layers counted from 0.")
    text = str(key).strip()
    if match := _RANGE.fullmatch(text):
        first, last = int(match[1]), int(match[2])
        if last <= first:
            raise ValueError(f"the range {text} of layers goes backwards; its second number is the larger one.")
        layers: tuple[float, ...] = (first, last)
    else:
        layers = (float(text),)
    if max(layers) > MAX_LAYER or not all(map(math.isfinite, layers)):
        raise ValueError(f"layer {text} is beyond {MAX_LAYER:,}, the largest that can be named.")
    return layers


def _plain_layer(layer: float) -> int | float:
    return int(layer) if float(layer).is_integer() else float(layer)
