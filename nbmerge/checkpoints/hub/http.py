"""One request to the Hub: where it may lead, who gets the login, and how much and how long is read of its answer.

The session (proxies, certificates) and the login are huggingface_hub's. The rest is decided here, because a server, or
whoever stands between, may answer anything: redirects are followed by hand, and take the login along only to the
configured endpoint; bodies are read as they are, up to a number of bytes and for a limited time.
"""

from __future__ import annotations

import ipaddress
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urljoin, urlsplit

from nbmerge.checkpoints.hub.interruptible import raise_if_stopped
from nbmerge.errors import CheckpointError

REDIRECTS = 8
PIECE = 1 << 14
"""Bytes handed on at once, by requests."""
PATIENCE = 60.0
"""Seconds that an answer may take, beside those that its bytes may."""
SLOWEST = 2_000
"""Bytes a second: what comes more slowly is given up."""
_REDIRECT = (301, 302, 303, 307, 308)


class HubRefusal(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status : int
    code : str
        What the Hub calls it, such as RepoNotFound; one of those known here, or nothing.
    """

    def __init__(self, status: int, code: str):
        super().__init__(f"status {status}")
        self.status, self.code = status, code


@dataclass
class Answer:
    """A successful answer, of which nothing but the head has been read."""

    status: int
    headers: Mapping[str, str]
    _pieces: Iterator[bytes]
    _began: float

    def pieces(self, expected: int) -> Iterator[bytes]:
        """The body as it arrives, undecoded; who reads it stops when it has enough.

        Raises
        ------
        CheckpointError
            When it comes too slowly for a body of `expected` bytes.
        """
        for piece in self._pieces:
            raise_if_stopped()
            if time.monotonic() - self._began > PATIENCE + expected / SLOWEST:
                raise CheckpointError("the Hub sends too slowly. Check the network, and run it again.")
            yield piece

    def body(self, most: int) -> bytes:
        """All of the body, decompressed if need be, of at most so many bytes.

        Raises
        ------
        CheckpointError
            When it is longer, comes too slowly, or is compressed in an unknown way.
        """
        decode = _decoder(self.headers.get("content-encoding", "identity").strip().lower())
        data = bytearray()
        for piece in self.pieces(most):
            data += decode(piece, most + 1 - len(data))
            if len(data) > most:
                raise CheckpointError(f"the Hub sends more than the {most:,} bytes that were due. Try again later.")
        return bytes(data)


def _decoder(encoding: str) -> Any:
    if encoding in ("", "identity"):
        return lambda piece, most: piece[:most]
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise CheckpointError(f"the Hub answers in the encoding {encoding!r:.40}, which was not asked for.")
    inflater = zlib.decompressobj(47 if encoding != "deflate" else 15)

    def inflate(piece: bytes, most: int) -> bytes:
        try:
            return inflater.decompress(piece, most)
        except zlib.error as error:
            raise CheckpointError("the Hub sends compressed bytes that cannot be read. Try again later.") from error

    return inflate


@contextmanager
def get(url: str, extra: Mapping[str, str] | None = None, timeout: float | None = None) -> Iterator[Answer]:
    """Ask the endpoint, or the storage that it names, for something.

    Raises
    ------
    HubRefusal
        When the answer is no success.
    CheckpointError
        When it leads somewhere that is not to be asked.
    Exception
        Of the library that huggingface_hub is built on, when the network fails; see `interruptions`.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers

    headers = {"accept-encoding": "identity", **(extra or {})}
    began = time.monotonic()
    for _ in range(REDIRECTS + 1):
        raise_if_stopped()
        login = build_hf_headers() if origin(url) == origin(constants.ENDPOINT) else build_hf_headers(token=False)
        with _sent(url, login | headers, timeout or constants.HF_HUB_DOWNLOAD_TIMEOUT) as (response, pieces):
            status, found = response.status_code, {k.lower(): v for k, v in response.headers.items()}
            if status in _REDIRECT and "location" in found:
                url = redirected(url, found["location"])
                continue
            if status not in (200, 206):
                raise HubRefusal(status, found.get("x-error-code", ""))
            yield Answer(status, found, pieces, began)
            return
    raise CheckpointError(f"{constants.ENDPOINT} redirects more than {REDIRECTS} times. Try again later.")


@contextmanager
def _sent(url: str, headers: Mapping[str, str], timeout: float) -> Iterator[tuple[Any, Iterator[bytes]]]:
    """The answer to one request and the raw pieces of its body; nothing is followed."""
    from huggingface_hub.utils import get_session

    session = get_session()
    if callable(getattr(session, "stream", None)):  # httpx, since huggingface_hub 1.0; before, requests
        with session.stream("GET", url, headers=headers, timeout=timeout, follow_redirects=False) as response:
            # As they arrive: what waits for a piece to become full is lost when the network breaks down.
            yield response, response.iter_raw()
    else:
        with session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False) as response:
            yield response, response.raw.stream(PIECE, decode_content=False)


def interruptions() -> tuple[type[Exception], ...]:
    """What a network that fails for a moment raises; it depends on the library that huggingface_hub is built on."""
    from huggingface_hub.utils import get_session

    library: Any = import_module(type(get_session()).__module__.partition(".")[0])
    if hasattr(library, "TransportError"):
        return (library.TransportError,)
    return library.RequestException, import_module("urllib3.exceptions").HTTPError


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address: what must be the same for a login to be sent there."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(scheme)


def redirected(url: str, location: str) -> str:
    """Where a redirect leads, unless it is somewhere that no storage is.

    Raises
    ------
    CheckpointError
        When it is no address, another kind than http, unencrypted after an encrypted one, has a login in it, or is on
        this machine (or its network's own services) while the Hub is not.
    """
    try:
        target = urljoin(url, location)
        there, here = urlsplit(target), urlsplit(url)
        scheme, host, _ = origin(target)
    except ValueError as error:
        raise CheckpointError("the Hub redirects to something that is no address. Try again later.") from error
    secure = scheme == "https" or (scheme == "http" and here.scheme.lower() == "http")
    if not secure or not host or there.username is not None:
        raise CheckpointError(f"the Hub redirects to an address that is not followed ({scheme:.20} at {host:.80}).")
    if _is_local(host) and not _is_local((here.hostname or "").lower()):
        raise CheckpointError(f"the Hub redirects to this machine or its network ({host:.80}), which is not followed.")
    return target


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # 2130706433, 0x7f.1 and the like: shorthands of addresses, which no storage uses
        return host.replace(".", "").isdigit() or host.startswith("0x")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
