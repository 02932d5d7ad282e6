"""A curve as a row of slots: embeddings, the layers, final norm, head. In their order on screen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nbmerge.widgets.curves.tracks import Curve

SHORT = {"embedding": "embed", "final norm": "norm", "head": "head"}
"""Names below the picture for what is outside the layers; a layer's name is its number."""
LONG = {"embedding": "embeddings", "final norm": "final norm", "head": "head"}


@dataclass(frozen=True)
class Slots:
    """One group's values with the ends around them.

    Parameters
    ----------
    curve : Curve
    group : str or None
        A group of the layers, or None for all of them together: then a layer's value is the mean of its groups.
    """

    curve: Curve
    group: str | None = None

    @cached_property
    def layers(self) -> list[float]:
        """The layers' values."""
        if self.group is not None:
            return list(self.curve.layers[self.group])
        columns = zip(*self.curve.layers.values(), strict=True)
        return [c[0] if len(set(c)) == 1 else sum(c) / len(c) for c in columns]

    @cached_property
    def roles(self) -> list[int | str]:
        """What each slot is: the number of a layer, or a role outside the layers."""
        return self._around(range(self.curve.depth), lambda role: role)

    @property
    def names(self) -> list[str]:
        """Short names."""
        return [SHORT[r] if isinstance(r, str) else str(r) for r in self.roles]

    @property
    def long_names(self) -> list[str]:
        """Names for menus and screen readers."""
        return [LONG[r] if isinstance(r, str) else f"layer {r}" for r in self.roles]

    @property
    def values(self) -> list[float]:
        """One value per slot."""
        return self._around(self.layers, self.curve.ends.__getitem__)

    @property
    def spread(self) -> tuple[tuple[float, float] | None, ...]:
        """Smallest and largest value per layer where the recipe is finer than a group; None outside the layers."""
        rows = [self.curve.spread[self.group]] if self.group else list(self.curve.spread.values())
        inside = [(min(a for a, _ in layer), max(b for _, b in layer)) for layer in zip(*rows, strict=True)]
        return tuple(self._around(inside, lambda role: None))

    def with_value(self, slot: int, value: float) -> Curve:
        """The curve with another value in one slot."""
        role = self.roles[slot]
        if isinstance(role, str):
            return self.curve.with_end(role, value)
        return self.curve.with_some(self.group, {role: value})

    def _around(self, inside: Any, end: Any) -> list[Any]:
        ends = self.curve.ends
        front = [end("embedding")] if "embedding" in ends else []
        return [*front, *inside, *(end(role) for role in ends if role != "embedding")]
