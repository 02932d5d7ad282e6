"""A Hub that lies: the true bytes or an error of ours, soon, nothing outside the cache, and no login to anybody else."""

import hashlib
import os
import time

import pytest

from nbmerge.checkpoints import Checkpoint
from nbmerge.checkpoints import hub as room
from nbmerge.checkpoints.hub import download, http, listing, ranges
from nbmerge.errors import NbmergeError
from tests.hub.lies import BYTES, ERROR, LIES
from tests.hub.server import Hub, git_blob

SECONDS = 20.0
"""Less than lies last that have no end, and more than a machine takes that stops in between."""


@pytest.fixture
def liar(online, monkeypatch, tmp_path):
    """The Hub, a stranger's server beside it, and a login; a download that fails is given up soon."""
    for owner, name, value in (
        (download, "TRIES", 0), (download, "MOST_ATTEMPTS", 3), (ranges, "SMALL_TRIES", 1), (listing, "LARGEST_LISTING", 1_000_000),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, value)
    monkeypatch.setenv("HF_TOKEN", online.token)
    online.other = Hub()
    yield online
    online.other.close()


def lose_patience(monkeypatch) -> None:
    """Wait no longer for an answer than a test can; true ones may then come too late, on a machine that stops in between."""
    from huggingface_hub import constants

    for owner, name, value in (
        (http, "PATIENCE", 0.8), (http, "SLOWEST", 1_000_000),
        (constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5), (constants, "HF_HUB_ETAG_TIMEOUT", 0.5),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, value)


def everything(folder) -> set[str]:
    return {os.path.relpath(os.path.join(d, n), folder) for d, _, names in os.walk(folder) for n in names}


def sound_blobs(cache) -> bool:
    """Whether every blob is what its name says."""
    for blob in cache.glob("models--*/blobs/*"):
        if "." in blob.name:  # a part; a thread that still downloads one removes it soon
            continue
        data = blob.read_bytes()
        if blob.name not in (hashlib.sha256(data).hexdigest(), git_blob(data)):
            return False
    return True


def test_the_number_of_lies_does_not_shrink():
    assert len(LIES) >= 60
    assert {expected for _, expected in LIES.values()} == {ERROR, BYTES}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.rest_is_slow(keep=16)
def test_a_lying_server_is_noticed(name, liar, family, cache, tmp_path, monkeypatch):
    lie, expected = LIES[name]
    if expected == ERROR:
        lose_patience(monkeypatch)
    liar.add("org/base", family.base)
    told = []
    liar.lie = lambda handler, path: bool(lie(handler, path)) and (told.append(path) or True)
    before = {n for n in everything(tmp_path) if not n.startswith("hf")}
    began, said = time.monotonic(), ""
    try:
        checkpoint = Checkpoint.open("org/base")
        room.fetch(t.file for t in checkpoint.tensors.values())
    except NbmergeError as error:
        said = str(error)
    assert time.monotonic() - began < SECONDS
    if expected == ERROR:
        assert said
        assert liar.token not in said
        assert len(said) < 1500
    else:
        assert said == ""
        for file in family.base.iterdir():
            assert (checkpoint.path / file.name).read_bytes() == file.read_bytes()
    assert {n for n in everything(tmp_path) if not n.startswith("hf")} == before
    assert not os.path.lexists("/tmp/escaped.json")
    assert sound_blobs(cache)
    endpoint = liar.endpoint.removeprefix("http://")
    assert all(r.host == endpoint for r in liar.requests if r.login)
    assert all(r.login is None for r in liar.other.requests)
    assert all(r.cookie is None for r in (*liar.requests, *liar.other.requests) if r.host != endpoint)


@pytest.mark.parametrize(
    "target",
    ["http://huggingface.example/x", "https://127.0.0.1/x", "https://localhost/x", "https://[::1]/x", "https://0.0.0.0/x",
     "https://169.254.169.254/latest", "https://[::ffff:127.0.0.1]/x", "https://2130706433/x", "https://0x7f000001/x",
     "https://a.localhost/x", "https://user:word@cdn.example/x", "file:///etc/passwd", "//127.0.0.1/x", "gopher://a/b"],
)  # fmt: skip
def test_redirects_that_are_not_followed(target):
    with pytest.raises(NbmergeError, match="redirects"):
        http.redirected("https://huggingface.example/org/model", target)


@pytest.mark.parametrize("target", ["https://cdn.example/a?b=c", "/api/resolve-cache/x", "https://10.0.0.7:8443/x"])
def test_redirects_that_are_followed(target):
    assert http.redirected("https://huggingface.example/org/model", target).startswith("https://")


def test_a_commit_that_was_asked_for_is_the_one_that_comes(liar, family):
    """A pinned model is never another one."""
    pinned = liar.add("org/base", family.base)
    other = liar.add("org/base", family.ft1)
    from tests.hub.lies import listing as changed

    liar.lie = changed(lambda data: data.update(sha=other))
    with pytest.raises(NbmergeError, match=f"the commit {other[:8]}, not {pinned[:8]}"):
        Checkpoint.open(f"org/base@{pinned}")
