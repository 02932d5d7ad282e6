"""How likely a model finds a text: log-probabilities of tokens, with the right tokens at the seams.

A completion is scored as the model would meet it: prompt and completion are turned into tokens together, and what
follows the tokens that all texts begin with is counted. Where a completion's first letters merge into the prompt's last
token, that token is counted for every completion, so that they can be compared.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nbmerge.arguments import parse_count_argument
from nbmerge.errors import ArgumentError, SampleError
from nbmerge.sampling.loading import Loaded, asked, held
from nbmerge.sampling.threads import fitting_threads

WINDOW = 512
"""Tokens that are looked at together, at most: the scores of a large vocabulary take half a megabyte a token."""


def perplexity(
    model: Any,
    text: str,
    *,
    tokenizer: Any = None,
    window: int | None = None,
    stride: int | None = None,
    stop: threading.Event | None = None,
) -> float:
    """How surprised a model is by a text: exp of the mean of −log P(token | tokens before it). 1 is not at all.

    A text longer than a window is read in windows that overlap; each token is counted once, in the window that shows the
    most of what stands before it. The first token of all is not counted: nothing stands before it.

    Parameters
    ----------
    model : path, LiveMerge, VirtualMerge, Pin, `Loaded` or PreTrainedModel
    text : str
    tokenizer : PreTrainedTokenizerBase, optional
        Needed with a bare transformers model.
    window : int, optional
        Tokens seen together; default what the model holds, 512 at most.
    stride : int, optional
        Tokens from one window to the next; default half a window. Smaller is slower and gives every token more context.
    stop : threading.Event, optional
        Set it from anywhere: the mean is then of the windows that were read.

    Returns
    -------
    float
        Comparable only between models with the same tokenizer.

    Raises
    ------
    SampleError
        When the text has fewer than two tokens, or the model gives no numbers.
    """
    with listening(model, tokenizer) as loaded:
        ids = _ids(loaded, text)
        if len(ids) < 2:
            raise SampleError(f"the text {text!r} has {len(ids)} tokens; perplexity needs two at least.")
        window = min(parse_count_argument("window", window, WINDOW), _context(loaded))
        stride = parse_count_argument("stride", stride, max(1, window // 2))
        if not 1 <= stride < window:
            raise ArgumentError(
                f"stride is a whole number from 1 to {window - 1}, one less than the window, not {stride}."
            )
        total, count = 0.0, 0
        for first, begin, end in _windows(len(ids), window, stride):
            total += sum(_log_probabilities(loaded, ids[first:end], begin - first))
            count += end - begin
            if stop is not None and stop.is_set():
                break
        return math.exp(-total / count)


def log_probabilities(
    model: Any, prompt: str, completions: Sequence[str], *, tokenizer: Any = None
) -> dict[str, float]:
    """Natural logarithm of the probability that a model goes on from a prompt with each of some texts.

    Parameters
    ----------
    model, tokenizer
        As in `perplexity`.
    prompt : str
        A space between prompt and completion may stand at the end of one or at the beginning of the other.
    completions : sequence of str

    Returns
    -------
    dict of str to float
        Sums over the tokens of each completion, 0 or less. A longer text is less likely by itself.

    Raises
    ------
    SampleError
        When a completion is empty or too long, or nothing stands before it.
    """
    if empty := [c for c in completions if not c]:
        raise SampleError(f"{empty[0]!r} is no completion. Write what the model should, or should not, go on with.")
    with listening(model, tokenizer) as loaded:
        wholes = {c: _ids(loaded, prompt + c) for c in completions}
        shared = _shared([_ids(loaded, prompt), *wholes.values()])
        if not shared and (begin := loaded.tokenizer.bos_token_id) is not None:
            wholes, shared = {c: [begin, *ids] for c, ids in wholes.items()}, 1
        for completion, ids in wholes.items():
            if len(ids) > _context(loaded):
                what = f"{prompt[:40]!r} and {completion[:40]!r} have {len(ids)} tokens"
                raise SampleError(f"{what}; the model holds {_context(loaded)}. Shorten the prompt.")
        if not shared:
            what = f"nothing stands before the completions of {prompt!r}, and the tokenizer has no token for the beginning."
            raise SampleError(f"{what} Write a longer prompt.")
        return {c: sum(_log_probabilities(loaded, ids, shared)) for c, ids in wholes.items()}


@contextmanager
def listening(model: Any, tokenizer: Any = None) -> Iterator[Loaded]:
    """A model out of training, with as many threads as suit it, that stays as it is while it is asked."""
    import torch

    with held(model):
        loaded = asked(model, tokenizer)
        training = loaded.model.training
        with fitting_threads(loaded.model), torch.inference_mode():
            loaded.model.eval()
            try:
                yield loaded
            finally:
                loaded.model.train(training)


def _ids(loaded: Loaded, text: str) -> list[int]:
    """Token ids of a text, as the tokenizer begins it, and open at its end."""
    ids = list(loaded.tokenizer(text, verbose=False)["input_ids"])
    end = loaded.tokenizer.eos_token_id
    if len(ids) > 1 and ids[-1] == end and not text.endswith(loaded.tokenizer.eos_token or "\0"):
        ids.pop()  # some tokenizers close every text, and a text that is closed does not go on
    return ids


def _shared(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with, leaving each but the first (the prompt's own) at least one."""
    most = min(len(rows[0]), *(len(row) - 1 for row in rows[1:]))
    return next((i for i in range(most) if len({row[i] for row in rows}) > 1), most)


def _context(loaded: Loaded) -> int:
    return getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None) or WINDOW


def _windows(count: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """(first token seen, first and last + 1 of those counted); together they count every token but the first once."""
    end = min(window, count)
    yield 0, 1, end
    while end < count:
        begin, end = end, min(end + stride, count)
        yield end - window, begin, end


def _log_probabilities(loaded: Loaded, ids: list[int], begin: int) -> list[float]:
    """Log P of each token from number `begin` (1 or more) on, given those before it."""
    import torch

    row = torch.tensor([ids], device=loaded.model.device)
    logits = loaded.model(row, attention_mask=torch.ones_like(row), use_cache=False).logits[0, begin - 1 : -1]
    found = logits.float().log_softmax(-1).gather(-1, row[0, begin:, None])[:, 0]
    if found.isnan().any():
        what = "the model's scores are not numbers (NaN): its weights are broken, or too large for their dtype."
        raise SampleError(f"{what} Look at the merge's weights and at the statistics, or merge in float32.")
    return found.double().tolist()
