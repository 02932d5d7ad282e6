"""The terms on which every model is asked.

A model's saved habits (temperature, top-p, repetition penalty) are set aside, or two models could not be compared. Its
end tokens are kept. torch's random state is borrowed and given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbmerge.sampling.loading import Loaded

if TYPE_CHECKING:
    from transformers import GenerationConfig


def terms(loaded: Loaded, max_new_tokens: int, temperature: float) -> GenerationConfig:
    """Plain greedy decoding (temperature 0) or sampling from the whole vocabulary, up to the model's own end tokens."""
    from transformers import GenerationConfig

    own = loaded.model.generation_config or GenerationConfig()
    end = own.eos_token_id if own.eos_token_id is not None else loaded.tokenizer.eos_token_id
    ends = list(end) if isinstance(end, list | tuple) else [] if end is None else [end]
    # One prompt at a time needs no padding, but without a pad token transformers warns.
    pad = next((p for p in (own.pad_token_id, loaded.tokenizer.pad_token_id, *ends) if p is not None), 0)
    how = {"do_sample": True, "temperature": float(temperature), "top_k": 0} if temperature else {"do_sample": False}
    return GenerationConfig(max_new_tokens=max_new_tokens, eos_token_id=ends or None, pad_token_id=pad, **how)


@contextmanager
def borrowed(loaded: Loaded, config: GenerationConfig) -> Iterator[None]:
    """Put a model on our terms and out of training for a while, and keep torch's random state as the caller has it."""
    import torch

    model = loaded.model
    own, training = model.generation_config, model.training
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices, enabled=bool(config.do_sample)):
        model.generation_config = config
        model.eval()
        try:
            yield
        finally:
            model.generation_config = own
            model.train(training)
