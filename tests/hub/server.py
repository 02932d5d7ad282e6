"""A Hugging Face Hub on this machine, as far as huggingface_hub needs one: models, ranges, refusals, uploads.

It speaks HTTP with the real, unmodified library. What is large lies behind a redirect to another host name, as on the
Hub, so that a login that is carried along to the storage would be seen. Every request is kept, with the bytes it got.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin")


@dataclass
class Request:
    """What was asked, by whom, and how many bytes of a body it got."""

    method: str
    path: str
    login: str | None
    range: str | None
    sent: int = 0
    host: str = ""
    cookie: str | None = None


@dataclass
class Repo:
    """A model: its files at each commit, and what its branches are at."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False
    gated: bool = False

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Add or change files, and move the branch there."""
        all_files = self.commits.get(self.branches.get(branch, ""), {}) | dict(files)
        listed = "\n".join(f"{n} {sha256(b)}" for n, b in sorted(all_files.items()))
        name = hashlib.sha1(f"{len(self.commits)}\n{listed}".encode()).hexdigest()
        self.commits[name], self.branches[branch] = all_files, name
        return name


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """The server, in a thread of its own.

    Attributes
    ----------
    repos : dict of str to Repo
    token : str
        The login that private and gated models ask for, and uploads.
    requests : list of Request
    cut : dict of str to list of int
        For a file's name: after how many bytes to end each of its next answers, as a network does that breaks down.
    damaged, vanished, without_ranges : set of str
        Names of files whose bytes are other ones, that are gone, that are only given whole.
    lie : callable, optional
        Called with the handler and the path of each request before it is answered; true where it has answered.
    pace : callable, optional
        Called with a file's name before each piece of it is sent.
    closed : threading.Event
        What an answer that never comes waits for.
    """

    PIECE = 1 << 14

    def __init__(self):
        self.repos: dict[str, Repo] = {}
        self.token = "hf_" + "t" * 34
        self.requests: list[Request] = []
        self.cut: dict[str, list[int]] = {}
        self.damaged: set[str] = set()
        self.vanished: set[str] = set()
        self.without_ranges: set[str] = set()
        self.pace = None
        self.lie = None
        self.uploaded: dict[str, bytes] = {}
        self.connections: list[socket.socket] = []
        self.closed = threading.Event()
        hub = self
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.storage = f"http://localhost:{self.port}"

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def add(self, repo_id: str, folder: Path, branch: str = "main", **kind) -> str:
        """A model with the files of a folder; returns the commit."""
        repo = self.repos.setdefault(repo_id, Repo(**kind))
        return repo.commit({p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}, branch)

    def asked(self, text: str = "", method: str = "GET") -> list[Request]:
        """Requests whose path holds a text."""
        return [r for r in self.requests if text in r.path and r.method == method]

    def sent(self, text: str) -> int:
        """Bytes of bodies that were sent for paths that hold a text."""
        return sum(r.sent for r in self.asked(text))


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.hub.connections.append(self.connection)

    def log_message(self, *_):
        pass

    def handle(self):
        with suppress(ConnectionError):  # the client went away
            super().handle()

    def do_GET(self):
        self._go()

    do_HEAD = do_POST = do_PUT = do_GET

    def _go(self):
        url = urlsplit(self.path)
        self.asked = Request(
            self.command, unquote(self.path), self.headers.get("authorization"), self.headers.get("range"),
            host=self.headers.get("host", ""), cookie=self.headers.get("cookie"),
        )  # fmt: skip
        self.hub.requests.append(self.asked)
        length = int(self.headers.get("content-length") or 0)
        if self.headers.get("transfer-encoding") == "chunked":
            self.body = self._chunks()
        else:
            self.body = self.rfile.read(length)
        path, self.query = unquote(url.path), parse_qs(url.query)
        if self.hub.lie is not None and self.hub.lie(self, path):
            return None
        for pattern, method in ROUTES:
            if found := re.fullmatch(pattern, path):
                return getattr(self, method)(*found.groups())
        return self._answer(404, {"error": f"no such address: {path}"})

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    # --- answers ---

    def _answer(self, status: int, body: bytes | dict = b"", headers: Mapping[str, str] | None = None):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
            self.asked.sent += len(data)

    def _refuse(self, status: int, code: str):
        self._answer(status, {"error": code}, {"X-Error-Code": code, "X-Error-Message": code})

    def _allowed(self, repo_id: str) -> Repo | None:
        repo, known = self.hub.repos.get(repo_id), self.asked.login == f"Bearer {self.hub.token}"
        if repo is None or (repo.private and not known):
            return self._refuse(404 if known else 401, "RepoNotFound")
        return repo

    def _commit(self, repo: Repo, revision: str | None) -> str | None:
        commit = repo.branches.get(revision or "main", revision)
        return commit if commit in repo.commits else self._refuse(404, "RevisionNotFound")

    # --- reading ---

    def model(self, repo_id: str, revision: str | None = None):
        if (repo := self._allowed(repo_id)) is None or (commit := self._commit(repo, revision)) is None:
            return
        self._answer(200, self.listing(repo_id, repo, commit))

    def listing(self, repo_id: str, repo: Repo, commit: str) -> dict:
        siblings = []
        for name, data in repo.commits[commit].items():
            entry = {"rfilename": name, "size": len(data), "blobId": git_blob(data)}
            if name.endswith(LARGE):
                entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 134}
            siblings.append(entry if "blobs" in self.query else {"rfilename": name})
        return {"id": repo_id, "modelId": repo_id, "sha": commit, "private": repo.private,
                "tags": [], "downloads": 0, "likes": 0, "siblings": siblings}  # fmt: skip

    def resolve(self, repo_id: str, revision: str, name: str):
        if (repo := self._allowed(repo_id)) is None or (commit := self._commit(repo, revision)) is None:
            return
        if repo.gated and self.asked.login != f"Bearer {self.hub.token}":
            return self._refuse(403, "GatedRepo")
        data = repo.commits[commit].get(name)
        if data is None or name in self.hub.vanished:
            return self._refuse(404, "EntryNotFound")
        about = {"X-Repo-Commit": commit, "ETag": f'"{git_blob(data)}"'}
        if not name.endswith(LARGE):
            return self._answer(200, data, about)
        self.hub.uploaded.setdefault(sha256(data), data)
        about |= {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
        self._answer(
            302, b"", about | {"Location": f"{self.hub.storage}/storage/{sha256(data)}/{name}?signature=secret"}
        )

    def stored(self, digest: str, name: str):
        data = self.hub.uploaded[digest]
        if name in self.hub.damaged:
            data = data[:-4] + b"\xff\xff\xff\xff"
        whole, status, headers = len(data), 200, {}
        if (wish := self.headers.get("range")) and name not in self.hub.without_ranges:
            first, _, last = wish.removeprefix("bytes=").partition("-")
            data = data[int(first) : int(last) + 1 if last else None]
            status, headers = 206, {"Content-Range": f"bytes {first}-{int(first) + len(data) - 1}/{whole}"}
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        cuts = self.hub.cut.get(name)
        end = cuts.pop(0) if cuts else len(data)
        for start in range(0, min(end, len(data)), self.hub.PIECE):
            if self.hub.pace is not None:
                self.hub.pace(name)
            piece = data[start : min(start + self.hub.PIECE, end)]
            self.wfile.write(piece)
            self.asked.sent += len(piece)
        if end < len(data):
            self.close_connection = True

    # --- writing ---

    def create(self):
        wish = json.loads(self.body)
        if self.asked.login != f"Bearer {self.hub.token}":
            return self._refuse(401, "Unauthorized")
        repo_id = f"{wish.get('organization') or 'me'}/{wish['name']}"
        if repo_id in self.hub.repos:
            return self._answer(409, {"error": "You have this model", "url": f"{self.hub.endpoint}/{repo_id}"})
        private = bool(wish.get("private")) or wish.get("visibility") == "private"
        repo = self.hub.repos[repo_id] = Repo(private=private)
        repo.commit({".gitattributes": b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"})
        self._answer(200, {"url": f"{self.hub.endpoint}/{repo_id}", "name": repo_id})

    def card(self):
        self._answer(200, {"errors": [], "warnings": []})

    def preupload(self, repo_id: str):
        files = [
            {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(LARGE) else "regular", "shouldIgnore": False}
            for f in json.loads(self.body)["files"]
        ]
        self._answer(200, {"files": files})

    def batch(self, repo_id: str):
        objects = []
        for wish in json.loads(self.body)["objects"]:
            entry = {"oid": wish["oid"], "size": wish["size"]}
            if wish["oid"] not in self.hub.uploaded:
                entry["actions"] = {"upload": {"href": f"{self.hub.storage}/upload/{wish['oid']}", "header": {}}}
            objects.append(entry)
        self._answer(200, {"transfer": "basic", "objects": objects})

    def upload(self, digest: str):
        ok = sha256(self.body) == digest
        if ok:
            self.hub.uploaded[digest] = self.body
        self._answer(200 if ok else 400)

    def committed(self, repo_id: str):
        if (repo := self._allowed(repo_id)) is None:
            return
        files = {}
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploaded[value["oid"]]
        commit = repo.commit(files)
        url = f"{self.hub.endpoint}/{repo_id}/commit/{commit}"
        self._answer(200, {"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})


_ID = r"([^/]+/[^/]+)"
ROUTES = (
    (rf"/api/models/{_ID}/revision/([^/]+)", "model"),
    (rf"/api/models/{_ID}/preupload/[^/]+", "preupload"),
    (rf"/api/models/{_ID}/commit/[^/]+", "committed"),
    (rf"/api/models/{_ID}", "model"),
    (r"/api/repos/create", "create"),
    (r"/api/validate-yaml", "card"),
    (rf"/{_ID}\.git/info/lfs/objects/batch", "batch"),
    (r"/storage/([0-9a-f]{64})/(.+)", "stored"),
    (r"/upload/([0-9a-f]{64})", "upload"),
    (rf"/{_ID}/resolve/([^/]+)/(.+)", "resolve"),
)
