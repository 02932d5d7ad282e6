"""Scores: anything that is called with a model and gives one number. These are the usual ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nbmerge.sampling.likelihood import log_probabilities, perplexity


@dataclass(frozen=True)
class LogOdds:
    """How a model goes on from a prompt.

    Parameters
    ----------
    value : float
        log P(any wanted) − log P(any unwanted), in nats; log P(any wanted) where nothing is unwanted.
    wanted, unwanted : dict of str to float
        log P of each completion.
    """

    value: float
    wanted: dict[str, float]
    unwanted: dict[str, float]

    def __float__(self) -> float:
        return self.value


def log_odds(
    model: Any,
    prompt: str,
    wanted: str | Sequence[str],
    unwanted: str | Sequence[str] = (),
    *,
    tokenizer: Any = None,
) -> LogOdds:
    """Weigh completions that are wanted against those that are not.

    Parameters
    ----------
    model, tokenizer
        As in `perplexity`.
    prompt : str
    wanted, unwanted : str or sequence of str
        Texts that may follow the prompt, see `log_probabilities`. Compare texts of similar length.
    """
    wanted, unwanted = _texts(wanted), _texts(unwanted)
    if not wanted:
        raise ValueError("wanted is a text that the model should go on with, or a list of them.")
    if both := set(wanted) & set(unwanted):
        raise ValueError(f"{min(both)!r} is both wanted and unwanted.")
    found = log_probabilities(model, prompt, (*wanted, *unwanted), tokenizer=tokenizer)
    pro, con = ({c: found[c] for c in texts} for texts in (wanted, unwanted))
    return LogOdds(_any(pro.values()) - (_any(con.values()) if con else 0.0), pro, con)


@dataclass(frozen=True)
class Perplexity:
    """The perplexity of a text as a score; the lower, the better."""

    text: str
    lower = True

    def __call__(self, model: Any) -> float:
        """See `nbmerge.perplexity`."""
        return perplexity(model, self.text)


@dataclass(frozen=True)
class Phrase:
    """Log odds as a score: higher means that the wanted completions are more likely."""

    prompt: str
    wanted: str | tuple[str, ...]
    unwanted: str | tuple[str, ...] = ()
    lower = False

    def __call__(self, model: Any) -> float:
        """See `nbmerge.log_odds`."""
        return log_odds(model, self.prompt, self.wanted, self.unwanted).value


def _texts(texts: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((texts,) if isinstance(texts, str) else texts))


def _any(logs: Iterable[float]) -> float:
    """Log of the sum of probabilities."""
    logs = list(logs)
    most = max(logs)
    return most if math.isinf(most) else most + math.log(sum(math.exp(x - most) for x in logs))
