"""The Hugging Face cache on disk: blobs by their checksum, and snapshots of commits that link to them.

Only bytes that were compared with their checksum become a blob, and only a blob is linked. The layout is the one that
huggingface_hub documents and shares with every other tool.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from nbmerge.bounded import is_name
from nbmerge.checkpoints.hub.snapshot import RemoteFile
from nbmerge.errors import CheckpointError

RESERVE = 100_000_000
"""Bytes of the disk that a download leaves free."""


def snapshot_folder(repo_id: str, commit: str) -> Path:
    """Where the cache has one commit of a model."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{repo_id.replace('/', '--')}" / "snapshots" / commit


def blob_of(folder: Path, listed: RemoteFile) -> Path:
    """Where the bytes of a snapshot's file lie."""
    return folder.parent.parent / "blobs" / listed.digest


def new_digest(listed: RemoteFile) -> hashlib._Hash:
    """What computes a file's checksum: that of git for small files, SHA-256 for others."""
    if listed.is_lfs:
        return hashlib.sha256()
    return hashlib.sha1(b"blob %d\0" % listed.size, usedforsecurity=False)


def is_whole(blob: Path, listed: RemoteFile) -> bool:
    """Whether a blob is here, with as many bytes as it should have."""
    return blob.is_file() and blob.stat().st_size == listed.size


def store(folder: Path, name: str, listed: RemoteFile, data: bytes) -> None:
    """Put the bytes of a small file into the cache, and link them.

    Raises
    ------
    CheckpointError
        When they are not those that the Hub lists.
    """
    digest = new_digest(listed)
    digest.update(data)
    if len(data) != listed.size or digest.hexdigest() != listed.digest:
        raise CheckpointError(
            f"{name} of {folder.parent.parent.name} arrived damaged: its checksum is not the one the Hub has. Try again."
        )
    blob = blob_of(folder, listed)
    blob.parent.mkdir(parents=True, exist_ok=True)
    part = blob.with_name(f"{blob.name}.{os.getpid()}-{threading.get_ident()}.nbmerge.part")
    try:
        part.write_bytes(data)
        os.replace(part, blob)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
    link(folder, name, blob)


def link(folder: Path, name: str, blob: Path) -> None:
    """Let a snapshot's file be a blob; a copy where the disk has no links."""
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
    """Note which commit a branch was at, so that it is found by its name without a network."""
    if all(map(is_name, branch.split("/"))):
        ref = folder.parent.parent.joinpath("refs", *branch.split("/"))
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(folder.name, encoding="ascii")


def free_bytes(folder: Path) -> int:
    """Free space of the disk that a folder lies on, or will."""
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
