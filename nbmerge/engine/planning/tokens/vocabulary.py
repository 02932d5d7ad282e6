"""One vocabulary for models with several: which rows each model's embedding and head get, and which tokenizer is written.

There are two kinds: `ByToken` if the recipe chooses the tokens of the result, `BySize` if only the numbers of rows have to
agree. Both replace the inputs of a tensor by `Rows`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.tokens.gathered_rows import Rows
from nbmerge.engine.planning.tokens.named_tokens import named_token
from nbmerge.engine.planning.tokens.pursuit_rows import approximate_rows
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.recipe.parts import TokenRule, TokenSource
from nbmerge.tokenizers import Document, OutputTokenizer
from nbmerge.tokenizers.alignment import default, extended, filled, only, places, weighted_owners
from nbmerge.tokenizers.subtokens import subtoken_entries
from nbmerge.tokenizers.table import MEAN, Entries, Table

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput


def has_vocabulary(checkpoint: Checkpoint, name: str, kind: str, shape: Sequence[int]) -> bool:
    """Whether a tensor has one row for each token: the token embedding, and heads that are as long."""
    if kind not in ("embedding", "head") or checkpoint.token_embedding is None or not shape:
        return False
    embeds = name == checkpoint.token_embedding or (kind == "embedding" and "embed_tokens" in name)
    return (embeds or kind == "head") and shape[0] == checkpoint.vocabulary


def find_tensor(checkpoint: Checkpoint, name: str) -> TensorInput | None:
    """A model's tensor of that name, None if it has none; the head of a tied model is its token embedding."""
    shares = checkpoint.tied and name.endswith("weight") and checkpoint.layout.place(name).kind == "head"
    own = checkpoint.token_embedding if shares else name
    return None if own is None else checkpoint.tensors.get(own)


class _Vocabulary(ABC):
    """What both kinds have in common."""

    written: OutputTokenizer | None
    """The tokenizer of the result, None if it is the donor's."""

    def __init__(self, recipe: Recipe, checkpoints: Mapping[ModelRef, Checkpoint]):
        self.recipe, self.checkpoints = recipe, checkpoints

    def concerns(self, refs: Sequence[ModelRef], name: str, kind: str, found: Sequence[TensorInput]) -> bool:
        """Whether a tensor's inputs have a row for each token."""
        return all(has_vocabulary(self.checkpoints[r], name, kind, f.shape) for r, f in zip(refs, found, strict=True))

    def align_inputs(
        self, refs: Sequence[ModelRef], name: str, kind: str, found: Sequence[TensorInput]
    ) -> tuple[TensorInput, ...]:
        """A tensor's inputs, aligned if they have a row for each token."""
        return self._align(refs, name, found) if self.concerns(refs, name, kind, found) else tuple(found)

    @abstractmethod
    def _align(self, refs: Sequence[ModelRef], name: str, found: Sequence[TensorInput]) -> tuple[TensorInput, ...]:
        """The inputs of one tensor, aligned."""


