"""A model at one commit, in the local cache as far as it was downloaded, and what is known of the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nbmerge.checkpoints import header
from nbmerge.checkpoints.header import StoredTensor
from nbmerge.errors import CheckpointError
from nbmerge.guarded_files import read_model_json

INDEX = "model.safetensors.index.json"
CONNECTIONS = 8
"""Small requests at a time, as huggingface_hub has it."""

Header = tuple[dict[str, StoredTensor], dict[str, str]]
"""Tensors and metadata of one file, as `header.read_header` gives them."""


@dataclass(frozen=True)
class RemoteFile:
    """One file as the Hub lists it.

    Parameters
    ----------
    size : int
        In bytes.
    digest : str
        SHA-256 where `is_lfs`, else git's SHA-1 of a blob; the cache names its blobs by it.
    is_lfs : bool
    """

    size: int
    digest: str
    is_lfs: bool


@dataclass(frozen=True)
class Snapshot:
    """A Hub model at one commit.

    Parameters
    ----------
    repo_id, commit : str
    folder : Path
        Its place in the local cache.
    branch : str, optional
        Branch or tag that was asked for; None where it was the commit itself.
    files : mapping of str to RemoteFile
        What the Hub lists; empty where it was not asked.
    note : str
        Why the Hub did not have the say, where it should have had.
    """

    repo_id: str
    commit: str
    folder: Path
    branch: str | None = None
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        """Id and shortened commit, for people."""
        return f"{self.repo_id}@{self.commit[:8]}"

    @property
    def indexed(self) -> list[str]:
        """The files that the index names; empty where there is none, or none that can be read."""
        try:
            named = read_model_json(self.folder / INDEX)["weight_map"].values()
        except (CheckpointError, KeyError, TypeError, AttributeError):
            return []  # what is wrong with an index is said by its reader
        return list(dict.fromkeys(map(str, named)))

    @cached_property
    def _headers(self) -> dict[str, Header]:
        return {}

    def headers(self, names: list[str]) -> dict[str, Header]:
        """Headers of files that are not here, several requests at a time; each is read once."""
        from nbmerge.checkpoints.hub import http
        from nbmerge.checkpoints.hub.interruptible import map_all
        from nbmerge.checkpoints.hub.ranges import read_header

        wanted = [n for n in dict.fromkeys(names) if n not in self._headers]
        if wanted:
            seconds = http.PATIENCE * (1 + len(wanted) / CONNECTIONS)
            what = f"The look at the headers of {self.name}"
            headers = map_all(lambda n: read_header(self, n), wanted, CONNECTIONS, seconds, what)
            self._headers.update(zip(wanted, headers, strict=True))
        return {n: self._headers[n] for n in names}


_snapshots: dict[Path, Snapshot] = {}


def remember(snapshot: Snapshot) -> Snapshot:
    """Keep a snapshot for those who only know its folder."""
    _snapshots[snapshot.folder] = snapshot
    return snapshot


def snapshot_of(folder: Path) -> Snapshot | None:
    """The snapshot whose folder this is; None for folders that are not the cache's, or not of this session."""
    return _snapshots.get(folder)


def in_use() -> bool:
    """Whether any model of this session is known from the Hub: if not, nothing can be missing."""
    return any(snapshot.files for snapshot in _snapshots.values())


def remote(file: Path) -> RemoteFile | None:
    """What the Hub says of a file in a snapshot's folder, whether it was downloaded or not."""
    snapshot = snapshot_of(file.parent)
    return None if snapshot is None else snapshot.files.get(file.name)


def held(file: Path) -> bool:
    """Whether a file is there, or is one that `fetch` can put there."""
    return file.is_file() or remote(file) is not None


def read_header(file: Path) -> Header:
    """`header.read_header`, also of a file that was not downloaded.

    Raises
    ------
    CheckpointError
        As `header.read_header`, and when the Hub does not give the file.
    """
    snapshot = snapshot_of(file.parent)
    if snapshot is None or file.name not in snapshot.files or file.is_file():
        return header.read_header(file)
    # All of a sharded model are asked for at once.
    beside = [n for n in snapshot.indexed if n in snapshot.files and not (file.parent / n).is_file()]
    return snapshot.headers(beside if file.name in beside else [file.name])[file.name]
