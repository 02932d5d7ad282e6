"""One vocabulary of several: the first model's tokens with their ids, then the additional tokens of the others."""

from __future__ import annotations

from functools import lru_cache

from nbmerge.tokenizers.document import Document, Token


@lru_cache(maxsize=8)
def union(documents: tuple[Document, ...]) -> Document:
    """Join vocabularies.

    The result splits text like the first one. Added tokens of the others are recognised as in theirs, with their flags.
    Ordinary tokens of a vocabulary that extends the first (same merges or scores, and more) are used as in theirs.
    Ordinary tokens of an unrelated vocabulary get an id and a row, but are used only where the first has no token for a
    piece of text: otherwise every text would be split in a way that neither model was trained on.

    Parameters
    ----------
    documents : tuple of Document
        In the order of the recipe; the first one keeps its ids.
    """
    first, *others = documents
    made = first
    for other in others:
        if other is not first:
            made = _joined(made, other, first)
    return made


def _joined(made: Document, other: Document, first: Document) -> Document:
    new = sorted(other.ids.keys() - made.ids.keys(), key=other.ids.__getitem__)
    if not new:
        return made
    ordinary = {text for text in new if text not in other.added}
    related = bool(ordinary) and other.extends(first)
    low = min(first.scores, default=0.0) - 10.0  # the score that a Unigram model gives an unknown character
    tokens = []
    for text in new:
        i = other.ids[text]
        score = other.scores[i] if related and i < len(other.scores) else (low * len(text) - 1.0)
        tokens.append(Token(text, other.added.get(text), score))
    merges = [m for m in other.merges[len(first.merges) :] if m[0] + m[1] in ordinary] if related else []
    return made.extended(tokens, merges)


@lru_cache(maxsize=8)
def without(document: Document, tokens: frozenset[str]) -> Document:
    """A document without some tokens; cached, so that equal arguments return the same document."""
    return document.without(tokens)


@lru_cache(maxsize=8)
def named(document: Document, texts: tuple[str, ...]) -> Document:
    """A document with tokens that a recipe names and no model has, as added tokens that are never split."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    new = [Token(text, flags) for text in dict.fromkeys(texts) if text not in document.ids]
    return document.extended(new) if new else document
