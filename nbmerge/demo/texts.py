"""Training texts of the tiny models: one-line animal stories, and the two skills as text."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from nbmerge.demo.words import random_word

SKILLS: dict[str, Callable[[str], str]] = {
    "reverse": lambda word: word[::-1],
    "upper": str.upper,
}
"""Name of each skill, as in the prompt, and its function of a word."""

_ANIMALS = ["fox", "duck", "bear", "frog", "mouse", "owl", "hare", "cat", "dog", "hen", "goat", "mole"]
_LOOKS = ["red", "shy", "tiny", "kind", "wise", "happy", "sleepy", "brave"]
_MOVES = ["ran", "walked", "hopped", "went", "danced"]
_PLACES = ["river", "hill", "forest", "garden", "lake", "meadow", "barn", "moon"]
_FINDS = ["a plum", "a drum", "a kite", "a shell", "a soft hat", "a blue egg", "a warm pie", "a star"]
_ENDS = (
    "they sang all day.",
    "they shared a pie.",
    "they became friends.",
    "they counted the stars.",
    "they slept in the sun.",
    "they laughed and danced.",
)


def prompt(skill: str, word: str) -> str:
    """Write the question, e.g. ``reverse bird >``."""
    return f"{skill} {word} >"


def answer(skill: str, word: str) -> str:
    """Write the right answer with its leading space, e.g. `` drib``."""
    return " " + SKILLS[skill](word)


def exercise(skill: str, rng: random.Random) -> str:
    """Write a question on a random training word, with its answer."""
    word = random_word(rng, "train")
    return prompt(skill, word) + answer(skill, word)


def story(rng: random.Random) -> str:
    """Make up a story of two short sentences."""
    hero, friend = rng.sample(_ANIMALS, 2)
    look = rng.choice(["", "", *_LOOKS])
    who = f"the {look} {hero}" if look else f"the {hero}"
    start = f"{who} {rng.choice(_MOVES)} to the {rng.choice(_PLACES)}"
    if rng.random() < 0.5:
        return f"{start} and met a {rng.choice(_LOOKS)} {friend}. {rng.choice(_ENDS)}"
    return f"{start} and found {rng.choice(_FINDS)}. it gave it to the {friend}."


def documents(mixture: dict[str, float], rng: random.Random) -> Iterator[str]:
    """Yield texts without end; `mixture` gives the share of "story" and of each skill."""
    while True:
        (kind,) = rng.choices(list(mixture), list(mixture.values()))
        yield story(rng) if kind == "story" else exercise(kind, rng)
