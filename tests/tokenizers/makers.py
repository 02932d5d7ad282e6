"""Small tokenizers of every kind, and models that have them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from nbmerge.tokenizers import Document
from tests.models import SPECIAL, make_model

CORPUS = (
    "the cat sat on the mat and the dog ran after the cat",
    "a merge of models is a mean of weights, weighed by hand",
    "row by row the tokens find their place in the table",
)
OTHER_CORPUS = (
    "numbers such as 12 and 345 and words like zebra quiz jumping foxes",
    "quick brown foxes jump over lazy dogs",
)
KINDS = ("BPE", "byte-level BPE", "Unigram", "WordPiece")
MARKS = {"BPE": "▁", "byte-level BPE": "Ġ", "Unigram": "▁", "WordPiece": "##"}


@cache
def train(kind: str, corpus: tuple[str, ...] = CORPUS, size: int = 60) -> Tokenizer:
    """A tokenizer of some kind with about `size` tokens; the same one each time, since training is not repeatable."""
    special = list(SPECIAL)
    if kind == "Unigram":
        made, trainer = (
            Tokenizer(models.Unigram()),
            trainers.UnigramTrainer(vocab_size=size, unk_token="<unk>", special_tokens=special),
        )
    elif kind == "WordPiece":
        made = Tokenizer(models.WordPiece(unk_token="<unk>"))
        trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=special)
    else:
        made = Tokenizer(models.BPE() if kind.startswith("byte") else models.BPE(unk_token="<unk>"))
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special)
    if kind == "byte-level BPE":
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    elif kind == "WordPiece":
        made.pre_tokenizer, made.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    else:
        made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer.show_progress = False
    made.train_from_iterator(corpus, trainer)
    return made


def document(tokenizer: Tokenizer) -> Document:
    """What its file says."""
    return Document(json.loads(tokenizer.to_str()))


def with_added(tokenizer: Tokenizer, added: Sequence[str], special: Sequence[str] = ()) -> Tokenizer:
    """A copy with added tokens, behind the others."""
    made = Tokenizer.from_str(tokenizer.to_str())
    made.add_tokens([AddedToken(t, normalized=False) for t in added])
    made.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    return made


def save(
    folder: Path, tokenizer: Tokenizer, settings: Mapping | None = None, generation: Mapping | None = None
) -> Path:
    """Write tokenizer files as transformers does."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **special,
        **(settings or {}),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps(generation or {"bos_token_id": 1, "eos_token_id": 2}))
    return folder


def model(
    folder: Path,
    tokenizer: Tokenizer,
    *,
    padding: int = 0,
    settings: Mapping | None = None,
    generation: Mapping | None = None,
    **sizes,
) -> Path:
    """A model of one layer with a row for each token, and `padding` more."""
    rows = tokenizer.get_vocab_size(with_added_tokens=True) + padding
    make_model(folder, vocab=rows, tokenizer=False, **{"layers": 1, **sizes})
    return save(folder, tokenizer, settings, generation)


def letters(added: Sequence[str] = ()) -> Tokenizer:
    """128 ordinary tokens and some added ones, like those of the recorded cases."""
    vocabulary = {t: i for i, t in enumerate([*SPECIAL, *(chr(0x4E00 + i) for i in range(125))])}
    made = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    made.add_special_tokens(list(SPECIAL))
    made.add_tokens([AddedToken(t, normalized=False) for t in added])
    return made


def rows(folder: Path, name: str = "model.embed_tokens.weight") -> torch.Tensor:
    """One tensor of a model folder."""
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")[name]
