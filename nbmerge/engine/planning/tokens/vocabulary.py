"""One vocabulary for models that have several: which rows each model's embedding and head get, and which tokenizer is written.

The planner makes one of two: `ByToken` where the recipe says whose tokens the result has, `BySize` where only the numbers
of rows are to be brought together. Both turn the inputs of a tensor into `Rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.pursuit_rows import pursued
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.parts import TokenRule
from nbmerge.tokenizers import Document, OutputTokenizer
from nbmerge.tokenizers.alignment import default, extended, filled, only, places, weighted_owners
from nbmerge.tokenizers.subtokens import subtoken_entries
from nbmerge.tokenizers.table import MEAN, Entries


def has_vocabulary(checkpoint: Checkpoint, name: str, kind: str, shape: Sequence[int]) -> bool:
    """Whether a tensor has one row for each token: the token embedding, and heads that are as long."""
    if kind not in ("embedding", "head") or checkpoint.token_embedding is None or not shape:
        return False
    embeds = name == checkpoint.token_embedding or (kind == "embedding" and "embed_tokens" in name)
    return (embeds or kind == "head") and shape[0] == checkpoint.vocabulary


def stored(checkpoint: Checkpoint, name: str):
    """A model's tensor of that name, or what it has in its place: a tied model's head is its embedding; else None."""
    shares = checkpoint.tied and name.endswith("weight") and checkpoint.layout.place(name).kind == "head"
    return checkpoint.tensors.get(checkpoint.token_embedding if shares else name)


class _Vocabulary:
    """What both have in common."""

    written: OutputTokenizer | None = None

    def __init__(self, recipe: Recipe, checkpoints: Mapping[ModelRef, Checkpoint]):
        self.recipe, self.checkpoints = recipe, checkpoints

    by_owner = False
    """Whether a row is the mean of the models that own its token, in place of the recipe's method."""

    def concerns(self, refs: Sequence[ModelRef], name: str, kind: str, found: Sequence[Any]) -> bool:
        """Whether a tensor's inputs have a row for each token."""
        return all(has_vocabulary(self.checkpoints[r], name, kind, f.shape) for r, f in zip(refs, found, strict=True))

    def inputs(self, refs: Sequence[ModelRef], name: str, kind: str, found: Sequence[Any]) -> tuple[Any, ...]:
        """A tensor's inputs, aligned where they have a row for each token."""
        return self._aligned(refs, name, found) if self.concerns(refs, name, kind, found) else tuple(found)

    def _aligned(self, refs: Sequence[ModelRef], name: str, found: Sequence[Any]) -> tuple[Any, ...]:
        raise NotImplementedError


