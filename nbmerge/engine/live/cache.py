"""A cache of what methods find in the weights (angles, thresholds, factors), for the next update.

Methods do not declare which parameter values a finding depends on. Instead they get `RecordingValues`, which record what is
read from them; a finding is valid as long as these values are the same. Inputs are tensors in files of a known state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.live.mapped_files import MappedFiles
from nbmerge.methods import Values
from nbmerge.methods.numerics import Cut

Reads = dict[tuple[str, "str | None"], Any]
"""What was read from `Values`: a whole field (field, None) or one entry of it (field, name), and the value it had."""

VARIANTS = 8
"""Findings kept for each tensor and method: returning to one of the last settings costs nothing."""
SMALL = 1 << 16
"""Maximum size in bytes of an array in a finding that is kept."""


class FindingCache:
    """Findings by what was searched and in which tensors; safe to use from several threads."""

    def __init__(self, mapped: MappedFiles):
        self._mapped = mapped
        self._found: dict[Hashable, list[tuple[Reads, Any]]] = {}
        self._lock = threading.Lock()

    def recall(self, what: Hashable, inputs: tuple[Any, ...], values: Values | None, find: Callable[[Any], Any]) -> Any:
        """The finding from the cache, or else from ``find(values)``."""
        key = self._key(what, inputs)
        if key is None:
            return find(values)
        for reads, finding in self._found.get(key, ()):
            if _agree(values, reads):
                return finding
        recording = RecordingValues(values) if values is not None else None
        finding = find(recording)
        if _small(finding):
            with self._lock:
                earlier = self._found.get(key, [])
                self._found[key] = [(recording.reads if recording else {}, finding), *earlier[: VARIANTS - 1]]
        return finding

    def contains(self, what: Hashable, inputs: tuple[Any, ...], values: Values | None) -> bool:
        """Whether `recall` returns a finding without a search."""
        key = self._key(what, inputs)
        known = self._found.get(key, ()) if key is not None else ()
        return any(_agree(values, reads) for reads, _ in known)

    def close(self) -> None:
        """Remove all findings."""
        with self._lock:
            self._found = {}

    def _key(self, what: Hashable, inputs: tuple[Any, ...]) -> Hashable | None:
        if not all(type(i) is StoredTensor for i in inputs):
            return None
        return what, inputs, tuple(self._mapped.state(i.file) for i in inputs)


class RecordingValues:
    """`Values` that record what is read from them, in `reads`."""

    def __init__(self, values: Values):
        self._values = values
        self.reads: Reads = {}
        self.shared = _RecordingMapping("shared", values.shared, self.reads)
        self.each = _RecordingMapping("each", values.each, self.reads)

    def __getitem__(self, name: str) -> Any:
        return self.shared[name]

    def __getattr__(self, field: str) -> Any:
        value = getattr(self._values, field)
        self.reads[field, None] = value
        return value


class _RecordingMapping(Mapping[str, Any]):
    def __init__(self, field: str, values: Mapping[str, Any], reads: Reads):
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


def _agree(values: Values | None, reads: Reads) -> bool:
    """Whether reading the same from these values gives the same."""
    return all(_look_up(values, *key) == value for key, value in reads.items())


def _look_up(values: Values | None, field: str, name: str | None) -> Any:
    content = getattr(values, field)
    return content if name is None else content.get(name, _ABSENT)


def _small(finding: Any) -> bool:
    """Whether a finding consists of few plain numbers, and of nothing that is modified when it is used."""
    if isinstance(finding, torch.Tensor | np.ndarray):
        return finding.nbytes <= SMALL
    if isinstance(finding, tuple | list):
        return len(finding) <= 64 and all(map(_small, finding))
    return finding is None or isinstance(finding, int | float | str | Cut | np.generic)
