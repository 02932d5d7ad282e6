"""What methods found in the weights, kept for the next update: angles, thresholds, factors.

Which values a finding depends on is not declared anywhere but seen: the method looks through `Watched` values, and the
finding holds for as long as what it read there is the same. Inputs are tensors in files of a known state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.live.mapped_files import Mapped
from nbmerge.methods import Values
from nbmerge.methods.numerics import Cut

VARIANTS = 8
"""Findings kept for one tensor and method: as many settings can be gone back to at no cost."""
SMALL = 1 << 16
"""Bytes of arrays in a finding up to which it is kept."""


class Remembered:
    """Findings by what was looked for and in which tensors; safe to use from several threads."""

    def __init__(self, mapped: Mapped):
        self._mapped = mapped
        self._found: dict[Hashable, list[tuple[dict, Any]]] = {}
        self._lock = threading.Lock()

    def recall(self, what: Hashable, inputs: tuple[Any, ...], values: Values | None, find: Callable[[Any], Any]) -> Any:
        """The finding, remembered or made by ``find(values)``."""
        key = self._key(what, inputs)
        if key is None:
            return find(values)
        for reads, finding in self._found.get(key, ()):
            if all(_read(values, place) == value for place, value in reads.items()):
                return finding
        watched = Watched(values) if values is not None else None
        finding = find(watched)
        if _small(finding):
            with self._lock:
                held = self._found.get(key, [])
                self._found[key] = [(watched.reads if watched else {}, finding), *held[: VARIANTS - 1]]
        return finding

    def knows(self, what: Hashable, inputs: tuple[Any, ...], values: Values | None) -> bool:
        """Whether `recall` needs no look."""
        key = self._key(what, inputs)
        kept = self._found.get(key, ()) if key is not None else ()
        return any(all(_read(values, place) == value for place, value in reads.items()) for reads, _ in kept)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._found = {}

    def _key(self, what: Hashable, inputs: tuple[Any, ...]) -> Hashable | None:
        if not all(type(i) is StoredTensor for i in inputs):
            return None
        return what, inputs, tuple(self._mapped.state(i.file) for i in inputs)


class Watched:
    """`Values` that note what is read from them; `reads` maps (field, name) to the value that was there."""

    def __init__(self, values: Values):
        self._values = values
        self.reads: dict[tuple[str, Any], Any] = {}
        self.shared = _Watched("shared", values.shared, self.reads)
        self.each = _Watched("each", values.each, self.reads)

    def __getitem__(self, name: str) -> Any:
        return self.shared[name]

    def __getattr__(self, field: str) -> Any:
        value = getattr(self._values, field)
        self.reads[field, None] = value
        return value


class _Watched(Mapping):
    def __init__(self, field: str, values: Mapping[str, Any], reads: dict[Any, Any]):
        self._field, self._values, self._reads = field, values, reads

    def __getitem__(self, name: str) -> Any:
        self._reads[self._field, name] = self._values.get(name, _ABSENT)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self._reads[self._field, None] = self._values
        return iter(self._values)

    def __len__(self) -> int:
        self._reads[self._field, None] = self._values
        return len(self._values)


_ABSENT = object()


def _read(values: Values | None, place: tuple[str, Any]) -> Any:
    field, name = place
    held = getattr(values, field)
    return held if name is None else held.get(name, _ABSENT)


def _small(finding: Any) -> bool:
    """Whether a finding is plain numbers, so few that they can be kept, and nothing that changes when it is used."""
    if isinstance(finding, torch.Tensor | np.ndarray):
        return finding.nbytes <= SMALL
    if isinstance(finding, tuple | list):
        return len(finding) <= 64 and all(map(_small, finding))
    return finding is None or isinstance(finding, int | float | str | Cut | np.generic)
