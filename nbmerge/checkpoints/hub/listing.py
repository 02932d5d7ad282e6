"""The Hub's listing of a model: checked before any of it is used as a path, a size or a checksum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from nbmerge.bounded import is_name, parsed
from nbmerge.checkpoints.hub import http
from nbmerge.checkpoints.hub.snapshot import RemoteFile
from nbmerge.errors import CheckpointError

LARGEST_LISTING = 48_000_000
"""Maximum bytes of the response that lists the files of a model."""
LARGEST_FILE = 1 << 50
COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def ask_listing(repo_id: str, revision: str | None, inner: str = "") -> tuple[str, dict[str, RemoteFile]]:
    """The commit of a revision, and its files outside subfolders, or those of one subfolder.

    Raises
    ------
    CheckpointError
        When the response is invalid.
    Exception
        As `http.get`.
    """
    from huggingface_hub import constants

    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    url = f"{constants.ENDPOINT}/api/models/{repo_id}{at}?blobs=true"
    with http.get(url, timeout=constants.HF_HUB_ETAG_TIMEOUT) as answer:
        body = answer.body(LARGEST_LISTING)
    try:
        return read_listing(parsed(body), revision, inner)
    except ValueError as error:
        raise CheckpointError(
            f"{constants.ENDPOINT} sent an invalid listing of '{repo_id}': {error!s:.200}. Try again later."
        ) from error


def read_listing(data: Mapping[str, Any], revision: str | None, inner: str = "") -> tuple[str, dict[str, RemoteFile]]:
    """The commit and the files in a response, by name; those in other subfolders than `inner` are left out.

    Raises
    ------
    ValueError
        When the commit is not the requested one, or a size or a checksum is invalid.
    """
    commit = data.get("sha")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise ValueError(f"the commit {commit!r:.60}")
    if revision is not None and COMMIT.fullmatch(revision) and commit != revision:
        raise ValueError(f"the commit {commit[:8]}, not {revision[:8]}")
    siblings = data.get("siblings") or []
    if not isinstance(siblings, list):
        raise ValueError("the files are not a list")
    files: dict[str, RemoteFile] = {}
    before = f"{inner}/" if inner else ""
    for entry in siblings:
        name = entry.get("rfilename") if isinstance(entry, Mapping) else None
        if not isinstance(name, str):
            raise ValueError("a file without a name")
        if not name.startswith(before):
            continue
        name = name[len(before) :]
        if not is_name(name) or entry.get("size") is None:  # in a subfolder, or not a valid name
            continue
        if files.get(name, found := _file(name, entry)) != found:
            raise ValueError(f"two files {name!r:.80}")
        files[name] = found
    return commit, _apart(files)


def _file(name: str, entry: Mapping[str, Any]) -> RemoteFile:
    size, lfs = entry["size"], entry.get("lfs")
    if lfs is not None and not isinstance(lfs, Mapping):
        raise ValueError(f"the storage of {name!r:.80}")
    if type(size) is not int or not 0 <= size <= LARGEST_FILE or (lfs and lfs.get("size", size) != size):
        raise ValueError(f"the size of {name!r:.80}")
    digest = lfs.get("sha256") or lfs.get("oid") if lfs else entry.get("blobId")
    if not isinstance(digest, str) or not (_SHA256 if lfs else COMMIT).fullmatch(digest):
        raise ValueError(f"the checksum of {name!r:.80}")
    return RemoteFile(size, digest, bool(lfs))


def _apart(files: Mapping[str, RemoteFile]) -> dict[str, RemoteFile]:
    """Without names that differ from another only in case, which on some systems are one file."""
    kept: dict[str, str] = {}
    for name in sorted(files, key=lambda n: (n not in ("README.md",), n != n.lower(), n)):
        kept.setdefault(name.casefold(), name)
    return {name: file for name, file in files.items() if kept[name.casefold()] == name}
