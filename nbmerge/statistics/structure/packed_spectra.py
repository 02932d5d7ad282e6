"""Spectra as arrays, for the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from nbmerge.engine.planning import TensorPlan
from nbmerge.statistics.store import Arrays
from nbmerge.statistics.structure.spectrum import Overlap, Spectrum

SIDES = ("inputs", "outputs", "chance_inputs", "chance_outputs")
"""The numbers of an overlap."""


def pack(spectra: Sequence[Spectrum], overlaps: Sequence[Overlap]) -> Arrays:
    """Everything that was measured as arrays, in the order of tensors, models and pairs."""
    return {
        "lengths": np.array([len(s.values) for s in spectra], dtype=np.int64),
        "sizes": np.array([s.size for s in spectra], dtype=np.int64),
        "energies": np.array([s.energy for s in spectra], dtype=np.float64),
        "values": np.concatenate([s.values for s in spectra]).astype(np.float64),
        "errors": np.concatenate([s.errors for s in spectra]).astype(np.float64),
        "ranks": np.array([o.rank for o in overlaps], dtype=np.int64),
        "overlaps": np.array([[getattr(o, name) for name in SIDES] for o in overlaps], dtype=np.float64).reshape(-1, 4),
    }


def shapes_of(arrays: Mapping[str, np.ndarray], tensors: int, models: int, pairs: int) -> dict[str, tuple[int, ...]]:
    """The shapes that packed arrays must have."""
    total, count = int(arrays["lengths"].sum()), tensors * models
    return {
        "lengths": (count,), "sizes": (count,), "energies": (count,), "values": (total,), "errors": (total,),
        "ranks": (tensors * pairs,), "overlaps": (tensors * pairs, 4),
    }  # fmt: skip


def unpack(arrays: Arrays, tensors: Sequence[TensorPlan]) -> tuple[list[Spectrum], list[Overlap]]:
    """The inverse of `pack`."""
    ends = np.cumsum(arrays["lengths"])[:-1]
    values, errors = (np.split(arrays[name], ends) for name in ("values", "errors"))
    places = [(t.name, t.layer, t.kind, model) for t in tensors for model in t.models[1:]]
    numbers = zip(places, values, errors, arrays["energies"].tolist(), arrays["sizes"].tolist(), strict=True)
    spectra = [Spectrum(*place, own, bounds, energy, size) for place, own, bounds, energy, size in numbers]
    pairs = [(t.name, t.layer, t.kind, *pair) for t in tensors for pair in combinations(t.models[1:], 2)]
    sides = zip(pairs, arrays["ranks"].tolist(), arrays["overlaps"].tolist(), strict=True)
    return spectra, [Overlap(*pair, rank, *own) for pair, rank, own in sides]
