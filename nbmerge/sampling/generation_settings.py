"""The settings that every model is sampled with, so that models can be compared.

A model's saved generation settings (temperature, top-p, repetition penalty) are ignored, except for its end tokens.
torch's random state is restored afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbmerge.errors import SampleError
from nbmerge.imports import import_lock
from nbmerge.quoting import quote
from nbmerge.sampling.loading import Loaded

if TYPE_CHECKING:
    from transformers import GenerationConfig

LARGEST_ID, MAX_IDS = 2**31, 1_000
"""Largest token id, and most end tokens, that a model's files may name."""


def build_generation_config(loaded: Loaded, max_new_tokens: int, temperature: float) -> GenerationConfig:
    """Plain greedy decoding (temperature 0) or sampling from the whole vocabulary, up to the model's own end tokens."""
    with import_lock():
        from transformers import GenerationConfig

    make_config: Any = GenerationConfig  # its __init__ has no annotations
    saved: Any = loaded.model.generation_config or make_config()
    end = saved.eos_token_id if saved.eos_token_id is not None else loaded.tokenizer.eos_token_id
    ends = _parse_token_ids("eos_token_id", end)
    # One prompt at a time needs no padding, but without a pad token transformers warns.
    pad = next((p for p in (saved.pad_token_id, loaded.tokenizer.pad_token_id, *ends) if p is not None), 0)
    (pad,) = _parse_token_ids("pad_token_id", pad)[:1] or [0]
    decoding: dict[str, Any] = (
        {"do_sample": True, "temperature": float(temperature), "top_k": 0} if temperature else {"do_sample": False}
    )
    return make_config(max_new_tokens=max_new_tokens, eos_token_id=ends or None, pad_token_id=pad, **decoding)


def _parse_token_ids(name: str, value: Any) -> list[int]:
    """One token id or several, as a list; a model's files can hold anything there."""
    ids = list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
    if len(ids) > MAX_IDS or not all(type(i) is int and abs(i) <= LARGEST_ID for i in ids):
        raise SampleError(
            f"the model's {name} is {quote(value, 80)}, which is neither a token id nor a short list of them. Correct "
            "generation_config.json or config.json."
        )
    return ids


@contextmanager
def apply_settings(loaded: Loaded, config: GenerationConfig) -> Iterator[None]:
    """Use this generation config and evaluation mode; restore the model's own, and torch's random state, at the end."""
    import torch

    model: Any = loaded.model
    saved_config, was_training = model.generation_config, model.training
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices, enabled=bool(config.do_sample)):
        model.generation_config = config
        model.eval()
        try:
            yield
        finally:
            model.generation_config = saved_config
            model.train(was_training)
