"""A blind comparison of two models: their texts side by side in random order, votes, and their result."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nbmerge.bounded import parsed
from nbmerge.errors import ArgumentError
from nbmerge.presentation import Displayed
from nbmerge.sampling.comparison import Comparison, compare

if TYPE_CHECKING:
    from nbmerge.typing import Askable, StopSignal

Side = Literal["left", "right", "tie"]
SIDES: tuple[Side, ...] = ("left", "right", "tie")


@dataclass(frozen=True)
class BlindPair:
    """Two continuations of one prompt, without the names of their models.

    Parameters
    ----------
    prompt, left, right : str
    """

    prompt: str
    left: str
    right: str


@dataclass(frozen=True)
class BlindResult:
    """The result of the votes so far.

    Parameters
    ----------
    wins : dict of str to int
        Votes for each of the two models.
    ties : int
        Votes for neither, and pairs of equal texts.
    open : int
        Pairs without a vote.
    """

    wins: dict[str, int]
    ties: int
    open: int

    @property
    def p_value(self) -> float:
        """Two-sided sign test: how likely votes are at least as uneven as these if both models are equally good."""
        votes, least = sum(self.wins.values()), min(self.wins.values())
        return min(1.0, 2 * sum(math.comb(votes, k) for k in range(least + 1)) / 2**votes)

    def __str__(self) -> str:
        votes = ", ".join(f"{name} {count}" for name, count in self.wins.items())
        return f"{votes}, ties {self.ties}, open {self.open}; p = {self.p_value:.2g}"


class BlindTest(Displayed):
    """Pairs of texts to vote on; made by `blind_test`, or from a `Comparison` of two models.

    Parameters
    ----------
    comparison : Comparison
        Of two models.
    seed : int
        Decides which model is on the left in each pair.

    Attributes
    ----------
    names : (str, str)
    pairs : tuple of BlindPair
    votes : list of str or None
        "left", "right" or "tie" for each pair; None before the vote.
    """

    def __init__(self, comparison: Comparison, seed: int = 0):
        if len(comparison.samples) != 2:
            raise ArgumentError(f"a blind test compares two models, not {len(comparison.samples)}.")
        if not comparison.prompts:
            raise ArgumentError("a blind test needs at least one prompt.")
        self.comparison, self.seed = comparison, seed
        first, second = comparison.samples
        self.names = first, second
        order = random.Random(seed)
        self._swapped = tuple(order.random() < 0.5 for _ in comparison.prompts)
        self.pairs = tuple(map(self._make_pair, range(len(comparison.prompts))))
        self.votes: list[Side | None] = ["tie" if pair.left == pair.right else None for pair in self.pairs]

    def _make_pair(self, number: int) -> BlindPair:
        texts = [row[number].text for row in self.comparison.samples.values()]
        left, right = texts[::-1] if self._swapped[number] else texts
        return BlindPair(self.comparison.prompts[number], left, right)

    @property
    def next(self) -> int | None:
        """Number of the first pair without a vote; None at the end."""
        return next((i for i, vote in enumerate(self.votes) if vote is None), None)

    def vote(self, side: Side, number: int | None = None) -> None:
        """Say which text of a pair is better.

        Parameters
        ----------
        side : "left", "right" or "tie"
        number : int, optional
            Of the pair; default the next one. An earlier vote is replaced.

        Raises
        ------
        ArgumentError
            When all pairs have votes, or there is no such pair or side.
        """
        number = self.next if number is None else number
        if number is None:
            raise ArgumentError("All pairs have votes. `result` has the score.")
        if side not in SIDES or not 0 <= number < len(self.pairs):
            raise ArgumentError(f"vote 'left', 'right' or 'tie' on pair 0 to {len(self.pairs) - 1}.")
        self.votes[number] = side

    @property
    def result(self) -> BlindResult:
        """The score so far, by model."""
        wins = dict.fromkeys(self.names, 0)
        for vote, swapped in zip(self.votes, self._swapped, strict=True):
            if vote in ("left", "right"):
                wins[self.names[(vote == "right") != swapped]] += 1
        return BlindResult(wins, self.votes.count("tie"), self.votes.count(None))

    def to_json(self) -> str:
        """All texts and votes, to go on later with `from_json`."""
        texts = {name: [s.text for s in row] for name, row in self.comparison.samples.items()}
        data = {"prompts": self.comparison.prompts, "texts": texts, "seed": self.seed, "votes": self.votes}
        return json.dumps({"format": FORMAT, "version": 1, **data}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> BlindTest:
        """Go on with a blind test that was kept.

        Raises
        ------
        ArgumentError
            When the text is not one that `to_json` has written.
        """
        try:
            kept = _Kept.model_validate(parsed(text.encode()))
        except (ValidationError, ValueError) as error:
            raise ArgumentError(f"this is not a blind test that `to_json` has written: {error!s:.300}") from error
        counts = {len(kept.prompts), len(kept.votes), *map(len, kept.texts.values())}
        if len(counts) != 1:
            raise ArgumentError("this blind test is damaged: it does not have one text and one vote for each prompt.")
        test = cls(_comparison_of(kept.prompts, kept.texts), kept.seed)
        test.votes = list(kept.votes)
        return test

    def __repr__(self) -> str:
        done = len(self.pairs) - self.votes.count(None)
        return f"<BlindTest of {' and '.join(self.names)}: {done} of {len(self.pairs)} votes>"


FORMAT = "nbmerge blind test"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    format: Literal["nbmerge blind test"]
    version: Literal[1]
    prompts: Annotated[list[str], Field(max_length=10_000)]
    texts: dict[str, list[str]]
    seed: int
    votes: list[Side | None]


def _comparison_of(prompts: Sequence[str], texts: Mapping[str, Sequence[str]]) -> Comparison:
    from nbmerge.sampling.result import Sample

    samples = {
        name: tuple(Sample(prompt, text, (), 0.0) for prompt, text in zip(prompts, row, strict=True))
        for name, row in texts.items()
    }
    return Comparison(tuple(prompts), samples)


def blind_test(
    models: Mapping[str, Askable],
    prompts: str | Sequence[str],
    *,
    order_seed: int = 0,
    tokenizer: Any = None,
    max_new_tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
    cancel: StopSignal | None = None,
) -> BlindTest:
    """Sample two models with the same prompts, to be compared without knowing which is which.

    Parameters
    ----------
    models : mapping of str to model
        Two models by name, see `compare`.
    prompts : str or sequence of str
    order_seed : int
        Decides which model is on the left in each pair.
    tokenizer, max_new_tokens, temperature, seed
        As in `compare`.
    cancel : StopSignal, optional
        Set it from any thread; prompts that were not finished for both models are left out.

    Raises
    ------
    ArgumentError
        When there are not two models, or no prompts.
    SampleError
        As in `sample`.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> recipe = nbm.demo.recipe()
    >>> live = nbm.live(recipe)
    >>> parent = live.plan.checkpoints[recipe.base_model].path
    >>> test = nbm.blind_test({"merge": live, "base": parent}, ["shout lion >"], max_new_tokens=5)
    >>> test.next is None or test.vote("left")
    """
    if len(models) != 2:
        raise ArgumentError(f"a blind test compares two models, not {len(models)}.")
    whole = compare(
        models, prompts, tokenizer=tokenizer, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed,
        cancel=cancel,
    )  # fmt: skip
    done = [i for i in range(len(whole.prompts)) if not any(row[i].stopped for row in whole.samples.values())]
    samples = {name: tuple(row[i] for i in done) for name, row in whole.samples.items()}
    return BlindTest(replace(whole, prompts=tuple(whole.prompts[i] for i in done), samples=samples), order_seed)
