"""Tokens of single models that a recipe names as the source of a row."""

from __future__ import annotations

from dataclasses import dataclass

from nbmerge.model_ref import ModelRef
from nbmerge.recipe.parts import TokenSource
from nbmerge.tokenizers import Document


@dataclass(frozen=True)
class NamedToken:
    """One token of one model, by its text or its id."""

    ref: ModelRef
    token: str | int

    def find_row(self, document: Document) -> int | None:
        """Its row in the model with this tokenizer, None if the tokenizer does not contain the text."""
        return self.token if isinstance(self.token, int) else document.ids.get(self.token)


def named_token(token: str, source: TokenSource | ModelRef) -> NamedToken | None:
    """The token that a rule for `token` takes its row from, None for zeros and means.

    A rule that names only a model means the token of the same text there.
    """
    if isinstance(source, ModelRef):
        return NamedToken(source, token)
    named = source.token if source.token is not None else source.token_id
    if source.kind != "model_token" or source.model is None or named is None:
        return None
    return NamedToken(source.model, named)
