"""The Hugging Face cache on disk: blobs by their checksum, and snapshots of commits that link to them.

Only bytes whose checksum was compared become a blob, and only blobs are linked. The layout is the one that huggingface_hub
documents and shares with other tools.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from nbmerge.bounded import is_name
from nbmerge.checkpoints.hub.snapshot import RemoteFile, Snapshot
from nbmerge.errors import CheckpointError

RESERVE = 100_000_000
"""Bytes of the disk that a download leaves free."""


def snapshot_folder(repo_id: str, commit: str) -> Path:
    """The folder of one commit of a model in the cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo_id.replace('/', '--')}" / "snapshots" / commit


def blob_of(root: Path, listed: RemoteFile) -> Path:
    """The path of the bytes of a file, by the folder of a commit."""
    return root.parent.parent / "blobs" / listed.digest


def new_digest(listed: RemoteFile) -> hashlib._Hash:
    """A hash object for the checksum of a file: that of git for small files, SHA-256 for others."""
    if listed.is_lfs:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % listed.size, usedforsecurity=False)


def is_whole(blob: Path, listed: RemoteFile) -> bool:
    """Whether a blob exists and has its full size."""
    return blob.is_file() and blob.stat().st_size == listed.size


def store(snapshot: Snapshot, name: str, data: bytes) -> None:
    """Put the bytes of a small file into the cache, and link them.

    Raises
    ------
    CheckpointError
        When they do not match the checksum on the Hub.
    """
    listed = snapshot.files[name]
    digest = new_digest(listed)
    digest.update(data)
    if len(data) != listed.size or digest.hexdigest() != listed.digest:
        raise CheckpointError(
            f"{name} of {snapshot.root.parent.parent.name} was damaged in transit: its checksum does not match the one on the Hub. "
            "Try again."
        )
    blob = blob_of(snapshot.root, listed)
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{blob.name}.{os.getpid()}-{threading.get_ident()}.nbmerge.part")
    try:
        part.write_bytes(data)
        os.replace(part, blob)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    link(snapshot.folder, name, blob)


def link(folder: Path, name: str, blob: Path) -> None:
    """Link a file of a snapshot to its blob, or copy it where the disk does not support links."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    if os.path.lexists(file):
        if os.path.samefile(file, blob) if file.exists() else False:
            return
        file.unlink()
    try:
        os.symlink(os.path.relpath(blob, folder), file)
    except OSError:
        shutil.copyfile(blob, file)


def name_branch(folder: Path, branch: str) -> None:
    """Record the commit of a branch, so that it can be resolved offline."""
    if all(map(is_name, branch.split("/"))):
        ref = folder.parent.parent.joinpath("refs", *branch.split("/"))
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(folder.name, encoding="ascii")


def free_bytes(folder: Path) -> int:
    """Free space on the disk of an existing or future folder."""
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
