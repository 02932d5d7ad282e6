"""Random numbers that belong to a place: the same for a (seed, model, tensor, position) whatever else is computed.

A counter-based generator (Philox, Salmon et al. 2011) can start anywhere at once, so masks do not depend on threads,
order, shards, or on whether one tensor or all of them are merged.
"""

from __future__ import annotations

import hashlib

import numpy as np

PER_COUNT = 8
"""32-bit numbers in one step of the generator's counter; positions start at multiples of it."""


def uniform(key: str, start: int, count: int) -> np.ndarray:
    """Uniform numbers for the elements ``start … start + count`` of a tensor.

    Parameters
    ----------
    key : str
        Names seed, model and tensor.
    start : int
        First element, a multiple of `PER_COUNT`.
    count : int

    Returns
    -------
    ndarray of float32, shape (count,)
        In [0, 1), multiples of 2⁻²⁴.
    """
    if start % PER_COUNT:
        raise ValueError(f"a stream starts at multiples of {PER_COUNT}, not at {start}")
    words = np.frombuffer(hashlib.blake2b(key.encode(), digest_size=16).digest(), dtype=np.uint64)
    bits = np.random.Philox(key=words, counter=start // PER_COUNT)
    return np.random.Generator(bits).random(count, dtype=np.float32)
