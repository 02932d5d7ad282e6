"""Sample text from one model, with transformers' own generation.

Each prompt is continued alone and from the same seed, so a text does not depend on the other prompts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

from nbmerge.errors import ArgumentError, SampleError
from nbmerge.imports import import_lock
from nbmerge.progress_bars import show_progress
from nbmerge.sampling.generation_settings import apply_settings, build_generation_config
from nbmerge.sampling.loading import Loaded, keep_unchanged, library_errors, resolve_model
from nbmerge.sampling.result import Sample
from nbmerge.sampling.stream import OnToken, build_stopping_criterion, decode_continuation
from nbmerge.sampling.threads import limit_threads
from nbmerge.sampling.token_progress import TokenProgress

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from nbmerge.typing import Askable, ProgressLike, StopSignal

_generation_lock = threading.Lock()
"""torch's random state and a model's generation config are shared by all threads, and both are replaced here."""

NAN_LOGITS = (
    "the model's logits contain NaN: its weights are damaged, or out of range for their dtype. "
    "Check the merge's weights and its statistics, or merge in float32."
)


def sample(
    model: Askable,
    prompts: str | Sequence[str],
    *,
    tokenizer: Any = None,
    max_new_tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
    cancel: StopSignal | None = None,
    on_token: OnToken | None = None,
    progress: ProgressLike = None,
) -> list[Sample]:
    """Continue prompts with a model.

    Parameters
    ----------
    model : path, Hub id, LiveMerge, VirtualMerge, Pin, `Loaded` or PreTrainedModel
        The model to sample; a folder or Hub id is loaded first.
    prompts : str or sequence of str
    tokenizer : PreTrainedTokenizerBase, optional
        Required with a bare transformers model.
    max_new_tokens : int
        Maximum length of a continuation, in tokens.
    temperature : float
        Logits are divided by it before sampling; 0 always takes the most likely token.
    seed : int
        The same seed gives the same text. torch's random state is restored afterwards.
    cancel : StopSignal, optional
        Set it from any thread; generation ends after the current token.
    on_token : callable, optional
        ``(prompt, text, tokens)``: index of the prompt, its continuation so far, and that as token ids. Called after each
        token, in this thread; it does not affect the result. An exception that it raises ends the sampling.
    progress : callable or bool, optional
        As in `merge`; an event "tensor" is one token.

    Returns
    -------
    list of Sample
        One per prompt; prompts that were not reached before `cancel` was set have an empty sample, marked as stopped.

    Raises
    ------
    SampleError
        When a model cannot be loaded, a prompt has no tokens or does not fit, or the model returns NaN.
    ArgumentError
        When a setting is out of range, before anything is loaded.
    MergeStopped
        When `cancel` was set while the model was being downloaded.
    """
    prompts = _check_arguments(prompts, max_new_tokens, temperature, seed)
    with keep_unchanged(model):  # before its model is taken, so that it is neither half-updated nor replaced meanwhile
        loaded = resolve_model(model, tokenizer, cancel=cancel)
        with library_errors("The tokenizer or the settings of this model cannot be used"):
            inputs = [_encode_prompt(loaded, prompt, max_new_tokens) for prompt in prompts]
            config = build_generation_config(loaded, max_new_tokens, temperature)
        with (
            show_progress(progress, "Sampling") as listener,
            TokenProgress(listener, len(prompts), max_new_tokens) as counter,
        ):
            on_token, callback_errors = _collect_errors(counter.watch(on_token))
            failure = library_errors("transformers cannot sample from this model", passing=callback_errors)
            with failure, _generation_lock, limit_threads(loaded.model), apply_settings(loaded, config):
                return [
                    _continue_prompt(loaded, config, prompt, ids, seed, cancel, on_token and partial(on_token, i))
                    for i, (prompt, ids) in enumerate(zip(prompts, inputs, strict=True))
                ]


def _collect_errors(on_token: OnToken | None) -> tuple[OnToken | None, list[Exception]]:
    """A callback that also keeps what it raises: its errors are the caller's, not the model's."""
    errors: list[Exception] = []
    if on_token is None:
        return None, errors

    def call(prompt: int, text: str, tokens: tuple[int, ...]) -> None:
        try:
            on_token(prompt, text, tokens)
        except Exception as error:
            errors.append(error)
            raise

    return call, errors


def _check_arguments(prompts: str | Sequence[str], max_new_tokens: int, temperature: float, seed: int) -> list[str]:
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not all(isinstance(p, str) for p in prompts):
        raise ArgumentError("prompts must be a string or a list of strings.")
    if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 1:
        raise ArgumentError(f"max_new_tokens must be an integer of at least 1, not {max_new_tokens!r}.")
    if not _is_number(temperature) or not 0 <= temperature < float("inf"):
        raise ArgumentError(
            f"temperature must be a number from 0 (always the most likely token) up, not {temperature!r}."
        )
    if not _is_number(seed) or not 0 <= seed < 2**64:
        raise ArgumentError(f"seed must be an integer from 0 to 2**64 - 1, not {seed!r}.")
    return prompts


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _encode_prompt(loaded: Loaded, prompt: str, max_new_tokens: int) -> torch.Tensor:
    """Token ids of a prompt, shape (1, tokens), after checking that the model can take them."""
    import torch

    model: Any = loaded.model
    # Not verbose: a prompt that is too long is refused below, with a fix.
    ids = loaded.tokenizer(prompt, verbose=False)["input_ids"]
    if not ids:
        raise SampleError(f"the prompt {prompt!r} has no tokens. Write a text that the model can continue.")
    rows = model.get_input_embeddings().weight.shape[0]
    if max(ids) >= rows:
        raise SampleError(
            f"the tokenizer encodes {prompt!r} with token {max(ids)}, but the model's embedding has {rows} rows. "
            "Use the tokenizer that belongs to the model."
        )
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if context and len(ids) + max_new_tokens > context:
        room = context - len(ids)
        fix = f"Set max_new_tokens to at most {room}, or shorten the prompt." if room > 0 else "Shorten the prompt."
        raise SampleError(
            f"the prompt {prompt[:40]!r} has {len(ids)} tokens; with {max_new_tokens} new tokens it does not fit into the "
            f"model's context of {context}. {fix}"
        )
    return torch.tensor([ids], device=model.device)


def _continue_prompt(
    loaded: Loaded,
    config: GenerationConfig,
    prompt: str,
    ids: torch.Tensor,
    seed: int,
    cancel: StopSignal | None,
    report: Callable[[str, tuple[int, ...]], Any] | None,
) -> Sample:
    import torch

    with import_lock():
        from transformers import LogitsProcessorList, StoppingCriteriaList

    if cancel is not None and cancel.is_set():
        return Sample(prompt, "", (), 0.0, stopped=True)
    start_time = time.perf_counter()
    if config.do_sample:
        torch.manual_seed(seed)
    prompt_length = ids.shape[1]
    model: Any = loaded.model
    tokens = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        generation_config=config,
        logits_processor=LogitsProcessorList([_refuse_nan]),
        stopping_criteria=StoppingCriteriaList(
            [build_stopping_criterion(loaded, config, prompt_length, cancel, report)]
        ),
    )[0].tolist()
    new = tuple(tokens[prompt_length:])
    complete = len(new) == config.max_new_tokens or new[-1] in (config.eos_token_id or ())
    text = decode_continuation(loaded.tokenizer, tokens, prompt_length)
    stopped = cancel is not None and cancel.is_set() and not complete
    return Sample(prompt, text, new, time.perf_counter() - start_time, stopped)


def _refuse_nan(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    # Without this a broken merge repeats its first token for ever, or fails inside torch.multinomial.
    if scores.isnan().any():
        raise SampleError(NAN_LOGITS)
    return scores
