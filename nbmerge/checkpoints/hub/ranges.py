"""Parts of files on the Hub: HTTP range requests through huggingface_hub's own session, login and endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints import header
from nbmerge.checkpoints.hub.words import refused
from nbmerge.errors import CheckpointError

if TYPE_CHECKING:
    from nbmerge.checkpoints.hub.snapshot import Header, Snapshot

FIRST = 1 << 15
"""Bytes asked for at first: the header of most shards, in one request."""
PIECE = 1 << 14
"""Bytes handed on at once, by requests."""
PARTIAL = 206


@contextmanager
def stream(snapshot: Snapshot, name: str, start: int, end: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
    """Ask for the bytes ``start … end`` (not included) of a file.

    Yields
    ------
    partial : bool
        Whether the answer begins at `start`; else it is the whole file.
    pieces : iterator of bytes
        Read from the network one after another.
    """
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(snapshot.repo_id, name, revision=snapshot.commit)
    # The session's client follows redirects to the storage and leaves the login behind there.
    headers = build_hf_headers() | {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    session, options = get_session(), {"headers": headers, "timeout": constants.HF_HUB_DOWNLOAD_TIMEOUT}
    on_httpx = callable(getattr(session, "stream", None))  # since huggingface_hub 1.0; before, on requests
    with session.stream("GET", url, **options) if on_httpx else session.get(url, stream=True, **options) as response:
        hf_raise_for_status(response)
        # As they arrive: what waits for a piece to become full is lost when the network breaks down.
        pieces = response.iter_bytes() if on_httpx else response.iter_content(PIECE)
        yield response.status_code == PARTIAL, pieces


def interruptions() -> tuple[type[Exception], ...]:
    """What a network that fails for a moment raises; it depends on the library that huggingface_hub is built on."""
    from huggingface_hub.utils import get_session

    library: Any = import_module(type(get_session()).__module__.partition(".")[0])
    return (getattr(library, "TransportError", None) or library.RequestException,)


def read(snapshot: Snapshot, name: str, start: int, end: int) -> bytes:
    """A part of a remote file, no more than was asked for.

    Raises
    ------
    CheckpointError
        When the Hub does not give it.
    """
    try:
        with stream(snapshot, name, start, end) as (partial, pieces):
            if not partial and start:
                raise CheckpointError(
                    f"the Hub does not give parts of {name} in {snapshot.name}, so it cannot be looked at before its "
                    f"download. Fetch it first: hf download {snapshot.repo_id} --revision {snapshot.commit}"
                )
            got = bytearray()
            for piece in pieces:
                got += piece
                if len(got) >= end - start:
                    break
            return bytes(got[: end - start])
    except CheckpointError:
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