class ByToken(_Vocabulary):
    """Rows by their tokens: the recipe chooses the tokens of the result.

    Parameters
    ----------
    documents : mapping of ModelRef to Document
        Every model's tokenizer.
    document : Document
        The result's.
    donor : Checkpoint, optional
        A model that is not merged, whose tokenizer the result has.
    """

    written: OutputTokenizer

    def __init__(
        self,
        recipe: Recipe,
        checkpoints: Mapping[ModelRef, Checkpoint],
        *,
        documents: Mapping[ModelRef, Document],
        document: Document,
        written: OutputTokenizer,
        donor: Checkpoint | None = None,
    ):
        super().__init__(recipe, checkpoints)
        self.documents, self.document, self.written, self.donor = documents, document, written, donor
        voting = [r for r in base_first(recipe) if r in documents]
        self.refs = [*voting, *(r for r in documents if r not in voting)]
        """Every model whose rows are used: those of the recipe, then those that only its `tokens` name."""
        self.voting = len(voting)
        step = recipe.tokenizer.pad_to_multiple_of if recipe.tokenizer else None
        self.rows = document.size if not step else -(-document.size // step) * step

    @property
    def by_owner(self) -> bool:
        """Whether a row is the mean over the models that own its token, instead of merged by the recipe's method."""
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
        """The recipe's rules for single tokens, by row."""
        rules = self.recipe.tokenizer.tokens if self.recipe.tokenizer else {}
        found: dict[int, tuple[TokenRule, Entries]] = {}
        for token, rule in rules.items():
            row = self.document.ids.get(token)
            if row is not None and rule.source is not None:
                found[row] = (rule, self._entries(token, rule.source))
        return found

    def _entries(self, token: str, source: TokenSource | ModelRef) -> Entries:
        """The rows that the row of a token is made of by its rule."""
        if isinstance(source, TokenSource) and source.kind == "zero":
            return ()
        named = named_token(token, source)
        if named is not None:
            row = named.find_row(self.documents[named.ref])
            return [(self.refs.index(named.ref), -1 if row is None else row, 1.0)]
        own = self.place[:, self.document.ids[token]]
        owners = np.flatnonzero(own >= 0).tolist()
        return [(m, int(own[m]), 1 / len(owners)) for m in owners] or [(0, MEAN, 1.0)]

    @cached_property
    def approximate(self) -> dict[ModelRef, dict[int, Entries]]:
        """For tokens that no model owns, the mean of the tokens that each model's own tokenizer splits them into."""
        unowned = np.flatnonzero((self.place < 0).all(axis=0)).tolist()
        texts = self.document.texts
        wanted = [(i, texts[i]) for i in unowned if i not in self.special and i in texts]
        if not wanted:
            return {r: {} for r in self.refs}
        return {
            r: subtoken_entries(self.document, wanted, self.documents[r], m, self.rows_of(r))
            for m, r in enumerate(self.refs)
        }

    def _sources(
        self, refs: Sequence[ModelRef], name: str, found: Sequence[TensorInput]
    ) -> tuple[list[TensorInput], np.ndarray]:
        """Every model's tensor of this name and width, and their places; a model without one owns no rows of it."""
        given, place = dict(zip(refs, found, strict=True)), self.place
        sources: list[TensorInput] = []
        for m, ref in enumerate(self.refs):
            own = given.get(ref) or find_tensor(self.checkpoints[ref], name)
            if own is not None and self._fits(ref, own, found[0]):
                sources.append(own)
            else:
                sources.append(found[0])
                place = np.where(np.arange(len(place))[:, None] == m, -1, place)
        return sources, place

    def _fits(self, ref: ModelRef, own: TensorInput, other: TensorInput) -> bool:
        """Whether a model's tensor has a row for each of its tokens, of the same width as another's."""
        return own.is_float and own.shape[1:] == other.shape[1:] and own.shape[0] == self.rows_of(ref)

    def _align(self, refs: Sequence[ModelRef], name: str, found: Sequence[TensorInput]) -> tuple[TensorInput, ...]:
        sources, place = self._sources(refs, name, found)
        base = self.refs.index(self.recipe.base_model) if self.recipe.base_model in self.refs else None
        weights = default(place, base)
        forced = [row for row, (rule, _) in self.special.items() if rule.force]
        aligned: list[TensorInput] = []
        for ref, own in zip(refs, found, strict=True):
            others = {**self.approximate[ref], **{row: entries for row, (_, entries) in self.special.items()}}
            table = filled(place, self.refs.index(ref), weights, others, forced)
            rows = _gather(own, sources, table)
            if isinstance(rows, Rows) and self._pursuit_donor is not None:
                rows = self._approximate(rows, sources, table, self._pursuit_donor, ref, name, place)
            aligned.append(rows)
        return tuple(aligned)

    @property
    def _pursuit_donor(self) -> Checkpoint | None:
        """The model in whose space missing tokens are approximated, None if the recipe does not ask for that."""
        tokenizer = self.recipe.tokenizer
        return self.donor if tokenizer is not None and tokenizer.approximate == "pursuit" else None

    def _approximate(
        self,
        rows: Rows,
        sources: Sequence[TensorInput],
        table: Table,
        donor: Checkpoint,
        ref: ModelRef,
        name: str,
        place: np.ndarray,
    ) -> Rows:
        """The same rows, with tokens that no model owns approximated in the donor's space."""
        m, theirs_name = self.refs.index(ref), _corresponding_name(donor, self.checkpoints[ref], name)
        matrix = None if theirs_name is None else find_tensor(donor, theirs_name)
        if matrix is None or matrix.shape[0] != donor.vocabulary:
            return rows
        theirs = places(self.document, self.rows, self.document, matrix.shape[0])
        both = np.flatnonzero((place[m] >= 0) & (theirs >= 0))
        missing = (place < 0).all(axis=0) & (theirs >= 0)
        missing[list(self.special)] = False
        wanted = np.array([i for i in np.flatnonzero(missing).tolist() if i in self.document.texts], np.int64)
        if not len(wanted) or not len(both):
            return rows
        return approximate_rows(
            rows,
            sources,
            table,
            model=m,
            donor=matrix,
            shared=(theirs[both], place[m][both]),
            wanted=(wanted, theirs[wanted]),
        )

    def align_by_owner(
        self, refs: Sequence[ModelRef], name: str, found: Sequence[TensorInput], weights: Sequence[float]
    ) -> tuple[TensorInput, ...]:
        """Inputs whose weighted mean is, for each token, the weighted mean of the inputs that own it.

        A model without a token gets the weighted mean of the models with it, so it has no effect on that row.
        """
        sources, place = self._sources(refs, name, found)
        votes: list[float | None] = [None] * len(self.refs)
        for ref, weight in zip(refs, weights, strict=True):
            m = self.refs.index(ref)
            votes[m] = weight + (votes[m] or 0.0)
        shares = weighted_owners(place, votes)
        tables = [filled(place, self.refs.index(r), shares, self.approximate[r]) for r in refs]
        return tuple(_gather(own, sources, t) for own, t in zip(found, tables, strict=True))

    def align_for_slerp(
        self, refs: Sequence[ModelRef], name: str, found: Sequence[TensorInput]
    ) -> tuple[TensorInput, ...]:
        """For ``embed_slerp``: two inputs with zeros for the tokens they do not have, and the rows that only one owns."""
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


def _gather(own: TensorInput, sources: Sequence[TensorInput], table: Table) -> TensorInput:
    """Rows by a table, or the matrix itself if the table changes nothing."""
    return own if table.identity and len(table) == own.shape[0] else Rows.of(own, sources, table)


def _corresponding_name(donor: Checkpoint, own: Checkpoint, name: str) -> str | None:
    """The donor's name of the token embedding or head that a model calls `name`."""
    if name in donor.tensors:
        return name
    if name == own.token_embedding:
        return donor.token_embedding
    heads = (n for n in donor.layout.outside("head") if n.endswith(name.rsplit(".", 1)[-1]))
    return next(heads, donor.token_embedding)


class BySize(_Vocabulary):
    """Rows by their number alone: `vocabulary` in the recipe, or padding without tokens.

    Parameters
    ----------
    mode : str
        How rows are added or removed, see `nbmerge.tokenizers.alignment.extended`.
    rows : int
        Rows of the result.
    longest : ModelRef
        The model with the most rows.
    """

    def __init__(
        self,
        recipe: Recipe,
        checkpoints: Mapping[ModelRef, Checkpoint],
        *,
        mode: str,
        rows: int,
        longest: ModelRef,
        written: OutputTokenizer | None,
    ):
        super().__init__(recipe, checkpoints)
        self.mode, self.rows, self.longest, self.written = mode, rows, longest, written

    def _align(self, refs: Sequence[ModelRef], name: str, found: Sequence[TensorInput]) -> tuple[TensorInput, ...]:
        long = find_tensor(self.checkpoints[self.longest], name)
        return tuple(self._resize(own, long) for own in found)

    def _resize(self, own: TensorInput, long: TensorInput | None) -> TensorInput:
        """A matrix with the rows of the result."""
        short = own.shape[0]
        if short == self.rows:
            return own
        if long is None or long.shape[1:] != own.shape[1:]:
            return own  # the shapes differ in more than rows, which is an error for any tensor
        table = extended(self.mode, short, long.shape[0], self.rows)
        return Rows.of(own, (own, long), table, own.dtype)


def base_first(recipe: Recipe) -> list[ModelRef]:
    """The models of a recipe: the base model first, then the others in the order named."""
    refs = recipe.references
    return list(dict.fromkeys([*([recipe.base_model] if recipe.base_model else []), *refs]))
