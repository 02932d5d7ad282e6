"""Splitting a token that a model does not have into tokens that it has: the simplest way to make a row for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from nbmerge.tokenizers.document import Document
from nbmerge.tokenizers.table import Entries

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def subtoken_entries(
    document: Document, tokens: Sequence[tuple[int, str]], own: Document, source: int, rows: int
) -> dict[int, Entries]:
    """For tokens of one vocabulary, the mean of the rows of the tokens that another splits their text into.

    Parameters
    ----------
    document : Document
        The vocabulary that the tokens belong to.
    tokens : sequence of (int, str)
        Their rows in the result and their texts.
    own : Document
        The model's own tokenizer.
    source : int
        Number of the model's matrix.
    rows : int
        Its rows.

    Returns
    -------
    dict of int to entries
        Tokens whose text the model cannot split are omitted.
    """
    tokenizer, own_tokenizer = backend(document), backend(own)
    texts = [_text(document, tokenizer, token) for _, token in tokens]
    found: dict[int, Entries] = {}
    for (i, _), encoding in zip(tokens, own_tokenizer.encode_batch(texts, add_special_tokens=False), strict=True):
        ids = [n for n in encoding.ids if n < rows and n != own.unknown]
        if ids:
            found[i] = [(source, n, 1.0 / len(ids)) for n in ids]
    return found


def _text(document: Document, tokenizer: Tokenizer, token: str) -> str:
    """The text of a token; a marker for a leading space becomes a space."""
    if token in document.added:
        return token
    text = tokenizer.decode([document.ids[token]], skip_special_tokens=False)
    spaced = token.startswith(("▁", "Ġ")) and not text.startswith(" ")
    return f" {text}" if spaced else text


@lru_cache(maxsize=8)
def backend(document: Document) -> Tokenizer:
    """The tokenizer of the `tokenizers` library that a document describes."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(document.data))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
