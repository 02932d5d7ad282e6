"""How likely a model finds a text: log-probabilities of tokens, with the right tokens where prompt and text meet.

Prompt and completion are tokenized together, and counted is what follows the tokens that all texts start with. Where a
completion's first letters merge into the prompt's last token, that token is counted for every completion, so that they
can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbmerge.arguments import parse_count_argument
from nbmerge.errors import ArgumentError, MergeStopped, SampleError
from nbmerge.sampling.generate import NAN_LOGITS
from nbmerge.sampling.loading import Loaded, evaluation_mode

if TYPE_CHECKING:
    import torch

    from nbmerge.typing import Askable, StopSignal

WINDOW = 512
"""Most tokens that are evaluated together: the logits of a large vocabulary take half a megabyte per token."""


@dataclass(frozen=True)
class Window:
    """Tokens that are evaluated together, and which of them count.

    Parameters
    ----------
    ids : tuple of int
        Token ids.
    begin : int
        The first token that counts, 1 or more: each needs a token before it. All later ones count too.
    """

    ids: tuple[int, ...]
    begin: int


def perplexity(
    model: Askable,
    text: str,
    *,
    tokenizer: Any = None,
    window: int | None = None,
    stride: int | None = None,
    cancel: StopSignal | None = None,
) -> float:
    """The perplexity of a text: exp of the mean of −log P(token | tokens before it); 1 is a text without any surprise.

    A text longer than a window is read in windows that overlap; each token is counted once, in the window that has the
    most context before it. The first token is not counted, as it has no context.

    Parameters
    ----------
    model : path, Hub id, LiveMerge, VirtualMerge, Pin, `Loaded` or PreTrainedModel
    text : str
    tokenizer : PreTrainedTokenizerBase, optional
        Required with a bare transformers model.
    window : int, optional
        Tokens evaluated together; by default the model's context, at most 512.
    stride : int, optional
        Tokens from one window to the next; by default half a window. Smaller is slower and gives every token more context.
    cancel : StopSignal, optional
        Set it from any thread: the result is then the mean over the windows read so far.

    Returns
    -------
    float
        Comparable only between models with the same tokenizer.

    Raises
    ------
    SampleError
        When the text has fewer than two tokens, or the model returns NaN.
    ArgumentError
        When `window` or `stride` is out of range.
    """
    with evaluation_mode(model, tokenizer, cancel=cancel) as loaded:
        total, count = 0.0, 0
        for part in split_text(loaded, text, window=window, stride=stride):
            total += sum(evaluate(loaded, part).tolist())
            count += len(part.ids) - part.begin
            if cancel is not None and cancel.is_set():
                break
        return math.exp(-total / count)


def log_probabilities(
    model: Askable,
    prompt: str,
    completions: Sequence[str],
    *,
    tokenizer: Any = None,
    cancel: StopSignal | None = None,
) -> dict[str, float]:
    """Natural logarithm of the probability that a model continues a prompt with each of several texts.

    Parameters
    ----------
    model, tokenizer
        As in `perplexity`.
    prompt : str
        A space between prompt and completion can be at the end of one or at the start of the other.
    completions : sequence of str
    cancel : StopSignal, optional
        Set it from any thread to stop before the next completion.

    Returns
    -------
    dict of str to float
        Sums over the tokens of each completion, 0 or less. A longer text is less likely by itself.

    Raises
    ------
    SampleError
        When a completion is empty or too long, or has no token before it.
    MergeStopped
        When `cancel` was set.
    """
    with evaluation_mode(model, tokenizer, cancel=cancel) as loaded:
        logs = {}
        for completion, part in encode_completions(loaded, prompt, completions).items():
            if cancel is not None and cancel.is_set():
                raise MergeStopped("Scoring was stopped.")
            logs[completion] = sum(evaluate(loaded, part).tolist())
        return logs


def split_text(loaded: Loaded, text: str, *, window: int | None = None, stride: int | None = None) -> list[Window]:
    """The windows in which `perplexity` reads a text; together they count every token but the first once.

    Raises
    ------
    SampleError, ArgumentError
        As in `perplexity`.
    """
    ids = encode(loaded, text)
    if len(ids) < 2:
        tokens = "one token" if ids else "no tokens"
        raise SampleError(f"the text {text!r:.200} has {tokens}, and at least two are needed. Choose a longer one.")
    window = min(parse_count_argument("window", window, WINDOW), _context(loaded))
    stride = parse_count_argument("stride", stride, max(1, window // 2))
    if not 1 <= stride < window:
        raise ArgumentError(
            f"stride must be an integer from 1 to {window - 1}, one less than the window, not {stride}."
        )
    parts = plan_windows(len(ids), window, stride)
    return [Window(tuple(ids[first:end]), begin - first) for first, begin, end in parts]


def encode_completions(loaded: Loaded, prompt: str, completions: Sequence[str]) -> dict[str, Window]:
    """Each completion with the prompt before it; what the tokens of all begin with does not count.

    Raises
    ------
    SampleError
        As in `log_probabilities`.
    """
    if not all(completions):
        raise SampleError("a completion is empty. Write the text that the model should, or should not, continue with.")
    encoded = {c: encode(loaded, prompt + c) for c in completions}
    shared = _count_shared([encode(loaded, prompt), *encoded.values()])
    if not shared and (begin := loaded.tokenizer.bos_token_id) is not None:
        encoded, shared = {c: [begin, *ids] for c, ids in encoded.items()}, 1
    for completion, ids in encoded.items():
        if len(ids) > _context(loaded):
            raise SampleError(
                f"{prompt[:40]!r} and {completion[:40]!r} have {len(ids)} tokens; the model's context is "
                f"{_context(loaded)}. Shorten the prompt."
            )
    if not shared:
        raise SampleError(
            f"the completions of {prompt!r} have no token before them, and the tokenizer has no token for the beginning. "
            "Write a longer prompt."
        )
    return {completion: Window(tuple(ids), shared) for completion, ids in encoded.items()}


def encode(loaded: Loaded, text: str) -> list[int]:
    """Token ids of a text: the tokenizer's start tokens are kept, an end token is dropped."""
    tokenizer: Any = loaded.tokenizer
    ids = list(tokenizer(text, verbose=False)["input_ids"])
    end = tokenizer.eos_token_id
    if len(ids) > 1 and ids[-1] == end and not text.endswith(tokenizer.eos_token or "\0"):
        ids.pop()  # some tokenizers close every text, and a closed text is not continued
    return ids


