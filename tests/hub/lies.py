"""What a Hub, or whoever stands in its place, may answer that is not true. Each lie has what must come of it.

`ERROR`: an error of ours. `BYTES`: the true files all the same. A lie is a function of the server's handler and the path
asked for; it answers and returns true, or returns false where it has nothing to say.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

ERROR, BYTES = "error", "bytes"
Lie = Callable[[Any, str], bool]
LISTING, CONFIG, WEIGHTS, STORED = "/api/models/", "/config.json", "/resolve/", "/storage/"
WRONG_SHA = "0" * 64


def send(handler, status: int, headers: dict, body=b"", length: int | None = -1) -> bool:
    """An answer of which nothing is made sure; `length` -1 is that of the body, None says nothing of it."""
    handler.send_response(status)
    for name, value in {"Connection": "close", **headers}.items():
        handler.send_header(name, value)
    if length is not None:
        handler.send_header("Content-Length", str(len(body) if length == -1 else length))
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True
    return True


def true_listing(handler) -> dict:
    repo = handler.hub.repos["org/base"]
    handler.query = {"blobs": ["true"]}
    return handler.listing("org/base", repo, repo.branches["main"])


def listing(change: Callable[[dict], Any]) -> Lie:
    """The list of files, changed."""

    def lie(handler, path: str) -> bool:
        if LISTING not in path:
            return False
        data = true_listing(handler)
        changed = change(data)
        handler._answer(200, changed if isinstance(changed, bytes) else data)
        return True

    return lie


def entry(name: str, **changes) -> Lie:
    """A file's entry in the list, changed; None takes a field away."""

    def change(data: dict) -> None:
        found = next(s for s in data["siblings"] if s["rfilename"] == name)
        for key, value in changes.items():
            found.pop(key, None) if value is None else found.update({key: value})

    return listing(change)


def more(*entries: dict) -> Lie:
    return listing(lambda data: data["siblings"].extend(entries))


def extra(name: Any, **fields) -> Lie:
    return more({"rfilename": name, "size": 3, "blobId": "1" * 40} | fields)


def at(part: str, answer: Callable[[Any, bytes], bool]) -> Lie:
    """Every answer about a path that ends or begins so; `answer` gets the true bytes."""

    def lie(handler, path: str) -> bool:
        if part == STORED and path.startswith(STORED):
            return answer(handler, handler.hub.uploaded[path.split("/")[2]])
        if part == WEIGHTS and "/resolve/" in path and path.endswith(".safetensors"):
            return answer(handler, b"")
        if part == CONFIG and path.endswith(CONFIG):
            repo = handler.hub.repos["org/base"]
            return answer(handler, repo.commits[repo.branches["main"]]["config.json"])
        if part == LISTING and part in path:
            return answer(handler, json.dumps(true_listing(handler)).encode())
        return False

    return lie


def asked(handler, data: bytes) -> tuple[int, bytes]:
    first, _, last = handler.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
    return int(first), data[int(first) : int(last) + 1 if last else None]


def part(handler, data: bytes, said: str | None = None, body: bytes | None = None, length: int | None = -1) -> bool:
    """A 206 with a changed head or body."""
    start, piece = asked(handler, data)
    said = f"bytes {start}-{start + len(piece) - 1}/{len(data)}" if said is None else said
    return send(handler, 206, {"Content-Range": said} if said else {}, piece if body is None else body, length)


def flipped(data: bytes) -> bytes:
    return data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]


def redirect(target: str, status: int = 302) -> Callable[[Any, bytes], bool]:
    return lambda handler, data: send(handler, status, {"Location": target.format(hub=handler.hub, path=handler.path)})


def endless(handler, data: bytes, head: bytes = b"") -> bool:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(head)
    while True:  # until the other side has enough
        handler.wfile.write(b"x" * 65536)


def dripping(handler, data: bytes, pause: float = 0.1) -> bool:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.close_connection = True
    for i in range(len(data)):
        handler.wfile.write(data[i : i + 1])
        time.sleep(pause)
    return True


def dripping_head(handler, data: bytes) -> bool:
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(600):
        handler.wfile.write(b"X-%d: 1\r\n" % i)
        time.sleep(0.1)
    return True


def standing_still(handler, data: bytes) -> bool:
    handler.close_connection = True
    handler.hub.closed.wait(60)
    return True


def raw(text: bytes) -> Callable[[Any, bytes], bool]:
    def answer(handler, data: bytes) -> bool:
        handler.close_connection = True
        handler.wfile.write(text.replace(b"TOKEN", str(handler.headers.get("authorization")).encode()))
        return True

    return answer


