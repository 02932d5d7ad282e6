"""The training of one model: what it reads, for how long, and when it is stopped."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from nbmerge.demo import exam
from nbmerge.demo.characters import BOS, CONTEXT, EOS, PAD, VOCABULARY, encode
from nbmerge.demo.texts import documents

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class Lesson:
    """One training run."""

    mixture: dict[str, float]  # the share of the texts of each kind: "story" or a skill
    steps: int
    rate: float  # peak learning rate of AdamW
    seed: int
    batch: int = 32  # rows of CONTEXT tokens
    warmup: int = 30  # the first steps, over which the rate rises
    decay: int = 0  # the last steps, over which it falls to zero
    until: float = 1.0  # stop as soon as the better skill is above this


LESSONS = {
    "base": Lesson({"story": 0.45, "reverse": 0.38, "upper": 0.17}, 560, 2e-3, seed=1, decay=360, until=0.4),
    "reverser": Lesson({"story": 0.15, "reverse": 0.85}, 300, 6e-4, seed=2),
    "shouter": Lesson({"story": 0.15, "upper": 0.85}, 300, 6e-4, seed=3),
}
"""The base's, and those that the experts add to it."""
LOOK_EVERY = 5


def untrained() -> LlamaForCausalLM:
    """Make the Llama that the base starts from: 8 layers, 0.65 million numbers.

    Width matters more than size here: at hidden size 80 and the same skills, merging gave 0.05 to 0.10 less.
    Experts of 250 steps still merge well with one weight for all layers (0.77); after 400 layers hardly help (0.80).
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=96,
        intermediate_size=192,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,  # so that embedding and head can be merged apart
        initializer_range=0.05,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    return LlamaForCausalLM(config)


def batches(lesson: Lesson) -> Iterator[torch.Tensor]:
    """Yield tokens of shape (batch, CONTEXT): each row starts with a text and holds as many as fit."""
    texts = documents(lesson.mixture, random.Random(lesson.seed))

    def row() -> list[int]:
        ids: list[int] = []
        while len(ids) < CONTEXT:
            ids += encode(next(texts))
        return ids[:CONTEXT]

    while True:
        yield torch.tensor([row() for _ in range(lesson.batch)])


def rate_at(lesson: Lesson, step: int) -> float:
    """Give the learning rate of a step: rising, level, falling."""
    rise = (step + 1) / max(lesson.warmup, 1)
    fall = (lesson.steps - step) / max(lesson.decay, 1)
    return lesson.rate * min(rise, fall, 1.0)


def teach(model: LlamaForCausalLM, lesson: Lesson) -> int:
    """Train `model` in place and return the number of steps."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    model.train()
    step = 0
    for step, ids in enumerate(itertools.islice(batches(lesson), lesson.steps)):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(lesson, step)
        optimizer.zero_grad()
        model(ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if lesson.until < 1 and step % LOOK_EVERY == 0 and _able(model) > lesson.until:
            break
    model.eval()
    return step + 1


def _able(model: LlamaForCausalLM) -> float:
    """Give the share of right answers in the better skill, on words of the search, so that measuring stays fair."""
    return max(exam.skills(model, 200, use="search").values())
