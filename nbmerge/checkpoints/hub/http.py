"""One request to the Hub: which redirects are followed, where the login is sent, and how much of the response is read.

The session (proxies, certificates) and the login are huggingface_hub's. The rest is decided here, because a server or a proxy
may respond with anything: redirects are followed by hand, and the login is sent only to the configured endpoint; bodies are
read undecoded, up to a number of bytes and for a limited time.
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

from nbmerge import __version__
from nbmerge.checkpoints.hub.interruptible import raise_if_stopped
from nbmerge.errors import CheckpointError
from nbmerge.sizes import human

REDIRECTS = 8
PIECE = 1 << 14
"""Bytes per chunk, with requests."""
PATIENCE = 60.0
"""Seconds that a response may take, in addition to the time for its bytes."""
SLOWEST = 2_000
"""Bytes per second: slower responses are aborted."""
_REDIRECT = (301, 302, 303, 307, 308)


class HubRefusal(Exception):
    """A response that is not successful.

    Parameters
    ----------
    status : int
    code : str
        The error code of the Hub, such as RepoNotFound; may be empty.
    """

    def __init__(self, status: int, code: str):
        super().__init__(f"status {status}")
        self.status, self.code = status, code


@dataclass
class Answer:
    """A successful response, of which only the head has been read."""

    status: int
    headers: Mapping[str, str]
    _pieces: Iterator[bytes]
    _began: float

    def pieces(self, expected: int) -> Iterator[bytes]:
        """The body in chunks as it arrives, undecoded; the reader may stop at any time.

        Raises
        ------
        CheckpointError
            When it arrives too slowly for a body of `expected` bytes.
        """
        for piece in self._pieces:
            raise_if_stopped()
            if time.monotonic() - self._began > PATIENCE + expected / SLOWEST:
                raise CheckpointError("the connection to the Hub is too slow. Check the network and run again.")
            yield piece

    def body(self, most: int) -> bytes:
        """All of the body, decompressed if need be, of at most so many bytes.

        Raises
        ------
        CheckpointError
            When it is longer, arrives too slowly, or is compressed in an unknown way.
        """
        decode = _decoder(self.headers.get("content-encoding", "identity").strip().lower())
        data = bytearray()
        for piece in self.pieces(most):
            data += decode(piece, most + 1 - len(data))
            if len(data) > most:
                raise CheckpointError(f"the Hub sent more than the expected {human(most)}. Try again later.")
        return bytes(data)


def _decoder(encoding: str) -> Any:
    if encoding in ("", "identity"):
        return lambda piece, most: piece[:most]
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise CheckpointError(f"the Hub responded in the encoding {encoding!r:.40}, which was not requested.")
    inflater = zlib.decompressobj(47 if encoding != "deflate" else 15)

    def inflate(piece: bytes, most: int) -> bytes:
        try:
            return inflater.decompress(piece, most)
        except zlib.error as error:
            raise CheckpointError(
                "the Hub sent a compressed response that cannot be decoded. Try again later."
            ) from error

    return inflate


@contextmanager
def get(url: str, extra: Mapping[str, str] | None = None, timeout: float | None = None) -> Iterator[Answer]:
    """Send a GET request to the endpoint, or to the storage that it redirects to.

    Raises
    ------
    HubRefusal
        When the response is not successful.
    CheckpointError
        When it redirects to an address that is not allowed.
    Exception
        Of the library that huggingface_hub is built on, when the network fails; see `interruptions`.
    """
    from huggingface_hub import constants

    headers = {"accept-encoding": "identity", "user-agent": f"nbmerge/{__version__}", **(extra or {})}
    began = time.monotonic()
    for _ in range(REDIRECTS + 1):
        raise_if_stopped()
        login = _login() if origin(url) == origin(constants.ENDPOINT) else {}
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


def _login() -> dict[str, str]:
    """The user's login, if there is one and it may be sent unasked.

    Not by huggingface_hub's own headers: to describe the program in them, some versions first download a list from the Hub,
    however long it is.
    """
    from huggingface_hub import constants, get_token

    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {"authorization": f"Bearer {token}"} if token else {}


@contextmanager
def _sent(url: str, headers: Mapping[str, str], timeout: float) -> Iterator[tuple[Any, Iterator[bytes]]]:
    """The response to one request and the raw chunks of its body; redirects are not followed."""
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # not in its __all__, but documented

    session: Any = get_session()  # of httpx since huggingface_hub 1.0, of requests before
    if callable(getattr(session, "stream", None)):
        with session.stream("GET", url, headers=headers, timeout=timeout, follow_redirects=False) as response:
            # As they arrive: bytes that wait for a full chunk would be lost when the network fails.
            yield response, response.iter_raw()
    else:
        with session.get(url, headers=headers, timeout=timeout, stream=True, allow_redirects=False) as response:
            yield response, response.raw.stream(PIECE, decode_content=False)


def interruptions() -> tuple[type[Exception], ...]:
    """Errors of temporary network failures; they depend on the library that huggingface_hub uses."""
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # not in its __all__, but documented

    library: Any = import_module(type(get_session()).__module__.partition(".")[0])
    if hasattr(library, "TransportError"):
        return (library.TransportError,)
    return library.RequestException, import_module("urllib3.exceptions").HTTPError


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, which must all be equal for the login to be sent there."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(scheme)


def redirected(url: str, location: str) -> str:
    """The target of a redirect, if it is allowed.

    Raises
    ------
    CheckpointError
        When it is not a valid address, not http(s), unencrypted after an encrypted one, contains a login, or is on this
        machine (or its network's own services) while the Hub is not.
    """
    try:
        target = urljoin(url, location)
        there, here = urlsplit(target), urlsplit(url)
        scheme, host, _ = origin(target)
    except ValueError as error:
        raise CheckpointError("the Hub redirects to an invalid address. Try again later.") from error
    secure = scheme == "https" or (scheme == "http" and here.scheme.lower() == "http")
    if not secure or not host or there.username is not None:
        raise CheckpointError(f"the Hub redirects to an address that is not allowed ({scheme:.20} at {host:.80}).")
    if _is_local(host) and not _is_local((here.hostname or "").lower()):
        raise CheckpointError(f"the Hub redirects to this machine or its network ({host:.80}), which is not allowed.")
    return target


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # 2130706433, 0x7f.1 and the like: shorthand addresses, which no storage uses
        return host.replace(".", "").isdigit() or host.startswith("0x")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
