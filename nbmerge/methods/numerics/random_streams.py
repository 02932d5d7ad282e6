"""Random numbers that belong to a place: the same for a (seed, model, tensor, position) whatever else is computed.

A counter-based generator (Philox, Salmon et al. 2011) can start anywhere at once, so masks do not depend on threads,
order, shards, or on whether one tensor or all of them are merged.
"""

from __future__ import annotations

import hashlib

import numpy as np

UNIFORMS = 8
"""Uniform numbers in one step of the generator's counter, which gives 32 bytes."""
DRAWS = 32
"""8-bit draws in a step."""


def uniform(key: str, start: int, count: int) -> np.ndarray:
    """Uniform numbers for the elements ``start … start + count`` of a tensor.

    Parameters
    ----------
    key : str
        Names seed, model and tensor.
    start : int
        First element.
    count : int

    Returns
    -------
    ndarray of float32, shape (count,)
        In [0, 1), multiples of 2⁻²⁴.
    """
    step, lead = divmod(start, UNIFORMS)
    return np.random.Generator(_bits(key, step)).random(lead + count, dtype=np.float32)[lead:]


def normal(key: str, start: int, count: int) -> np.ndarray:
    """Standard normal numbers for the elements ``start … start + count`` of a tensor, by Box and Muller's transform.

    Parameters
    ----------
    key : str
        Names seed, model and tensor.
    start : int
        First element.
    count : int

    Returns
    -------
    ndarray of float64, shape (count,)
        Of magnitudes up to 5.8.
    """
    radius, angle = uniform(key, 2 * start, 2 * count).astype(np.float64).reshape(-1, 2).T
    numbers: np.ndarray = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
    return numbers


def kept(key: str, start: int, count: int, probability: float) -> np.ndarray:
    """Decide for each of the elements ``start … start + count`` of a tensor whether it is kept.

    Eight bits decide nearly always. An element for which they fall on the boundary, one in 256, is decided by more bits of
    its own, so that the probability is met to 2⁻⁶¹ however small it is.

    Parameters
    ----------
    key : str
        Names seed, model and tensor.
    start : int
        First element.
    count : int
    probability : float
        In [0, 1].

    Returns
    -------
    ndarray of bool, shape (count,)
        What is kept with one probability is kept with every larger one.
    """
    step, lead = divmod(start, DRAWS)
    words = _bits(key, step).random_raw(-(-(lead + count) // 8))
    drawn = words.astype("<u8", copy=False).view(np.uint8)[lead : lead + count]
    whole, rest = divmod(probability * 256, 1)
    if whole > 255:
        return np.ones(count, dtype=bool)
    decided = drawn < np.uint8(whole)
    if rest:
        boundary = np.flatnonzero(drawn == np.uint8(whole))
        decided[boundary] = _finer(key, boundary + start) < rest
    return decided


def hash_key(key: str) -> np.ndarray:
    """The generator's key, uint64, shape (2,)."""
    return np.frombuffer(hashlib.blake2b(key.encode(), digest_size=16).digest(), dtype=np.uint64)


def hash_finer_key(key: str) -> np.ndarray:
    """The key of the bits that decide on the boundary, uint64, shape (1,)."""
    return np.frombuffer(hashlib.blake2b(key.encode(), digest_size=8, person=b"finer").digest(), dtype="<u8")


def _bits(key: str, counter: int) -> np.random.Philox:
    return np.random.Philox(key=hash_key(key), counter=counter)


def _finer(key: str, elements: np.ndarray) -> np.ndarray:
    """A uniform number in [0, 1) for each of these elements, by the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = elements.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + hash_finer_key(key)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
