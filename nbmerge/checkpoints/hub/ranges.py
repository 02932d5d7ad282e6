"""Files on the Hub and parts of them, never more than requested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbmerge.checkpoints import header
from nbmerge.checkpoints.hub import http
from nbmerge.checkpoints.hub.interruptible import pause
from nbmerge.checkpoints.hub.messages import refused
from nbmerge.errors import CheckpointError, NbmergeError

if TYPE_CHECKING:
    from nbmerge.checkpoints.hub.snapshot import Header, Snapshot

FIRST = 1 << 15
"""Bytes of the first request: enough for the header of most shards."""
PARTIAL = 206
SMALL_TRIES = 3
"""Attempts at a small file."""


@contextmanager
def stream(snapshot: Snapshot, name: str, start: int, end: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
    """Request the bytes ``start … end`` (exclusive) of a file.

    Yields
    ------
    partial : bool
        Whether the response begins at `start`; else it is the whole file.
    pieces : iterator of bytes
        Chunks from the network; the reader stops when it has enough.
    """
    with http.get(_url(snapshot, name), {"range": f"bytes={start}-{end - 1}"}) as answer:
        if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise CheckpointError(
                f"the Hub sent {name} of {snapshot.name} in an encoding that was not requested. Try again later."
            )
        partial = answer.status == PARTIAL
        if partial and not _is_part(answer.headers.get("content-range", ""), start, snapshot.files[name].size):
            raise CheckpointError(
                f"the Hub sent a different part of {name} in {snapshot.name} than requested. Try again later."
            )
        yield partial, answer.pieces(end - start)


def read_small(snapshot: Snapshot, name: str, size: int) -> bytes:
    """All of a small file; temporary network failures are retried.

    Raises
    ------
    CheckpointError
        When the Hub does not send it, or sends more than its size.
    """
    for attempt in range(SMALL_TRIES):
        try:
            with http.get(_url(snapshot, name)) as answer:
                if answer.status == PARTIAL:
                    raise CheckpointError(f"the Hub sent only a part of {name} in {snapshot.name}. Try again later.")
                return answer.body(size)
        except http.interruptions() as error:
            if attempt + 1 == SMALL_TRIES:
                raise refused(error, snapshot.repo_id, snapshot.branch, name) from error
            pause(2**attempt / 4)
        except http.HubRefusal as error:
            raise refused(error, snapshot.repo_id, snapshot.branch, name) from error
    raise AssertionError  # the last attempt returns or raises


def _url(snapshot: Snapshot, name: str) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(snapshot.repo_id, snapshot.path_of(name), revision=snapshot.commit)


def _is_part(said: str, start: int, size: int) -> bool:
    """Whether a Content-Range is of the part that begins at `start` of a file of this size."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", said.strip())
    return match is not None and int(match[1]) == start <= int(match[2]) and match[3] in ("*", str(size))


def read(snapshot: Snapshot, name: str, start: int, end: int) -> bytes:
    """A part of a remote file, never more than requested.

    Raises
    ------
    CheckpointError
        When the Hub does not send it.
    """
    try:
        with stream(snapshot, name, start, end) as (partial, pieces):
            if not partial and start:
                raise CheckpointError(
                    f"the Hub does not support requests for parts of {name} in {snapshot.name}, so it cannot be inspected "
                    f"before the download. Download it first: hf download {snapshot.repo_id} --revision {snapshot.commit}"
                )
            got = bytearray()
            for piece in pieces:
                got += piece
                if len(got) >= end - start:
                    break
            return bytes(got[: end - start])
    except NbmergeError:
        raise
    except Exception as error:  # whatever huggingface_hub and the library below it raise
        raise refused(error, snapshot.repo_id, snapshot.branch, name) from error


def read_header(snapshot: Snapshot, name: str) -> Header:
    """The header of a safetensors file on the Hub, checked like that of a file on disk."""
    file, size = snapshot.folder / name, snapshot.files[name].size
    raw = read(snapshot, name, 0, min(size, FIRST))
    end = header.data_start(file, raw[:8], size)
    if end > len(raw):
        raw += read(snapshot, name, len(raw), end)
    return header.parse_header(file, raw[8:end], size)
