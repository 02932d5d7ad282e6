"""A tokenizer of single characters, as an ordinary ``tokenizer.json``.

One token per letter makes both skills a matter of positions, which eight small layers can learn in minutes, and makes
every sample readable letter by letter.
"""

from __future__ import annotations

from string import ascii_letters
from typing import TYPE_CHECKING

from nbmerge.imports import import_lock

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CONTEXT = 96
"""Context length of the models in tokens; with both ends, the longest story has 86."""

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")
CHARACTERS = "\n >.,!?'-" + ascii_letters
VOCABULARY = {token: i for i, token in enumerate((*SPECIAL, *CHARACTERS))}
PAD, BOS, EOS, UNKNOWN = range(4)


def tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer; it puts ``<bos>`` before every text, as all training texts had it."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    with import_lock():
        from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{f"{name[1:-1]}_token": name for name in SPECIAL},
        model_max_length=CONTEXT,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def encode(text: str) -> list[int]:
    """Give the tokens of a whole training text, from ``<bos>`` to ``<eos>``."""
    return [BOS, *(VOCABULARY[character] for character in text), EOS]
