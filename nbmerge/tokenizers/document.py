"""tokenizer.json as data: its kind, its tokens, and the changes that a merge needs. Nothing in it is executed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from nbmerge.bounded import TOKENIZER_MEMORY
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json

FILE = "tokenizer.json"
MOST_UNUSED = 200_000
"""Ids that may have no token, in addition to as many as there are tokens: tables of rows are as long as the highest id."""
KINDS = ("BPE", "byte-level BPE", "Unigram", "WordPiece", "WordLevel")


@dataclass(frozen=True, slots=True)
class Token:
    """A token to be added to a vocabulary.

    Parameters
    ----------
    text : str
    flags : dict, optional
        Its entry among the added tokens (special, lstrip, ...); None for a token of the model itself.
    score : float
        Its log probability, in a Unigram model.
    """

    text: str
    flags: Mapping[str, Any] | None = None
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class Document:
    """The contents of a tokenizer.json; immutable, every change makes a new one.

    Parameters
    ----------
    data : dict
    """

    data: Mapping[str, Any]

    @property
    def model(self) -> Mapping[str, Any]:
        """The part that splits words into tokens."""
        return self.data["model"]

    @cached_property
    def kind(self) -> str:
        """One of `KINDS`."""
        kind = self.model.get("type")
        if isinstance(self.model["vocab"], list):
            return "Unigram"
        if kind is None:
            kind = (
                "BPE"
                if "merges" in self.model
                else "WordPiece"
                if "continuing_subword_prefix" in self.model
                else "WordLevel"
            )
        return (
            "byte-level BPE" if kind == "BPE" and '"ByteLevel"' in json.dumps(self.data.get("pre_tokenizer")) else kind
        )

    @cached_property
    def model_ids(self) -> dict[str, int]:
        """Ids of the model's own tokens."""
        listed = self.model["vocab"]
        return {token: i for i, (token, *_) in enumerate(listed)} if isinstance(listed, list) else listed

    @cached_property
    def added(self) -> dict[str, Mapping[str, Any]]:
        """Added tokens with their flags, by text."""
        return {entry["content"]: entry for entry in self.data.get("added_tokens") or ()}

    @cached_property
    def ids(self) -> dict[str, int]:
        """Ids of all tokens, including added tokens."""
        return self.model_ids | {token: entry["id"] for token, entry in self.added.items()}

    @cached_property
    def texts(self) -> dict[int, str]:
        """All tokens by id."""
        return {i: token for token, i in self.ids.items()}

    @property
    def unknown(self) -> int | None:
        """Id of the token for text that has no other token."""
        return self.model.get("unk_id", self.ids.get(str(self.model.get("unk_token"))))

    @cached_property
    def size(self) -> int:
        """One more than the highest id."""
        return 1 + max(self.ids.values(), default=-1)

    @cached_property
    def merges(self) -> list[tuple[str, str]]:
        """A BPE model's merges, the first to be applied first."""
        return [tuple(m) if isinstance(m, list) else tuple(m.split(" ", 1)) for m in self.model.get("merges") or ()]

    @cached_property
    def scores(self) -> list[float]:
        """A Unigram model's log probabilities."""
        return [entry[1] for entry in self.model["vocab"]] if self.kind == "Unigram" else []

    def extends(self, other: Document) -> bool:
        """Whether this one splits text like the other and has more tokens: the other's tokens and merges come first."""
        parts = ("normalizer", "pre_tokenizer")
        if self.kind != other.kind or any(self.data.get(p) != other.data.get(p) for p in parts):
            return False
        if not other.model_ids.items() <= self.model_ids.items():
            return False
        mine, theirs, n = self.model.get("merges") or [], other.model.get("merges") or [], len(other.scores)
        same = mine[: len(theirs)] == theirs or self.merges[: len(theirs)] == other.merges
        return same and self.scores[:n] == other.scores

    def extended(self, tokens: Sequence[Token], merges: Sequence[tuple[str, str]] = ()) -> Document:
        """A document with tokens appended in this order, and with merges appended."""
        model, added = dict(self.model), list(self.data.get("added_tokens") or ())
        numbered = list(enumerate(tokens, self.size))
        own = [(i, token) for i, token in numbered if token.flags is None]
        added += [{**token.flags, "id": i, "content": token.text} for i, token in numbered if token.flags is not None]
        if own:
            model["vocab"] = self._vocab_with(own, added)
        if merges:
            model["merges"] = _with_merges(model["merges"], merges)
        return Document({**self.data, "added_tokens": added, "model": model})

    def _vocab_with(
        self, own: Sequence[tuple[int, Token]], added: Sequence[Mapping[str, Any]]
    ) -> list[Any] | dict[str, int]:
        """The model's own vocabulary with tokens added to it."""
        listed = self.model["vocab"]
        if isinstance(listed, list):
            return self._list_up_to(own, added)
        # The library renumbers added tokens after the model's own, unless the model lists them as well.
        return {**listed, **{entry["content"]: entry["id"] for entry in added}, **{token.text: i for i, token in own}}

    def _list_up_to(self, own: Sequence[tuple[int, Token]], added: Sequence[Mapping[str, Any]]) -> list[Any]:
        """A Unigram list in which the ids of added tokens in between are filled with their texts."""
        listed, low = list(self.model["vocab"]), min(self.scores, default=0.0)
        between = {entry["id"]: entry["content"] for entry in added}
        for i, token in own:
            while len(listed) < i:
                listed.append([between.get(len(listed), f"<unused_{len(listed)}>"), low])
            listed.append([token.text, token.score])
        return listed

    def without(self, tokens: Collection[str]) -> Document:
        """A document without some tokens; a Unigram list can only lose them at its end."""
        gone, model = set(tokens), dict(self.model)
        if isinstance(model["vocab"], list):
            kept = max((i for i, (t, *_) in enumerate(model["vocab"]) if t not in gone), default=-1) + 1
            model["vocab"] = model["vocab"][:kept]
        else:
            model["vocab"] = {t: i for t, i in model["vocab"].items() if t not in gone}
        if "merges" in model:
            sound = [not ({a, b, a + b} & gone) for a, b in self.merges]
            model["merges"] = [m for m, ok in zip(model["merges"], sound, strict=True) if ok]
        added = [entry for entry in self.data.get("added_tokens") or () if entry["content"] not in gone]
        return Document({**self.data, "added_tokens": added, "model": model})

    def dump(self) -> str:
        """The text of the file."""
        return json.dumps(self.data, ensure_ascii=False, indent=2) + "\n"


