"""Measures the skills of a model: the share of held-out words that it answers exactly, letter for letter.

Greedy decoding gives the right answer if and only if the most likely next token is right after every part of that
right answer. So one forward pass over question and answer together gives the result of decoding token by token, and
three hundred words take a fraction of a second: fast enough to follow a slider.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from nbmerge.demo.characters import tokenizer as own_tokenizer
from nbmerge.demo.texts import SKILLS, answer, prompt
from nbmerge.demo.words import random_words

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from nbmerge.typing import Askable


class Sheet(NamedTuple):
    """Questions with their answers, one row per word.

    Parameters
    ----------
    ids
        Tokens of question, answer and end of text; (words, tokens). Short rows are padded at the end, after all tokens
        that are compared.
    labels
        The same where a token belongs to the answer or ends it, and -100 elsewhere.
    """

    ids: Tensor
    labels: Tensor


def sheet(skill: str, words: list[str], tokenizer: PreTrainedTokenizerBase) -> Sheet:
    """Write a question on each of `words`, followed by the right answer."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    ids, labels = [], []
    for word in words:
        question = tokenizer(prompt(skill, word))["input_ids"]
        reply = tokenizer(answer(skill, word), add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        ids.append(torch.tensor(question + reply))
        labels.append(torch.tensor([-100] * len(question) + reply))
    return Sheet(pad_sequence(ids, True, tokenizer.pad_token_id), pad_sequence(labels, True, -100))


def score(model: PreTrainedModel, questions: Sheet) -> float:
    """The share of rows in which every answer token is the most likely one."""
    logits = model(questions.ids.to(model.device)).logits[:, :-1]
    labels = questions.labels[:, 1:].to(logits.device)
    right = (logits.argmax(-1) == labels) | (labels == -100)
    return int(right.all(1).sum()) / len(right)


def skills(
    model: Askable, n: int = 300, seed: int = 0, use: str = "measure", only: str | None = None
) -> dict[str, float]:  # fmt: skip
    """Measure every skill, or one, on `n` random words of that `use`; see `nbmerge.demo.skills`."""
    from nbmerge.sampling import evaluation_mode

    words = random_words(n, seed, use)
    names = SKILLS if only is None else (only,)
    default = None if isinstance(model, str | PathLike) or getattr(model, "tokenizer", None) else own_tokenizer()
    with evaluation_mode(model, default) as (evaluated, tokenizer):
        return {skill: score(evaluated, sheet(skill, words, tokenizer)) for skill in names}
