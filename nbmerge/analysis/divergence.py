"""How far next-token distributions are from those of a reference."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nbmerge.sampling import Loaded
from nbmerge.sampling.likelihood import Window, split_text


@dataclass(frozen=True)
class Divergence:
    """The Kullback-Leibler divergence of next-token distributions from those of the first merge: a score for `nbmerge.ablate`.

    It is the mean over all tokens of Σ p (log p − log q) in nats, where p is the first merge and q the one that is rated: 0
    if both predict the same, more the further they are apart.

    Parameters
    ----------
    text : str or tuple of str
    """

    text: str | tuple[str, ...]
    lower = True

    def windows(self, loaded: Loaded) -> list[Window]:
        """The tokens to evaluate."""
        texts = (self.text,) if isinstance(self.text, str) else self.text
        return [window for text in texts for window in split_text(loaded, text)]


def divergences(reference: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The divergence of each distribution, float64, from log-probabilities and logits of shape (tokens, vocabulary)."""
    other = logits.float().log_softmax(-1)
    terms = reference.exp() * (reference - other)
    return terms.masked_fill_(reference == -torch.inf, 0.0).double().sum(-1)