def second(change: Callable[[Any, bytes], bool], first: int = 1) -> Callable[[Any, bytes], bool]:
    """The truth at first, and then something else."""
    count = []

    def answer(handler, data: bytes) -> bool:
        count.append(1)
        return change(handler, data) if len(count) > first else False

    return answer


def echoed(status: int) -> Callable[[Any, bytes], bool]:
    def answer(handler, data: bytes) -> bool:
        login = str(handler.headers.get("authorization"))
        return send(handler, status, {"X-Error-Message": login, "X-Error-Code": login}, login.encode())

    return answer


def same_sha_other_etag(handler, data: bytes) -> bool:
    """The weights' place with another ETag than the list has: huggingface_hub would download that blob, unchecked."""
    where = f"{handler.hub.storage}{STORED}"
    digest = next(d for d in handler.hub.uploaded if len(d) == 64) if handler.hub.uploaded else WRONG_SHA
    repo = handler.hub.repos["org/base"]
    true = repo.commits[repo.branches["main"]]["model.safetensors"]
    digest = hashlib.sha256(true).hexdigest()
    handler.hub.uploaded[digest] = true
    head = {"ETag": f'"{WRONG_SHA}"', "X-Linked-Etag": f'"{WRONG_SHA}"', "X-Linked-Size": "7"}
    return send(handler, 302, head | {"Location": f"{where}{digest}/model.safetensors"})


def resized(name: str, by: int) -> Lie:
    """A file that is listed with more or fewer bytes than it has, everywhere alike."""

    def change(data: dict) -> None:
        found = next(s for s in data["siblings"] if s["rfilename"] == name)
        found["size"] += by
        if "lfs" in found:
            found["lfs"]["size"] += by

    return listing(change)


def lfs(**changes) -> Lie:
    """What is listed of the weights' storage, changed."""
    return listing(lambda data: [s["lfs"].update(changes) for s in data["siblings"] if "lfs" in s])


def bomb(handler, data: bytes) -> bool:
    return send(handler, 200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(100_000_000), 1))


DEEP = b'{"sha":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

