"""A model at one commit: the downloaded files in the local cache, and the listing of the rest."""

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
    """A Hub model at one commit, or a subfolder of its files.

    Parameters
    ----------
    repo_id, commit : str
    folder : Path
        Its folder in the local cache; of a subfolder, the one inside that.
    branch : str, optional
        Requested branch or tag; None if the commit was requested.
    files : mapping of str to RemoteFile
        The listing of the Hub; empty if the Hub was not queried.
    note : str
        Why the cache was used instead of the Hub.
    inner : str
        The subfolder, with slashes; empty for the files outside subfolders.
    """

    repo_id: str
    commit: str
    folder: Path
    branch: str | None = None
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    note: str = ""
    inner: str = ""

    @property
    def root(self) -> Path:
        """The folder of the commit in the local cache."""
        return self.folder.parents[self.inner.count("/")] if self.inner else self.folder

    def path_of(self, name: str) -> str:
        """The path of a file in the repository."""
        return f"{self.inner}/{name}" if self.inner else name

    @property
    def name(self) -> str:
        """Id and short commit, for messages."""
        return f"{self.repo_id}@{self.commit[:8]}"

    @property
    def indexed(self) -> list[str]:
        """The files that the index lists; empty where there is no valid index."""
        try:
            named = read_model_json(self.folder / INDEX)["weight_map"].values()
        except (CheckpointError, KeyError, TypeError, AttributeError):
            return []  # its reader reports what is wrong with an index
        return list(dict.fromkeys(map(str, named)))

    @cached_property
    def _headers(self) -> dict[str, Header]:
        return {}

    def headers(self, names: list[str]) -> dict[str, Header]:
        """Headers of files on the Hub, several requests at a time; each is read once."""
        from nbmerge.checkpoints.hub import http
        from nbmerge.checkpoints.hub.interruptible import map_all
        from nbmerge.checkpoints.hub.ranges import read_header

        wanted = [n for n in dict.fromkeys(names) if n not in self._headers]
        if wanted:
            seconds = http.PATIENCE * (1 + len(wanted) / CONNECTIONS)
            what = f"reading the headers of {self.name}"
            headers = map_all(lambda n: read_header(self, n), wanted, CONNECTIONS, seconds, what)
            self._headers.update(zip(wanted, headers, strict=True))
        return {n: self._headers[n] for n in names}


_snapshots: dict[Path, Snapshot] = {}


def remember(snapshot: Snapshot) -> Snapshot:
    """Register a snapshot, so that it can be found by its folder."""
    _snapshots[snapshot.folder] = snapshot
    return snapshot


def snapshot_of(folder: Path) -> Snapshot | None:
    """The snapshot of a folder; None for folders that are not in the cache, or not from this session."""
    return _snapshots.get(folder)


def in_use() -> bool:
    """Whether any model of this session is from the Hub: if not, nothing can be missing."""
    return any(snapshot.files for snapshot in _snapshots.values())


def remote(file: Path) -> RemoteFile | None:
    """The Hub's entry for a file in a snapshot, whether it was downloaded or not."""
    snapshot = snapshot_of(file.parent)
    return None if snapshot is None else snapshot.files.get(file.name)


def held(file: Path) -> bool:
    """Whether a file exists, or can be downloaded by `fetch`."""
    return file.is_file() or remote(file) is not None


def read_header(file: Path) -> Header:
    """`header.read_header`, also for a file that has not been downloaded.

    Raises
    ------
    CheckpointError
        As `header.read_header`, and when the Hub does not provide the file.
    """
    snapshot = snapshot_of(file.parent)
    if snapshot is None or file.name not in snapshot.files or file.is_file():
        return header.read_header(file)
    # All shards of a model are requested at once.
    beside = [n for n in snapshot.indexed if n in snapshot.files and not (file.parent / n).is_file()]
    return snapshot.headers(beside if file.name in beside else [file.name])[file.name]
