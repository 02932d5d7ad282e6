"""How the tokenizers of several models differ: tokens, ids, special tokens, chat templates, and the tokens of a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbmerge.tokenizers.document import Document, read_document
from nbmerge.tokenizers.output_tokenizer import CONFIG, chat_template, read_json
from nbmerge.tokenizers.subtokens import backend

SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True)
class TokenizerComparison:
    """The tokenizers of several models side by side, without models that have no tokenizer.json.

    Parameters
    ----------
    documents : mapping of str to Document
        By model, in order; the others are compared with the first.
    specials : mapping of str to mapping
        By model, text of each special token that it has.
    templates : mapping of str to str or None
        By model, its chat template.
    """

    documents: Mapping[str, Document]
    specials: Mapping[str, Mapping[str, str]]
    templates: Mapping[str, str | None]

    @classmethod
    def of(cls, folders: Mapping[str, Path]) -> TokenizerComparison:
        """Compare the tokenizers of model folders.

        Raises
        ------
        CheckpointError
            When one of their files is damaged.
        """
        documents = {m: d for m, folder in folders.items() if (d := read_document(folder)) is not None}
        settings = {m: read_json(folders[m] / CONFIG) for m in documents}
        specials = {m: {k: _text(s[k]) for k in SPECIAL if s.get(k)} for m, s in settings.items()}
        return cls(documents, specials, {m: chat_template(folders[m]) for m in documents})

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are compared."""
        return tuple(self.documents)

    def own(self, model: str) -> list[str]:
        """Tokens that only this model has, in the order of their numbers."""
        return list(_own(self.documents[model], self._others(model)))

    def lacking(self, model: str) -> list[str]:
        """Tokens that another model has but this one does not, in alphabetical order."""
        return list(_lacking(self.documents[model], self._others(model)))

    def moved(self, model: str) -> list[str]:
        """Tokens that have a different id in this model than in the first."""
        return list(_moved(self.documents[self.models[0]], self.documents[model]))

    def _others(self, model: str) -> tuple[Document, ...]:
        return tuple(d for m, d in self.documents.items() if m != model)

    def cut(self, text: str) -> dict[str, list[tuple[str, int]]]:
        """By model, the tokens of a text with their ids, without special tokens around it."""
        cuts = {m: backend(d).encode(text, add_special_tokens=False) for m, d in self.documents.items()}
        return {m: list(zip(c.tokens, c.ids, strict=True)) for m, c in cuts.items()}

    def facts(self) -> Iterator[str]:
        """Describe the differences, one sentence each."""
        if len({id(d) for d in self.documents.values()}) > 1:
            for model in self.models:
                if own := self.own(model):
                    yield f"{model} has {_some(own)} that no other model has."
                if moved := self.moved(model):
                    yield f"{model} has different ids than {self.models[0]} for {_some(moved)}."
        for name in SPECIAL:
            texts = {m: s.get(name, "none") for m, s in self.specials.items()}
            if len(set(texts.values())) > 1:
                yield f"{name} differs: {', '.join(f'{m} {t}' for m, t in texts.items())}."
        if len(set(self.templates.values())) > 1:
            kinds = list(dict.fromkeys(self.templates.values()))
            groups = [
                ", ".join(m for m, t in self.templates.items() if t == k) + (" (none)" if k is None else "")
                for k in kinds
            ]
            yield f"chat templates differ: {' | '.join(groups)}."


@lru_cache(maxsize=32)
def _own(document: Document, others: tuple[Document, ...]) -> tuple[str, ...]:
    """Cached like all that follows, because plans are made at every move of a slider."""
    left = set(document.ids).difference(*(other.ids for other in others))
    return tuple(sorted(left, key=document.ids.__getitem__))


@lru_cache(maxsize=32)
def _lacking(document: Document, others: tuple[Document, ...]) -> tuple[str, ...]:
    return tuple(sorted(set().union(*(d.ids for d in others)) - document.ids.keys()))


@lru_cache(maxsize=32)
def _moved(first: Document, document: Document) -> tuple[str, ...]:
    ids, before = document.ids, first.ids
    if ids is before:
        return ()
    return tuple(sorted((t for t, i in ids.items() if before.get(t, i) != i), key=ids.__getitem__))


def _text(token: Mapping[str, Any] | str) -> str:
    return str(token.get("content", "")) if isinstance(token, Mapping) else str(token)


def _some(tokens: Sequence[str], most: int = 4) -> str:
    shown = ", ".join(repr(t) for t in tokens[:most])
    return f"{len(tokens)} token{'s' if len(tokens) > 1 else ''} ({shown}{', ...' if len(tokens) > most else ''})"