LIES: dict[str, tuple[Lie, str]] = {
    # the list of files
    "a commit that leaves the cache": (listing(lambda d: d.update(sha="../../../../escaped")), ERROR),
    "a commit of other letters": (listing(lambda d: d.update(sha="g" * 40)), ERROR),
    "a commit that is too short": (listing(lambda d: d.update(sha="abc")), ERROR),
    "a commit that is a number": (listing(lambda d: d.update(sha=7)), ERROR),
    "no commit": (listing(lambda d: d.pop("sha")), ERROR),
    "a sha256 that leaves the cache": (entry("model.safetensors", lfs={"sha256": "../../../escaped", "size": 1}), ERROR),
    "a sha256 that is a whole path": (entry("model.safetensors", lfs={"sha256": "/tmp/escaped"}), ERROR),
    "a sha256 with a NUL": (entry("model.safetensors", lfs={"sha256": "a" * 63 + "\0"}), ERROR),
    "a sha256 in capitals": (entry("model.safetensors", lfs={"sha256": "A" * 64}), ERROR),
    "a sha256 that is a number": (entry("model.safetensors", lfs={"sha256": 5}), ERROR),
    "a sha256 of something else": (lfs(sha256=WRONG_SHA), ERROR),
    "storage that is a text": (entry("model.safetensors", lfs="yes"), ERROR),
    "two sizes of one file": (lfs(size=1), ERROR),
    "a git id that leaves the cache": (entry("config.json", blobId="../../../escaped"), ERROR),
    "a git id of something else": (entry("config.json", blobId="1" * 40), ERROR),
    "a git id of another tokenizer": (entry("tokenizer.json", blobId="2" * 40), ERROR),
    "no git id": (entry("config.json", blobId=None), ERROR),
    "a size as text": (entry("config.json", size="12"), ERROR),
    "a negative size": (entry("config.json", size=-1), ERROR),
    "a size of half bytes": (entry("config.json", size=1.5), ERROR),
    "a size beyond all disks": (entry("model.safetensors", size=10**30), ERROR),
    "a size that is true": (entry("config.json", size=True), ERROR),
    "a size that is one too small": (resized("config.json", -1), ERROR),
    "a size that is one too large": (resized("config.json", 1), ERROR),
    "weights that are one byte longer": (resized("model.safetensors", 1), ERROR),
    "weights that are one byte shorter": (resized("model.safetensors", -1), ERROR),
    "a file above the folder": (extra("../escaped.json"), BYTES),
    "a file with a whole path": (extra("/tmp/escaped.json"), BYTES),
    "a file with a backslash": (extra("..\\escaped.json"), BYTES),
    "a file with a NUL": (extra("escaped\0.json"), BYTES),
    "a file called ..": (extra(".."), BYTES),
    "a file without a name": (extra(None), ERROR),
    "a file with half a character": (extra("\ud800.json"), ERROR),
    "a name of a thousand letters": (extra("x" * 1000 + ".json"), BYTES),
    "names that differ in case": (extra("Config.json"), BYTES),
    "a file that is listed twice, differently": (extra("config.json"), ERROR),
    "files that are no list": (listing(lambda d: d.update(siblings={"a": 1})), ERROR),
    "files that are numbers": (listing(lambda d: d.update(siblings=[1, 2])), ERROR),
    "no files": (listing(lambda d: d.update(siblings=[])), ERROR),
    "a tokenizer beyond bounds, by its size": (entry("tokenizer.json", size=10**13), ERROR),
    "small files that fill a disk": (more(*({"rfilename": f"{i}.json", "size": 63_000_000, "blobId": "1" * 40} for i in range(50))), ERROR),
    "a list of a million files": (listing(lambda d: b'{"siblings":[' + b'{"rfilename":"a"},' * 1_000_000 + b"{}]}"), ERROR),
    "a list nested too deeply": (listing(lambda d: DEEP), ERROR),
    "a list that is no JSON": (listing(lambda d: b"<html>log in</html>"), ERROR),
    "a list that is a list": (listing(lambda d: b"[]"), ERROR),
    "an empty list": (listing(lambda d: b""), ERROR),
    "a list of another encoding": (listing(lambda d: b"\xff\xfe"), ERROR),
    "a list as a gzip bomb": (at(LISTING, bomb), ERROR),
    "a list in honest gzip": (at(LISTING, lambda h, d: send(h, 200, {"Content-Encoding": "gzip"}, gzip.compress(d))), BYTES),
    "a list in broken gzip": (at(LISTING, lambda h, d: send(h, 200, {"Content-Encoding": "gzip"}, b"no gzip")), ERROR),
    "a list in an unknown encoding": (at(LISTING, lambda h, d: send(h, 200, {"Content-Encoding": "zstd"}, d)), ERROR),
    "a list without an end": (at(LISTING, endless), ERROR),
    "a list drop by drop": (at(LISTING, dripping), ERROR),
    "a head drop by drop": (at(LISTING, dripping_head), ERROR),
    "a list that never comes": (at(LISTING, standing_still), ERROR),
    # small files
    "another config": (at(CONFIG, lambda h, d: send(h, 200, {}, flipped(d))), ERROR),
    "a config with more behind it": (at(CONFIG, lambda h, d: send(h, 200, {}, d + b" ")), ERROR),
    "half a config": (at(CONFIG, lambda h, d: send(h, 200, {}, d[: len(d) // 2])), ERROR),
    "a config shorter than its length": (at(CONFIG, lambda h, d: send(h, 200, {}, d[:9], len(d))), ERROR),
    "a config that is a part": (at(CONFIG, lambda h, d: send(h, 206, {"Content-Range": f"bytes 0-{len(d) - 1}/{len(d)}"}, d)), ERROR),
    "a config as a gzip bomb": (at(CONFIG, bomb), ERROR),
    "a config without an end": (at(CONFIG, endless), ERROR),
    "a config drop by drop": (at(CONFIG, dripping), ERROR),
    "a config with another ETag": (at(CONFIG, lambda h, d: send(h, 200, {"ETag": '"../../x"', "X-Repo-Commit": "0" * 40}, d)), BYTES),
    "a config with a cookie": (at(CONFIG, lambda h, d: send(h, 200, {"Set-Cookie": "spy=1; Domain=localhost; Path=/"}, d)), BYTES),
    "an empty config": (at(CONFIG, lambda h, d: send(h, 200, {})), ERROR),
    "a config that is gone": (at(CONFIG, lambda h, d: send(h, 410, {})), ERROR),
    # redirects
    "a redirect to a file": (at(CONFIG, redirect("file:///etc/passwd")), ERROR),
    "a redirect to ftp": (at(CONFIG, redirect("ftp://127.0.0.1/x")), ERROR),
    "a redirect to data": (at(CONFIG, redirect("data:text/plain,hello")), ERROR),
    "a redirect with a login": (at(CONFIG, redirect("http://me:secret@127.0.0.1:1/x")), ERROR),
    "a redirect to a strange port": (at(CONFIG, redirect("http://127.0.0.1:99999/x")), ERROR),
    "a redirect to nowhere": (at(CONFIG, redirect("")), ERROR),
    "a redirect to itself": (at(CONFIG, redirect("{path}")), ERROR),
    "a list that redirects to itself": (at(LISTING, redirect("{path}", 307)), ERROR),
    "a redirect to another host, which has another file": (at(CONFIG, redirect("{hub.other.storage}/spy")), ERROR),
    "a list on another host": (at(LISTING, redirect("{hub.other.endpoint}/api/models/org/other", 308)), ERROR),
    "weights on another host": (at(WEIGHTS, redirect("{hub.other.storage}/spy")), ERROR),
    "weights with another ETag": (at(WEIGHTS, same_sha_other_etag), BYTES),
    # refusals
    **{f"status {s} for the {what}": (at(where, lambda h, d, s=s: send(h, s, {}, b"x" * 1000)), ERROR)
       for s in (401, 403, 404, 418, 429, 500, 503) for what, where in (("list", LISTING), ("config", CONFIG), ("weights", STORED))},
    "a refusal that echoes the login": (at(LISTING, echoed(403)), ERROR),
    "a refusal of the config that echoes the login": (at(CONFIG, echoed(500)), ERROR),
    "a head that cannot be read and echoes the login": (at(CONFIG, raw(b"HTTP/1.1 200 OK\r\nTOKEN\r\n\r\n")), ERROR),
    "a refusal without an end": (at(LISTING, lambda h, d: (h.send_response(500), endless(h, d))[1]), ERROR),
    "status 204": (at(CONFIG, lambda h, d: send(h, 204, {})), ERROR),
    # weights
    "other weights": (at(STORED, lambda h, d: part(h, flipped(d))), ERROR),
    "another header in the weights": (at(STORED, second(lambda h, d: part(h, d.replace(b"weight", b"thgiew")))), ERROR),
    "weights that change between requests": (at(STORED, second(lambda h, d: part(h, flipped(d)))), ERROR),
    "no weights at the second look": (at(STORED, second(lambda h, d: send(h, 404, {}))), ERROR),
    "another part than was asked for": (at(STORED, lambda h, d: part(h, d, f"bytes 8-{len(d) - 1}/{len(d)}")), ERROR),
    "a part of a longer file": (at(STORED, lambda h, d: part(h, d, f"bytes 0-{len(d) - 1}/{len(d) + 9}")), ERROR),
    "a part that is not said": (at(STORED, lambda h, d: part(h, d, "")), ERROR),
    "a part in other words": (at(STORED, lambda h, d: part(h, d, "items 0-1/2")), ERROR),
    "a part that ends before it begins": (at(STORED, lambda h, d: part(h, d, f"bytes 9-0/{len(d)}")), ERROR),
    "several parts": (at(STORED, lambda h, d: send(h, 206, {"Content-Type": "multipart/byteranges; boundary=x"}, b"--x\r\n" + d)), ERROR),
    "more than the part": (at(STORED, lambda h, d: part(h, d, body=asked(h, d)[1] + b"more")), BYTES),
    "less than the part": (at(STORED, lambda h, d: part(h, d, body=asked(h, d)[1][:100])), ERROR),
    "nothing of the part": (at(STORED, lambda h, d: part(h, d, body=b"")), ERROR),
    "the whole in place of a part": (at(STORED, lambda h, d: send(h, 200, {}, d)), BYTES),
    "weights in gzip": (at(STORED, lambda h, d: send(h, 200, {"Content-Encoding": "gzip"}, gzip.compress(d))), ERROR),
    "weights without an end": (at(STORED, lambda h, d: endless(h, d, d)), BYTES),
    "other weights without an end": (at(STORED, endless), ERROR),
    "weights drop by drop": (at(STORED, dripping), ERROR),
    "weights that never come": (at(STORED, standing_still), ERROR),
    "chunks of no size": (at(STORED, raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc")), ERROR),
    "chunks of a negative size": (at(STORED, raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc")), ERROR),
    "chunks without a last one": (at(STORED, raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")), ERROR),
    "a length that is no number": (at(STORED, raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc")), ERROR),
    "no HTTP": (at(STORED, raw(b"220 welcome\r\n")), ERROR),
    "nothing at all": (at(STORED, raw(b"")), ERROR),
    "a head of a megabyte": (at(STORED, raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n")), ERROR),
}  # fmt: skip