def _count_shared(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows start with, leaving each but the first (the prompt's own) at least one."""
    most = min(len(rows[0]), *(len(row) - 1 for row in rows[1:]))
    return next((i for i in range(most) if len({row[i] for row in rows}) > 1), most)


def _context(loaded: Loaded) -> int:
    config: Any = loaded.model.config
    return getattr(config.get_text_config(), "max_position_embeddings", None) or WINDOW


def plan_windows(count: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """(first token evaluated, first and last + 1 of those counted); together they count every token but the first once."""
    end = min(window, count)
    yield 0, 1, end
    while end < count:
        begin, end = end, min(end + stride, count)
        yield end - window, begin, end


def select_log_probabilities(logits: torch.Tensor, window: Window) -> torch.Tensor:
    """Log P of each token of a window that counts, given those before it.

    Parameters
    ----------
    logits : Tensor, shape (tokens, vocabulary)
        Of all tokens of the window.
    window : Window

    Returns
    -------
    Tensor of float64, shape (tokens that count,)
        On the CPU, where every device's numbers can be float64.
    """
    import torch

    ids = torch.tensor(window.ids[window.begin :], device=logits.device)
    return logits[window.begin - 1 : -1].float().log_softmax(-1).gather(-1, ids[:, None])[:, 0].cpu().double()


def evaluate(loaded: Loaded, window: Window) -> torch.Tensor:
    """Log P of each token of a window that counts; float64.

    Raises
    ------
    SampleError
        When the model returns NaN.
    """
    logs = select_log_probabilities(evaluate_logits(loaded, window), window)
    if logs.isnan().any():
        raise SampleError(NAN_LOGITS)
    return logs


def evaluate_logits(loaded: Loaded, window: Window) -> torch.Tensor:
    """Logits of all tokens of a window, shape (tokens, vocabulary)."""
    import torch

    model: Any = loaded.model
    row = torch.tensor([window.ids], device=model.device)
    logits: torch.Tensor = model(row, attention_mask=torch.ones_like(row), use_cache=False).logits[0]
    return logits
