"""Random words, and the rule that keeps the three uses of them apart.

Measuring a skill on words of the training would measure memory. Here a hash of the word alone, not a seed or a list,
decides what the word may be used for, so the three sets are disjoint for every seed and in every program: no word of the
training can appear in a measurement.
"""

from __future__ import annotations

import hashlib
import random
from string import ascii_lowercase

LENGTHS = (3, 4, 5)

# The share of all words, in twentieths, that each use owns.
_SHARES = {"train": 14, "search": 3, "measure": 3}


def use_of(word: str) -> str:
    """Return what `word` may be used for: "train", "search" (choosing merge weights) or "measure".

    The first eight bytes of the word's SHA-256, modulo 20, fall into one of three ranges (14, 3 and 3 wide).
    """
    twentieth = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % 20
    for use, share in _SHARES.items():
        if twentieth < share:
            return use
        twentieth -= share
    raise AssertionError("the shares add up to 20")


def random_word(rng: random.Random, use: str) -> str:
    """Draw a word of 3 to 5 letters (each length equally often) that belongs to `use`."""
    while True:
        word = "".join(rng.choices(ascii_lowercase, k=rng.choice(LENGTHS)))
        if use_of(word) == use:
            return word


def random_words(n: int, seed: int, use: str = "measure") -> list[str]:
    """Draw `n` different words that belong to `use`; the same words for the same seed."""
    rng = random.Random(f"{use} {seed}")
    words: dict[str, None] = {}
    while len(words) < n:
        words[random_word(rng, use)] = None
    return list(words)