def _with_merges(known: Sequence[Any], more: Sequence[tuple[str, str]]) -> list[Any]:
    """Merges with others appended, all written as strings or all as pairs; pairs if a part contains a space."""
    joined = not any(isinstance(m, list) for m in known) and not any(" " in part for pair in more for part in pair)
    if joined:
        return [*known, *map(" ".join, more)]
    return [m if isinstance(m, list) else m.split(" ", 1) for m in known] + [list(m) for m in more]


def read_document(folder: Path) -> Document | None:
    """The tokenizer.json of a model folder, None where there is none.

    Raises
    ------
    CheckpointError
        When the file exists but is not a valid tokenizer.
    """
    file = folder / FILE
    try:
        state = file.stat()
    except OSError:
        return None
    return _read(file, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(file: Path, size: int, changed: int) -> Document:
    """Read one version of a file, and check everything that will be needed of it."""
    try:
        document = Document(read_model_json(file, TOKENIZER_MEMORY))
        ids, merges, _ = document.ids, document.model.get("merges") or [], document.scores
        numbers = set(map(type, ids.values())) <= {int} and min(ids.values(), default=0) >= 0
        if numbers and document.size > len(ids) * 2 + MOST_UNUSED:
            raise ValueError(
                f"its {len(ids):,} tokens have ids up to {document.size - 1:,}, more than any real tokenizer"
            )
        pairs = not merges or len(Document({"model": {"vocab": {}, "merges": merges[:1]}}).merges[0]) == 2
        if document.kind not in KINDS or set(map(type, ids)) - {str} or not numbers or not pairs:
            raise ValueError("its tokens are not strings with ids")
    except (
        OSError,
        ValueError,
        OverflowError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        raise CheckpointError(f"{file} is not a valid tokenizer: {error}.") from error
    return document