class ByToken(_Vocabulary):
    """The recipe says whose tokens the result has.

    Parameters
    ----------
    documents : mapping of ModelRef to Document
        Every model's tokenizer.
    document : Document
        The result's.
    donor : Checkpoint, optional
        A model that is not merged, whose tokenizer the result has.
    """

    def __init__(
        self, recipe, checkpoints, *, documents: Mapping[ModelRef, Document], document: Document, written: OutputTokenizer,
        donor: Checkpoint | None = None,
    ):  # fmt: skip
        super().__init__(recipe, checkpoints)
        self.documents, self.document, self.written, self.donor = documents, document, written, donor
        voting = [r for r in in_order(recipe) if r in documents]
        self.refs = [*voting, *(r for r in documents if r not in voting)]
        """Every model whose rows are used: those of the recipe, then those that only its `tokens` name."""
        self.voting = len(voting)
        step = recipe.tokenizer.pad_to_multiple_of if recipe.tokenizer else None
        self.rows = document.size if not step else -(-document.size // step) * step

    @property
    def by_owner(self) -> bool:
        """Whether a row is the mean of the models that own its token, in place of the recipe's method."""
        wanted = self.recipe.wanted_tokenizer
        return wanted is not None and wanted.rows == "owners"

    @cached_property
    def place(self) -> np.ndarray:
        """The row that each model has for each token: shape (models, rows)."""
        found = [places(self.document, self.rows, self.documents[r], self.rows_of(r)) for r in self.refs[: self.voting]]
        return np.stack([*found, *[np.full(self.rows, -1)] * (len(self.refs) - self.voting)])

    def rows_of(self, ref: ModelRef) -> int:
        """Rows of a model's embedding."""
        return self.checkpoints[ref].vocabulary or 0

    @cached_property
    def special(self) -> dict[int, tuple[TokenRule, Entries]]:
        """What the recipe says of single tokens, by row."""
        rules = self.recipe.tokenizer.tokens if self.recipe.tokenizer else {}
        found = {}
        for token, rule in rules.items():
            row = self.document.ids.get(token)
            if row is not None and rule.source is not None:
                found[row] = (rule, self._entries(token, rule.source))
        return found

    def _entries(self, token: str, source) -> Entries:
        kind = "model_token" if isinstance(source, ModelRef) else source.kind
        if kind == "zero":
            return ()
        if kind == "mean":
            owners = np.flatnonzero(self.place[:, self.document.ids[token]] >= 0).tolist()
            return [(m, int(self.place[m, self.document.ids[token]]), 1 / len(owners)) for m in owners] or [
                (0, MEAN, 1.0)
            ]
        ref = source if isinstance(source, ModelRef) else source.model
        text = token if isinstance(source, ModelRef) else source.token
        row = self.documents[ref].ids.get(text, -1) if text is not None else source.token_id
        return [(self.refs.index(ref), int(row), 1.0)]

    @cached_property
    def approximate(self) -> dict[ModelRef, dict[int, Entries]]:
        """For tokens that no model owns, the mean of what each model's own tokenizer cuts them into."""
        nobody = np.flatnonzero((self.place < 0).all(axis=0)).tolist()
        texts = self.document.texts
        wanted = [(i, texts[i]) for i in nobody if i not in self.special and i in texts]
        if not wanted:
            return {r: {} for r in self.refs}
        return {
            r: subtoken_entries(self.document, wanted, self.documents[r], m, self.rows_of(r))
            for m, r in enumerate(self.refs)
        }

    def _sources(self, refs: Sequence[ModelRef], name: str, found: Sequence[Any]) -> tuple[list, np.ndarray]:
        """Every model's tensor of this name and width, and their places; a model without one owns nothing here."""
        given, place = dict(zip(refs, found, strict=True)), self.place
        sources = []
        for m, ref in enumerate(self.refs):
            own = given.get(ref) or stored(self.checkpoints[ref], name)
            fits = (
                own is not None
                and own.is_float
                and own.shape[1:] == found[0].shape[1:]
                and own.shape[0] == self.rows_of(ref)
            )
            if not fits:
                place = np.where(np.arange(len(place))[:, None] == m, -1, place)
            sources.append(own if fits else found[0])
        return sources, place

    def _aligned(self, refs: Sequence[ModelRef], name: str, found: Sequence[Any]) -> tuple[Any, ...]:
        sources, place = self._sources(refs, name, found)
        base = self.refs.index(self.recipe.base_model) if self.recipe.base_model in self.refs else None
        weights = default(place, base)
        forced = [row for row, (rule, _) in self.special.items() if rule.force]
        aligned = []
        for ref, own in zip(refs, found, strict=True):
            others = {**self.approximate[ref], **{row: entries for row, (_, entries) in self.special.items()}}
            table = filled(place, self.refs.index(ref), weights, others, forced)
            as_it_is = table.identity and len(table) == own.shape[0]
            rows = own if as_it_is else Rows.of(own, sources, table)
            aligned.append(
                self._pursued(rows, sources, table, self.refs.index(ref), name, place) if self._pursues else rows
            )
        return tuple(aligned)

    @property
    def _pursues(self) -> bool:
        return self.donor is not None and getattr(self.recipe.tokenizer, "approximate", None) == "pursuit"

    def _pursued(self, rows, sources: Sequence[Any], table, m: int, name: str, place: np.ndarray):
        """The same rows, with tokens that nobody owns approximated in the donor's space."""
        matrix = stored(
            self.donor, name if name in self.donor.tensors else _like(self.donor, self.checkpoints[self.refs[m]], name)
        )
        if matrix is None or matrix.shape[0] != self.donor.vocabulary:
            return rows
        theirs = places(self.document, self.rows, self.document, matrix.shape[0])
        both = np.flatnonzero((place[m] >= 0) & (theirs >= 0))
        lacking = (place < 0).all(axis=0) & (theirs >= 0)
        lacking[list(self.special)] = False
        wanted = np.array([i for i in np.flatnonzero(lacking).tolist() if i in self.document.texts], np.int64)
        if not len(wanted) or not len(both):
            return rows
        return pursued(rows, tuple(sources), table, m, matrix, (theirs[both], place[m][both]), (wanted, theirs[wanted]))

    def owned(
        self, refs: Sequence[ModelRef], name: str, found: Sequence[Any], weights: Sequence[float]
    ) -> tuple[Any, ...]:
        """Inputs whose weighted mean is, for each token, the weighted mean of the inputs that own it.

        A model that lacks a token gets the weighted mean of those that have it, so it changes nothing there.
        """
        sources, place = self._sources(refs, name, found)
        votes: list[float | None] = [None] * len(self.refs)
        for ref, weight in zip(refs, weights, strict=True):
            m = self.refs.index(ref)
            votes[m] = weight + (votes[m] or 0.0)
        shares = weighted_owners(place, votes)
        tables = [filled(place, self.refs.index(r), shares, self.approximate[r]) for r in refs]
        return tuple(
            own if t.identity and len(t) == own.shape[0] else Rows.of(own, sources, t)
            for own, t in zip(found, tables, strict=True)
        )

    def arc(self, refs: Sequence[ModelRef], name: str, found: Sequence[Any]) -> tuple[Any, ...]:
        """Two inputs, zero where they lack a token, and the rows of what only one of them owns; for ``embed_slerp``."""
        sources, place = self._sources(refs, name, found)
        a, b = (self.refs.index(r) for r in refs)
        both = (place[a] >= 0) & (place[b] >= 0)
        rest = filled(np.where(both, -1, place), a, weighted_owners(place, _only(a, b, len(self.refs))), {
            **self.approximate[refs[0]], **{i: () for i in np.flatnonzero(both).tolist()},
        })  # fmt: skip
        tables = (only(place, a), only(place, b), rest)
        return tuple(Rows.of(own, sources, t) for own, t in zip((found[0], found[1], found[0]), tables, strict=True))


def _only(a: int, b: int, n: int) -> list[float | None]:
    return [1.0 if m in (a, b) else None for m in range(n)]


def _like(donor: Checkpoint, own: Checkpoint, name: str) -> str:
    """The donor's name of what a model calls `name`: its token embedding, or its head."""
    if name == own.token_embedding:
        return donor.token_embedding
    return next(
        iter(n for n in donor.layout.outside("head") if n.endswith(name.rsplit(".", 1)[-1])), donor.token_embedding
    )


class BySize(_Vocabulary):
    """Only the numbers of rows are brought together: `vocabulary` in the recipe, or padding that nobody uses."""

    def __init__(
        self, recipe, checkpoints, *, mode: str, rows: int, longest: ModelRef, written: OutputTokenizer | None
    ):
        super().__init__(recipe, checkpoints)
        self.mode, self.rows, self.longest, self.written = mode, rows, longest, written

    def _aligned(self, refs: Sequence[ModelRef], name: str, found: Sequence[Any]) -> tuple[Any, ...]:
        long = stored(self.checkpoints[self.longest], name)
        return tuple(self._sized(own, long) for own in found)

    def _sized(self, own, long):
        short = own.shape[0]
        if short == self.rows:
            return own
        if long is None or long.shape[1:] != own.shape[1:]:
            return own  # shapes differ in more than rows: refused like any other tensor
        table = extended(self.mode, short, long.shape[0], self.rows)
        return Rows.of(own, (own, long), table, own.dtype)


def in_order(recipe: Recipe) -> list[ModelRef]:
    """The base model first, then the others in the order named."""
    refs = recipe.references
    return list(dict.fromkeys([*([recipe.base_model] if recipe.base_model else []), *refs]))
