"""How long it takes to read inputs: those that are not in the system's cache yet, and those that are.

Copying from the cache takes up to twice as long if a file was written in small pieces (as safetensors does): Linux then holds it in
small pieces too. What was downloaded, copied, or read from the disk is held in larger ones, and so are samples.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable

from nbmerge.checkpoints import StoredTensor
from nbmerge.engine.compute.positioned_io import is_cached
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import NbmergeError
from nbmerge.guarded_files import open_descriptor

PROBES = 48
"""Places at which it is looked whether inputs are in the cache."""
PIECE = 4 << 20
"""Bytes that are read at a place to time the disk."""
COPIED = 1 << 19
"""Bytes that are read from the cache at a place, as a merge reads them: a block of 16-bit numbers."""
SECONDS = 0.3
"""How long the disk is timed."""


def estimate_reading(tensors: Iterable[TensorPlan]) -> float:
    """Seconds to read what is not in the cache; 0 where the system cannot say what is, or a file cannot be read.

    Parameters
    ----------
    tensors : iterable of TensorPlan
    """
    leaves = _list_leaves(tensors)
    total = sum(leaf.nbytes for leaf in leaves)
    places = _spread(leaves, total)
    try:
        cold = [place for place in places if not _is_in_cache(*place)]
        return total * len(cold) / len(places) / _measure_disk(cold) if cold else 0.0
    except (OSError, NbmergeError):
        return 0.0


def estimate_slower_copying(tensors: Iterable[TensorPlan], samples: Iterable[TensorPlan]) -> float:
    """Seconds for each byte by which copying the inputs of tensors from the cache is slower than copying those of samples.

    Parameters
    ----------
    tensors, samples : iterable of TensorPlan
    """
    try:
        own, sampled = _measure_copying(tensors), _measure_copying(samples)
        return max(0.0, own - sampled) if own and sampled else 0.0
    except (OSError, NbmergeError):
        return 0.0


def _measure_copying(tensors: Iterable[TensorPlan]) -> float:
    """Seconds for each byte that is in the cache; 0 if too few are."""
    leaves = _list_leaves(tensors)
    places = [place for place in _spread(leaves, sum(leaf.nbytes for leaf in leaves)) if _is_in_cache(*place)]
    pieces = [(leaf, at) for leaf, at in places if leaf.start + leaf.nbytes - at >= COPIED]
    return statistics.median(_time_copying(*piece) for piece in pieces) if len(pieces) >= PROBES // 4 else 0.0


def _time_copying(leaf: StoredTensor, offset: int) -> float:
    """Seconds for each byte, the least disturbed of three times."""
    buffer, taken = memoryview(bytearray(COPIED)), list[float]()
    descriptor = open_descriptor(leaf.file)
    try:
        for _ in range(3):
            began = time.perf_counter()
            done = os.preadv(descriptor, [buffer], offset)
            taken.append((time.perf_counter() - began) / max(done, 1))
    finally:
        os.close(descriptor)
    return min(taken)


def _list_leaves(tensors: Iterable[TensorPlan]) -> list[StoredTensor]:
    return list({(leaf.file, leaf.start): leaf for t in tensors for leaf in t.leaves()}.values())


def _spread(leaves: Iterable[StoredTensor], total: int) -> list[tuple[StoredTensor, int]]:
    """Tensors, with offsets in their files, at even distances in the bytes of all."""
    places, passed = list[tuple[StoredTensor, int]](), 0
    step = max(1, total // PROBES)
    for leaf in leaves:
        first = -passed % step
        places += [(leaf, leaf.start + offset) for offset in range(first, leaf.nbytes, step)]
        passed += leaf.nbytes
    return places


def _is_in_cache(leaf: StoredTensor, offset: int) -> bool:
    descriptor = open_descriptor(leaf.file)
    try:
        return is_cached(descriptor, offset) is not False
    finally:
        os.close(descriptor)


def _measure_disk(places: Iterable[tuple[StoredTensor, int]]) -> float:
    """Bytes per second that the disk gives at places that are not in the cache."""
    buffer, done, began = memoryview(bytearray(PIECE)), 0, time.perf_counter()
    for leaf, offset in places:
        descriptor = open_descriptor(leaf.file)
        try:
            done += os.preadv(descriptor, [buffer], offset)
        finally:
            os.close(descriptor)
        if time.perf_counter() - began > SECONDS:
            break
    return done / max(time.perf_counter() - began, 1e-6)
