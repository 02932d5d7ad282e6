"""Text while it is written: what is told after every token, and whose turn it is to speak.

transformers asks its stopping criteria after each token, in the thread that generates; there the text so far is told
and a stop is seen. The listener stands outside of the randomness, so a text is the same whether anybody listens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from nbmerge.sampling.loading import Loaded

OnToken = Callable[[int, str, tuple[int, ...]], Any]
"""``(prompt, text, tokens)``: index of the prompt, its continuation so far, the same as token ids."""

PIECE = "\N{REPLACEMENT CHARACTER}"
"""What tokenizers give for a character of which only the first bytes are there."""


def unheard(prompt: int, text: str, tokens: tuple[int, ...]) -> None:
    """Nobody listens."""


def listening(
    loaded: Loaded,
    config: GenerationConfig,
    start: int,
    stop: threading.Event,
    tell: Callable[[str, tuple[int, ...]], Any],
) -> Callable:
    """A stopping criterion of transformers that tells what was written behind the `start` tokens of a prompt."""
    import torch

    devices = [loaded.model.device] if loaded.model.device.type == "cuda" else []
    deaf = getattr(tell, "func", tell) is unheard

    def criterion(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        if not deaf:
            tokens = ids[0].tolist()
            text = text_behind(loaded.tokenizer, tokens, start).rstrip(PIECE)
            with torch.random.fork_rng(devices=devices, enabled=bool(config.do_sample)):
                tell(text, tuple(tokens[start:]))
        return torch.full((ids.shape[0],), stop.is_set(), dtype=torch.bool, device=ids.device)

    return criterion


def text_behind(tokenizer: Any, tokens: list[int], start: int) -> str:
    """Decode what follows the prompt; some tokenizers lose a leading space when they see the continuation alone."""

    def decode(part: list[int]) -> str:
        return tokenizer.decode(part, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    before, whole = decode(tokens[:start]), decode(tokens)
    return whole[len(before) :] if whole.startswith(before) else decode(tokens[start:])


class Turn:
    """Who may speak: the latest to ask, and nobody else.

    Examples
    --------
    >>> turn = Turn()
    >>> stop = turn.take()  # in the thread that is going to sample: everybody before it ends at the next token
    >>> samples = sample(model, prompts, stop=stop)
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._held = threading.Event()

    def take(self) -> threading.Event:
        """Stop whoever has the turn, and have it; pass the event as `stop`."""
        with self._lock:
            self._held.set()
            self._held = threading.Event()
            return self._held

    def stop(self) -> None:
        """Stop whoever has the turn."""
        with self._lock:
            self._held.set()

    def is_latest(self, stop: threading.Event) -> bool:
        """Whether this event's holder has the turn still, stopped or not."""
        return stop is self._held
