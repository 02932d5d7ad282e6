"""A model's tokens and their ids, read from tokenizer.json alone: no library is loaded, nothing in it is executed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nbmerge.bounded import TOKENIZER_MEMORY, parsed
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import LARGEST_COPY, LARGEST_TOKENIZER, read_model_bytes


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of a model.

    Parameters
    ----------
    ids : dict of str to int
        Ids of all tokens, including added tokens.
    """

    ids: dict[str, int]

    def __len__(self) -> int:
        return len(self.ids)

    def moved(self, other: Vocabulary) -> list[str]:
        """Tokens that both have with different ids."""
        return [token for token, i in self.ids.items() if other.ids.get(token, i) != i]

    def lacking(self, other: Vocabulary) -> list[str]:
        """Tokens that the other has but this one does not."""
        return [token for token in other.ids if token not in self.ids]


def read_vocabulary(folder: Path) -> Vocabulary | None:
    """The vocabulary of a model folder, None where it has no tokenizer.json.

    Raises
    ------
    CheckpointError
        When the file exists but is not a valid tokenizer.
    """
    file = folder / "tokenizer.json"
    try:
        state = file.stat()
    except OSError:
        return None
    return _read(file, state.st_size, state.st_mtime_ns)


def same_tokenizer(folder: Path, other: Path) -> bool:
    """Whether two model folders have the very same tokenizer.json: models of a family do, and nothing has to be parsed."""
    if folder == other:
        return True
    try:
        one, two = (((f / "tokenizer.json"), (f / "tokenizer.json").stat()) for f in (folder, other))
        return one[1].st_size == two[1].st_size and _same(*((f, s.st_size, s.st_mtime_ns) for f, s in (one, two)))
    except (OSError, CheckpointError):
        return False


@lru_cache(maxsize=64)
def _same(one: tuple[Path, int, int], other: tuple[Path, int, int]) -> bool:
    """Whether two files, each in one version, contain the same bytes."""
    return read_model_bytes(one[0], LARGEST_COPY) == read_model_bytes(other[0], LARGEST_COPY)


@lru_cache(maxsize=32)
def _read(file: Path, size: int, changed: int) -> Vocabulary:
    """Read one version of a file; models of a family have the same file and share the result."""
    try:
        return _parsed(bytes(read_model_bytes(file, LARGEST_TOKENIZER)))
    except (OSError, ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file} is not a valid tokenizer: {error}.") from error


@lru_cache(maxsize=8)
def _parsed(raw: bytes) -> Vocabulary:
    data = parsed(raw, TOKENIZER_MEMORY)
    listed = data["model"]["vocab"]
    ids = {token: i for i, (token, *_) in enumerate(listed)} if isinstance(listed, list) else dict(listed)
    return Vocabulary(ids | {added["content"]: added["id"] for added in data.get("added_tokens") or ()})
