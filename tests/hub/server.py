"""
A hub of our own for the tests: the API, two origins, LFS, and faults by order.

Written from what huggingface_hub 2.4 asks for; threads in the test's own process, so that a test
reads the log of served bytes and puts faults in at any moment.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.store import (
    SMALL_BYTES,
    Fault,
    Repository,
    Served,
    Store,
    bytes_of,
    len_of,
    sha256,
)

CHUNK_BYTES = 64 << 10
BREAKS = frozenset({"drop", "reset", "short", "stall"})
"""Faults that end an answer after so many bytes."""


class _Server(http.server.ThreadingHTTPServer):
    """One origin."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Small, so that bytes counted as sent are bytes that nearly arrived.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that leave are what is tested."""


class LocalHub:
    """
    The hub and its CDN; use as a context manager.

    Args:
        rate_bytes_per_s: how fast the CDN sends; 0 for as fast as it can.
    """

    def __init__(self, *, rate_bytes_per_s: int = 0) -> None:
        self.store = Store()
        self.rate_bytes_per_s = rate_bytes_per_s
        self._servers: list[_Server] = []
        self._ports = [0, 0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.store.released.set()
        self.stop()

    def start(self) -> None:
        """Listen, on the same ports as before."""
        for number, handler in enumerate((_Hub, _Cdn)):
            bound = type(handler.__name__, (handler,), {"hub": self, "store": self.store})
            server = _Server(self._ports[number], bound)
            self._ports[number] = server.server_port
            self._servers.append(server)
            threading.Thread(
                target=server.serve_forever, args=(0.02,), name="hub", daemon=True
            ).start()

    def stop(self) -> None:
        """Stop listening: connections are refused until `start`."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    @property
    def endpoint(self) -> str:
        """Where the hub listens."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def cdn(self) -> str:
        """Where the large files are: another origin."""
        return f"http://127.0.0.1:{self._ports[1]}"

    def add(self, id_: str, files: dict[str, bytes | Path], **facts: Any) -> str:
        """Add a repository, or a commit to it; returns the commit."""
        repository = self.store.repositories.setdefault(id_, Repository(id_))
        for name, value in facts.items():
            setattr(repository, name, value)
        return repository.commit(files)

    def break_with(self, *faults: Fault) -> None:
        """Let the next requests meet *faults*, in order."""
        self.store.faults.extend(faults)

    def served(self, where: str, path: str = "") -> list[Served]:
        """List the requests of one kind."""
        with self.store.lock:
            return [
                served
                for served in self.store.served
                if served.where == where and path in {"", served.path}
            ]

    def sent_bytes(self, path: str = "") -> int:
        """Count the bytes of file content that went out."""
        return sum(
            served.sent_bytes
            for where in ("cdn", "resolve")
            for served in self.served(where, path)
            if served.status < HTTPStatus.MULTIPLE_CHOICES
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    """What both origins share."""

    protocol_version = "HTTP/1.1"
    hub: LocalHub
    store: Store

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Keep the tests' output clean."""

    @property
    def token(self) -> str:
        """The token sent, or ""."""
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def body(self) -> bytes:
        """Read the request's content."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(
        self,
        status: int,
        content: object = None,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        where: str = "api",
    ) -> None:
        """Send a whole answer: bytes as they are, anything else as JSON."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.store.log(Served(where, urlsplit(self.path).path, status, 0, 0, self.token))
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if all(name != "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status: int, code: str) -> None:
        """Send an error as the hub words it."""
        self.answer(status, {"error": code}, (("X-Error-Code", code), ("X-Error-Message", code)))

    def broken(self, where: str, path: str = "") -> Fault | None:
        """Meet the next fault; returns it when the caller has to act it out, None for none."""
        fault = self.store.fault(where, path)
        if fault is None:
            return None
        if fault.what == "status":
            self.answer(fault.status, {"error": "by order"}, fault.headers, where=where)
            raise _DoneError
        if fault.what == "captive":
            self.answer(
                200, b"<html>Please log in</html>", (("Content-Type", "text/html"),), where=where
            )
            raise _DoneError
        if fault.what == "answer":
            self.answer(fault.status, fault.body, fault.headers, where=where)
            raise _DoneError
        if fault.what == "silence":
            self.store.released.wait(60)
            self.cut(reset=False)
            raise _DoneError
        if fault.what == "close":
            self.cut(reset=False)
            raise _DoneError
        if fault.what == "dead-port":
            self.answer(
                302, b"", (("Location", "http://127.0.0.1:9/x"), ("X-Repo-Commit", "0" * 40))
            )
            raise _DoneError
        return fault

    def cut(self, *, reset: bool) -> None:
        """End the connection without another byte, by FIN or by RST."""
        self.close_connection = True
        self.wfile.flush()
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def send_file(
        self,
        where: str,
        path: str,
        content: bytes | Path,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Send content or a range of it, and act a fault out on the way."""
        fault = self.broken(where, path)
        what = fault.what if fault else ""
        data = bytes_of(content)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        start = int(match[1]) if match and what != "no-range" else 0
        if start >= len(data) > 0:
            self.answer(416, b"", (("Content-Range", f"bytes */{len(data)}"),), where=where)
            return
        stop = int(match[2]) + 1 if match and match[2] and what != "no-range" else len(data)
        rest = data[start:stop]
        if what == "corrupt" and fault:
            middle = fault.at_bytes % max(1, len(rest))
            flipped = bytes(byte ^ 0xFF for byte in rest[middle : middle + 16])
            rest = rest[:middle] + flipped + rest[middle + len(flipped) :]
        announced = rest + b"x" * 7 if what == "size" else rest
        self.send_response(206 if match and what != "no-range" else 200)
        if match and what != "no-range":
            self.send_header("Content-Range", f"bytes {start}-{start + len(rest) - 1}/{len(data)}")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(announced)))
        served = Served(where, path, 206 if match else 200, start, 0, self.token)
        self.store.log(served)
        breaks_at = fault.at_bytes if fault and what in BREAKS else None
        try:
            self.end_headers()
            for chunk in self.paced(announced):
                left = len(chunk) if breaks_at is None else max(0, breaks_at - served.sent_bytes)
                self.send_counted(served, chunk[:left])
                if breaks_at is not None and left <= len(chunk):
                    if what == "stall":
                        self.store.released.wait(20)
                    self.cut(reset=what == "reset")
                    return
        except OSError:
            self.close_connection = True

    def send_counted(self, served: Served, chunk: bytes) -> None:
        """Send *chunk*; what a client that left did not take is not counted."""
        served.sent_bytes += len(chunk)
        try:
            self.wfile.write(chunk)
        except OSError:
            served.sent_bytes -= len(chunk)
            raise

    def paced(self, data: bytes) -> Iterator[bytes]:
        """Cut *data* into chunks that leave at the hub's rate."""
        rate = self.hub.rate_bytes_per_s
        begun = time.monotonic()
        for at in range(0, len(data), CHUNK_BYTES):
            if rate:
                time.sleep(max(0.0, begun + at / rate - time.monotonic()))
            yield data[at : at + CHUNK_BYTES]


class _DoneError(Exception):
    """The answer was sent."""


class _Cdn(_Handler):
    """The other origin: signed addresses for down- and uploads."""

    def do_GET(self) -> None:
        """Send an object whose signature is still good."""
        signed = parse_qs(urlsplit(self.path).query).get("sig", [""])[0]
        known = self.store.signatures.get(signed)
        with contextlib.suppress(_DoneError):
            if known is None:
                self.answer(403, b"<Error>expired</Error>", where="cdn")
                return
            repository, commit, path = known
            self.send_file("cdn", path, self.store.repositories[repository].commits[commit][path])

    def do_PUT(self) -> None:
        """Take an object."""
        oid = urlsplit(self.path).path.rsplit("/", 1)[1]
        expected = int(self.headers.get("Content-Length") or 0)
        fault = self.store.fault("put")
        if fault and fault.what == "drop":
            got = len(self.rfile.read(min(fault.at_bytes, expected)))
            self.store.log(Served("put", oid, 0, 0, got, self.token))
            self.cut(reset=True)
            return
        data = self.rfile.read(expected)
        self.store.log(Served("put", oid, fault.status if fault else 200, 0, len(data), self.token))
        if fault and fault.what == "stall":
            self.store.released.wait(20)
            self.cut(reset=True)
            return
        if fault:
            self.answer(fault.status, b"", where="put-answer")
            return
        if sha256(data) == oid:
            self.store.objects[oid] = data
        self.answer(200, b"", where="put-answer")


class _Hub(_Handler):
    """The API and /resolve/."""

    def do_HEAD(self) -> None:
        """Answer as GET does, without the content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer what is asked."""
        url = urlsplit(self.path)
        path = unquote(url.path)
        with contextlib.suppress(_DoneError):
            if path == "/api/models":
                self.broken("api")
                self.search(parse_qs(url.query))
            elif path == "/api/whoami-v2":
                self.answer(200, {"name": self.store.tokens.get(self.token), "type": "user"})
            elif path.startswith("/api/models/"):
                self.broken("api")
                self.model(path.removeprefix("/api/models/"), parse_qs(url.query))
            elif match := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
                self.resolve(match[1], match[2], match[3])
            else:
                self.refuse(404, "RepoNotFound")

    def do_POST(self) -> None:
        """Take what is sent."""
        path = unquote(urlsplit(self.path).path)
        body = self.body()
        with contextlib.suppress(_DoneError):
            if path == "/api/validate-yaml":
                self.answer(200, {"errors": [], "warnings": []})
            elif self.token not in self.store.tokens:
                self.refuse(401, "")
            elif path == "/api/repos/create":
                self.broken("create")
                self.create(json.loads(body))
            elif match := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
                self.broken("preupload")
                self.preupload(match[1], json.loads(body))
            elif match := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
                self.broken("batch")
                self.batch(json.loads(body))
            elif match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
                self.broken("commit")
                self.take_commit(match[1], body)
            else:
                self.refuse(404, "RepoNotFound")

    def visible(self, id_: str) -> Repository:
        """Find a repository this client may see."""
        repository = self.store.repositories.get(id_)
        known = self.token in self.store.tokens
        if self.token and not known:
            self.answer(401, {"error": "Invalid credentials in Authorization header"})
            raise _DoneError
        if repository is None or (repository.private and not known):
            self.refuse(404 if known else 401, "RepoNotFound")
            raise _DoneError
        return repository

    def search(self, query: dict[str, list[str]]) -> None:
        """List repositories, filtered and sorted as the hub does."""
        self.store.queries.append(query)
        words = query.get("search", [""])[0].lower().split()
        author = query.get("author", [""])[0]
        sort = query.get("sort", ["downloads"])[0]
        found = [
            repository
            for repository in self.store.repositories.values()
            if not repository.private
            and all(word in repository.id.lower() for word in words)
            and (not author or repository.id.startswith(f"{author}/"))
            and set(query.get("filter", [])) <= {*repository.tags, f"license:{repository.license}"}
            and query.get("gated", [str(bool(repository.gated)).lower()])[0]
            == str(bool(repository.gated)).lower()
        ]
        key = "likes" if sort == "likes" else "downloads"
        found.sort(key=lambda repository: -int(getattr(repository, key)))
        limit = int(query.get("limit", ["1000"])[0])
        self.answer(200, [self.facts(repository) for repository in found[:limit]])

    def model(self, rest: str, query: dict[str, list[str]]) -> None:
        """Tell of one repository, or of its branches."""
        if rest.endswith("/refs"):
            known = self.visible(rest.removesuffix("/refs"))
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": commit}
                for name, commit in known.branches.items()
            ]
            self.answer(200, {"branches": branches, "tags": [], "converts": []})
            return
        match = re.fullmatch(r"(.+?)(?:/revision/(.+))?", rest)
        assert match
        repository = self.visible(match[1])
        at = repository.at(match[2] or "main")
        if at is None:
            self.refuse(404, "RevisionNotFound")
            return
        commit, files = at
        facts = self.facts(repository) | {"sha": commit}
        if "blobs" in query:
            facts["siblings"] = [self.sibling(path, files[path]) for path in sorted(files)]
        self.answer(200, facts)

    def facts(self, repository: Repository) -> dict[str, object]:
        """Give what the API says of a repository."""
        return {
            "id": repository.id,
            "modelId": repository.id,
            "sha": repository.head,
            "private": repository.private,
            "gated": repository.gated or False,
            "downloads": repository.downloads,
            "likes": repository.likes,
            "lastModified": "2026-08-01T10:00:00.000Z",
            "createdAt": "2026-01-01T10:00:00.000Z",
            "tags": [*repository.tags, f"license:{repository.license}"],
            "cardData": {"license": repository.license, "base_model": repository.base or None},
            "gguf": repository.gguf,
            "siblings": [
                {"rfilename": path} for path in sorted(repository.commits[repository.head])
            ],
        }

    def sibling(self, path: str, content: bytes | Path) -> dict[str, object]:
        """Give what the API says of a file."""
        git, large = self.store.digests(content)
        size = len_of(content)
        facts: dict[str, object] = {"rfilename": path, "size": size, "blobId": git}
        if size >= SMALL_BYTES:
            facts["lfs"] = {"sha256": large, "size": size, "pointerSize": 134}
        return facts

    def resolve(self, id_: str, revision: str, path: str) -> None:
        """Send a small file, or the way to a large one."""
        self.broken("hub", path)
        repository = self.visible(id_)
        if repository.gated and self.token not in self.store.tokens:
            self.refuse(401, "GatedRepo")
            return
        at = repository.at(revision)
        if at is None:
            self.refuse(404, "RevisionNotFound")
            return
        commit, files = at
        if path not in files:
            self.refuse(404, "EntryNotFound")
            return
        content = files[path]
        git, large = self.store.digests(content)
        common = (("X-Repo-Commit", commit),)
        if len_of(content) < SMALL_BYTES:
            self.send_file("resolve", path, content, (*common, ("ETag", f'"{git}"')))
            return
        signed = secrets.token_hex(8)
        self.store.signatures[signed] = (id_, commit, path)
        self.answer(
            302,
            b"",
            (
                *common,
                ("Location", f"{self.hub.cdn}/{large}?sig={signed}"),
                ("X-Linked-ETag", f'"{large}"'),
                ("X-Linked-Size", str(len_of(content))),
            ),
            where="redirect",
        )

    def create(self, wanted: dict[str, Any]) -> None:
        """Make a repository."""
        owner = wanted.get("organization") or self.store.tokens[self.token]
        id_ = f"{owner}/{wanted['name']}"
        if id_ in self.store.repositories:
            self.answer(409, {"error": "exists", "url": f"{self.hub.endpoint}/{id_}"})
            return
        repository = Repository(id_, private=wanted.get("visibility") == "private")
        repository.commit({".gitattributes": b""})
        self.store.repositories[id_] = repository
        self.answer(200, {"url": f"{self.hub.endpoint}/{id_}", "name": id_})

    def preupload(self, id_: str, wanted: dict[str, Any]) -> None:
        """Say which files are large."""
        files = self.store.repositories[id_].commits[self.store.repositories[id_].head]
        answers = []
        for file in wanted["files"]:
            large = file["size"] >= SMALL_BYTES
            facts = {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
            }
            if file["path"] in files:
                git, digest = self.store.digests(files[file["path"]])
                facts["oid"] = digest if large else git
            answers.append(facts)
        self.answer(200, {"files": answers})

    def batch(self, wanted: dict[str, Any]) -> None:
        """Say where large files go, for those that are not here yet."""
        objects = []
        for item in wanted["objects"]:
            facts = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.store.objects:
                href = f"{self.hub.cdn}/upload/{item['oid']}"
                facts["actions"] = {"upload": {"href": href, "header": {}}}
            objects.append(facts)
        self.answer(200, {"transfer": "basic", "objects": objects})

    def take_commit(self, id_: str, body: bytes) -> None:
        """Add a commit."""
        repository = self.store.repositories[id_]
        files = dict(repository.commits[repository.head])
        for line in body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.store.objects[value["oid"]]
        commit = repository.commit(files)
        url = f"{self.hub.endpoint}/{id_}/commit/{commit}"
        self.answer(200, {"success": True, "commitOid": commit, "commitUrl": url})
