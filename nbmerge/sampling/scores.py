"""Scores: functions of a model that return one number. These are the usual ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nbmerge.errors import ArgumentError
from nbmerge.sampling.likelihood import Window, encode_completions, evaluate, log_probabilities, perplexity, split_text
from nbmerge.sampling.loading import Loaded, evaluation_mode

if TYPE_CHECKING:
    import torch

    from nbmerge.typing import Askable, StopSignal


@dataclass(frozen=True)
class LogOdds:
    """How likely a model continues a prompt in one way rather than in another.

    Parameters
    ----------
    value : float
        log P(any wanted) − log P(any unwanted), in nats; log P(any wanted) without unwanted completions.
    wanted, unwanted : dict of str to float
        log P of each completion.
    """

    value: float
    wanted: dict[str, float]
    unwanted: dict[str, float]

    def __float__(self) -> float:
        return self.value


def log_odds(
    model: Askable,
    prompt: str,
    wanted: str | Sequence[str],
    unwanted: str | Sequence[str] = (),
    *,
    tokenizer: Any = None,
    cancel: StopSignal | None = None,
) -> LogOdds:
    """Compare the probability of wanted completions with that of unwanted ones.

    Parameters
    ----------
    model, tokenizer
        As in `perplexity`.
    prompt : str
    wanted, unwanted : str or sequence of str
        Texts that may follow the prompt, see `log_probabilities`. Compare texts of similar length.
    cancel : StopSignal, optional
        Set it from any thread to stop before the next completion.

    Raises
    ------
    ArgumentError
        When there is no wanted completion, or one is both wanted and unwanted.
    SampleError, MergeStopped
        See `log_probabilities`.
    """
    wanted, unwanted = _check_completions(wanted, unwanted)
    logs = log_probabilities(model, prompt, (*wanted, *unwanted), tokenizer=tokenizer, cancel=cancel)
    pro, con = ({c: logs[c] for c in texts} for texts in (wanted, unwanted))
    return LogOdds(_log_sum(pro.values()) - (_log_sum(con.values()) if con else 0.0), pro, con)


class TokenScore(Protocol):
    """A score that follows from log-probabilities of tokens, so that it can be computed for several models at once."""

    lower: bool
    """Whether lower is better."""

    def __call__(self, model: Askable) -> float:
        """The score of one model."""
        ...

    def windows(self, loaded: Loaded) -> list[Window]:
        """The tokens to evaluate."""
        ...

    def combine(self, logs: Sequence[torch.Tensor]) -> torch.Tensor:
        """The score, from log P of the tokens that count in each window; float64, and differentiable."""
        ...


@dataclass(frozen=True)
class Perplexity:
    """The perplexity of a text as a score; lower is better."""

    text: str
    lower = True

    def __call__(self, model: Askable) -> float:
        """See `nbmerge.perplexity`."""
        return perplexity(model, self.text)

    def windows(self, loaded: Loaded) -> list[Window]:
        """See `TokenScore`."""
        return split_text(loaded, self.text)

    def combine(self, logs: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `TokenScore`."""
        return _perplexity_of(logs)


@dataclass(frozen=True)
class JointPerplexity:
    """The perplexity of several texts together, in which every token counts the same; lower is better."""

    texts: tuple[str, ...]
    lower = True

    def __call__(self, model: Askable) -> float:
        """The score of one model."""
        with evaluation_mode(model) as loaded:
            return float(self.combine([evaluate(loaded, window) for window in self.windows(loaded)]))

    def windows(self, loaded: Loaded) -> list[Window]:
        """See `TokenScore`."""
        return [window for text in self.texts for window in split_text(loaded, text)]

    def combine(self, logs: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `TokenScore`."""
        return _perplexity_of(logs)


@dataclass(frozen=True)
class Phrase:
    """Log odds as a score: higher means that the wanted completions are more likely."""

    prompt: str
    wanted: str | tuple[str, ...]
    unwanted: str | tuple[str, ...] = ()
    lower = False

    def __call__(self, model: Askable) -> float:
        """See `nbmerge.log_odds`."""
        return log_odds(model, self.prompt, self.wanted, self.unwanted).value

    def windows(self, loaded: Loaded) -> list[Window]:
        """See `TokenScore`: first the wanted completions, then the unwanted ones."""
        wanted, unwanted = _check_completions(self.wanted, self.unwanted)
        return list(encode_completions(loaded, self.prompt, (*wanted, *unwanted)).values())

    def combine(self, logs: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `TokenScore`."""
        import torch

        wanted, unwanted = _check_completions(self.wanted, self.unwanted)
        sums = torch.stack([log.sum() for log in logs])
        pro, con = sums[: len(wanted)].logsumexp(0), sums[len(wanted) :]
        return pro - con.logsumexp(0) if unwanted else pro


def _perplexity_of(logs: Sequence[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.cat(list(logs)).mean().neg().exp()


def _check_completions(
    wanted: str | Sequence[str], unwanted: str | Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    wanted, unwanted = _unique(wanted), _unique(unwanted)
    if not wanted:
        raise ArgumentError("wanted must be a text, or a list of texts, that the model should continue with.")
    if both := set(wanted) & set(unwanted):
        raise ArgumentError(f"{min(both)!r} is both wanted and unwanted.")
    return wanted, unwanted


def _unique(texts: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((texts,) if isinstance(texts, str) else texts))


def _log_sum(logs: Iterable[float]) -> float:
    """Log of the sum of probabilities."""
    logs = list(logs)
    most = max(logs)
    return most if math.isinf(most) else most + math.log(sum(math.exp(x - most) for x in logs))
