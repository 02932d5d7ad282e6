"""Ask one model for text, with transformers' own generation.

Each prompt is asked alone and from the same seed, so a text does not depend on its neighbours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

from nbmerge.errors import ArgumentError, SampleError
from nbmerge.sampling.loading import Loaded, asked, held
from nbmerge.sampling.result import Sample
from nbmerge.sampling.stream import OnToken, listening, text_behind, unheard
from nbmerge.sampling.terms import borrowed, terms
from nbmerge.sampling.threads import fitting_threads

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

_one_at_a_time = threading.Lock()
"""torch's random state and a model's generation config are shared by all threads, and both are borrowed here."""


def sample(
    model: Any,
    prompts: str | Sequence[str],
    *,
    tokenizer: Any = None,
    max_new_tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
    stop: threading.Event | None = None,
    on_token: OnToken | None = None,
) -> list[Sample]:
    """Let a model continue prompts.

    Parameters
    ----------
    model : path, LiveMerge, `Loaded` or PreTrainedModel
        What to ask; a folder is loaded first.
    prompts : str or sequence of str
    tokenizer : PreTrainedTokenizerBase, optional
        Needed with a bare transformers model.
    max_new_tokens : int
        Longest continuation, in tokens.
    temperature : float
        What scores are divided by before sampling; 0 always takes the likeliest token.
    seed : int
        The same seed gives the same text. The caller's random state is not touched.
    stop : threading.Event, optional
        Set it from anywhere; generation ends after the current token.
    on_token : callable, optional
        ``(prompt, text, tokens)``: index of the prompt, its continuation so far and that as token ids; called after each
        token, in this thread. It changes nothing of the result. What it raises ends the sampling and is raised.

    Returns
    -------
    list of Sample
        One per prompt; those that were not reached before a stop are empty and marked so.

    Raises
    ------
    SampleError
        When a model cannot be loaded, a prompt gives no tokens or does not fit, or the model gives no numbers.
    ArgumentError
        For a setting out of range, before anything is loaded.
    """
    prompts = _checked(prompts, max_new_tokens, temperature, seed)
    stop = stop or threading.Event()
    tell = on_token or unheard
    with held(model):  # before its model is taken, so that it is neither half-updated nor replaced meanwhile
        loaded = asked(model, tokenizer)
        inputs = [_tokens(loaded, prompt, max_new_tokens) for prompt in prompts]
        config = terms(loaded, max_new_tokens, temperature)
        with _one_at_a_time, fitting_threads(loaded.model), borrowed(loaded, config):
            return [
                _continue(loaded, config, prompt, ids, seed, stop, partial(tell, i))
                for i, (prompt, ids) in enumerate(zip(prompts, inputs, strict=True))
            ]


def _checked(prompts: str | Sequence[str], max_new_tokens: int, temperature: float, seed: int) -> list[str]:
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not all(isinstance(p, str) for p in prompts):
        raise ArgumentError("prompts are texts: one, or a list of them.")
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 1:
        raise ArgumentError(f"max_new_tokens is a whole number of at least 1, not {max_new_tokens!r}.")
    if not _is_number(temperature) or not 0 <= temperature < float("inf"):
        raise ArgumentError(f"temperature is a number from 0 (always the likeliest token) up, not {temperature!r}.")
    if not _is_number(seed) or not 0 <= seed < 2**64:
        raise ArgumentError(f"seed is a whole number from 0 to 2**64 - 1, not {seed!r}.")
    return prompts


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _tokens(loaded: Loaded, prompt: str, max_new_tokens: int) -> torch.Tensor:
    """Token ids of a prompt, shape (1, tokens), once it is sure that the model can take them."""
    import torch

    # Not verbose: what is too long is refused below, with a way out.
    ids = loaded.tokenizer(prompt, verbose=False)["input_ids"]
    if not ids:
        raise SampleError(f"the prompt {prompt!r} gives no tokens. Write something that the model can continue.")
    rows = loaded.model.get_input_embeddings().weight.shape[0]
    if max(ids) >= rows:
        what = f"the tokenizer gives token {max(ids)} for {prompt!r}, and the model has {rows} rows of embedding."
        raise SampleError(f"{what} Use the tokenizer that belongs to the model.")
    context = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    if context and len(ids) + max_new_tokens > context:
        room = context - len(ids)
        how = f"Ask for at most {room} new tokens, or shorten the prompt." if room > 0 else "Shorten the prompt."
        what = f"the prompt {prompt[:40]!r} has {len(ids)} tokens, and the model holds {context} in all:"
        raise SampleError(f"{what} {max_new_tokens} new ones do not fit. {how}")
    return torch.tensor([ids], device=loaded.model.device)


def _continue(
    loaded: Loaded,
    config: GenerationConfig,
    prompt: str,
    ids: torch.Tensor,
    seed: int,
    stop: threading.Event,
    tell: Callable[[str, tuple[int, ...]], None],
) -> Sample:
    import torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    if stop.is_set():
        return Sample(prompt, "", (), 0.0, stopped=True)
    began = time.perf_counter()
    if config.do_sample:
        torch.manual_seed(seed)
    tokens = loaded.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        generation_config=config,
        logits_processor=LogitsProcessorList([_numbers_only]),
        stopping_criteria=StoppingCriteriaList([listening(loaded, config, ids.shape[1], stop, tell)]),
    )[0].tolist()
    start = ids.shape[1]
    new = tuple(tokens[start:])
    complete = len(new) == config.max_new_tokens or new[-1] in (config.eos_token_id or ())
    text = text_behind(loaded.tokenizer, tokens, start)
    return Sample(prompt, text, new, time.perf_counter() - began, stopped=stop.is_set() and not complete)


def _numbers_only(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    # Without this a broken merge repeats its first token for ever, or dies inside torch.multinomial.
    if scores.isnan().any():
        what = "the model's scores are not numbers (NaN): its weights are broken, or too large for their dtype."
        raise SampleError(f"{what} Look at the merge's weights and at the statistics, or merge in float32.")
    return scores
