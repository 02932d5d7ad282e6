"""Text while it is generated: a callback after every token, and a stop signal between tokens.

transformers calls its stopping criteria after each token, in the thread that generates; the callback and the stop signal
are attached there. The callback runs outside of the random state, so a text is the same with or without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from nbmerge.sampling.loading import Loaded
    from nbmerge.typing import StopSignal

OnToken = Callable[[int, str, tuple[int, ...]], Any]
"""``(prompt, text, tokens)``: index of the prompt, its continuation so far, the same as token ids."""

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What tokenizers return for a character of which only the first bytes are there."""


def build_stopping_criterion(
    loaded: Loaded,
    config: GenerationConfig,
    prompt_length: int,
    cancel: StopSignal | None,
    report: Callable[[str, tuple[int, ...]], Any] | None,
) -> Callable[..., torch.Tensor]:
    """A stopping criterion of transformers that reports the text after the prompt's tokens, and stops on the signal."""
    import torch

    devices = [loaded.model.device] if loaded.model.device.type == "cuda" else []

    def criterion(ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        if report is not None:
            tokens = ids[0].tolist()
            text = decode_continuation(loaded.tokenizer, tokens, prompt_length).rstrip(INCOMPLETE)
            with torch.random.fork_rng(devices=devices, enabled=bool(config.do_sample)):
                report(text, tuple(tokens[prompt_length:]))
        stopped = cancel is not None and cancel.is_set()
        return torch.full((ids.shape[0],), stopped, dtype=torch.bool, device=ids.device)

    return criterion


def decode_continuation(tokenizer: Any, tokens: list[int], prompt_length: int) -> str:
    """Decode what follows the prompt; some tokenizers lose a leading space when they see the continuation alone."""

    def decode(part: list[int]) -> str:
        return str(tokenizer.decode(part, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    before, whole = decode(tokens[:prompt_length]), decode(tokens)
    return whole[len(before) :] if whole.startswith(before) else decode(tokens[prompt_length:])
