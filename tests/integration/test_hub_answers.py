"""Whatever a hub answers: the right error or the item left out, never a defect of rkd."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rkd.errors import InvalidInputError, Reason, RkdError, UnavailableError
from rkd.hub.browse import Browser
from rkd.hub.cache import AnswerCache
from rkd.hub.connection import Connection, Limits
from rkd.hub.headroom import Headroom
from rkd.hub.listing import LARGEST_FILE_BYTES
from rkd.hub.mover import Mover
from rkd.hub.stop import StopSign
from rkd.hub.upload import Outgoing, upload
from rkd.service.hub import HubService
from rkd.v1 import hub_pb2 as pb
from tests.hub.rooms import Rooms, running
from tests.hub.server import LocalHub
from tests.hub.store import Fault

REPOSITORY = "org/Tiny-1B-GGUF"
COMMIT = "c" * 40
SHA256 = "a" * 64
TRIES = 40
"""Faults laid out for one question: more than it has tries."""

WEIGHTS = {"rfilename": "t-Q4_K_M.gguf", "size": 5000, "lfs": {"sha256": SHA256, "size": 5000}}
GOOD: dict[str, Any] = {"id": REPOSITORY, "sha": COMMIT, "siblings": [WEIGHTS], "tags": ["gguf"]}


def good(**changes: object) -> dict[str, Any]:
    """Write what a hub says of a repository, with some of it replaced."""
    return {**GOOD, **changes}


def sibling(**changes: object) -> dict[str, Any]:
    """Write it with one more file, odd in some way, beside the good one."""
    return good(siblings=[{**WEIGHTS, "rfilename": "odd-Q8_0.gguf", **changes}, WEIGHTS])


NO_DOCUMENT: dict[str, bytes] = {
    "empty": b"",
    "a page": b"<html>Please log in</html>",
    "null": b"null",
    "a number": b"7",
    "a text": b'"hello"',
    "half": b'{"id": "org/',
    "binary": bytes(range(256)),
    "utf-16": json.dumps(GOOD).encode("utf-16"),
    "deep list": b"[" * 200_000,
    "deep object": b'{"id":' * 100_000,
    "many values": b"[" + b"{}," * 400_000 + b"{}]",
    "long number": b"9" * 10_000,
    "too large": b" " * (17 << 20) + b"{}",
}
"""Bodies that are no answer to anything."""

ODD_VALUES: tuple[object, ...] = (
    None,
    [],
    {},
    "",
    "x",
    7,
    -1,
    2**63,
    10**400,
    1.5,
    True,
    "\ud800",
    "\x00",
    "\x1b[2J",
    "x" * 100_000,
    [None, 1, {}, "\ud800"],
    [[[[]]]],
)
FACTS = (
    "downloads",
    "likes",
    "lastModified",
    "createdAt",
    "tags",
    "cardData",
    "gguf",
    "gated",
    "private",
)
ODD_DATES = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-45T99:99:99Z")
ODD_PATHS = (
    "../../etc/passwd-Q8_0.gguf",
    "/etc/x-Q8_0.gguf",
    "a/../b-Q8_0.gguf",
    "a\\b-Q8_0.gguf",
    "nul\x00-Q8_0.gguf",
    "line\n-Q8_0.gguf",
    "esc\x1b[2J-Q8_0.gguf",
    "half\ud800-Q8_0.gguf",
    "x" * 300 + "-Q8_0.gguf",
    "a/" * 600 + "x-Q8_0.gguf",
    "rtl\u202e-Q8_0.gguf",
    "./x-Q8_0.gguf",
    "a//x-Q8_0.gguf",
    "",
    None,
    7,
    ["x-Q8_0.gguf"],
)
ODD_SIBLINGS: tuple[dict[str, object], ...] = (
    *({"rfilename": path} for path in ODD_PATHS),
    *({"size": size} for size in ("5000", -1, 2**63, LARGEST_FILE_BYTES + 1, 1.5, None, True, {})),
    *({"lfs": {"sha256": digest}} for digest in ("", "a", "g" * 64, "../" * 20, 7, None)),
    *({"lfs": lfs} for lfs in ("x", 7, [], {}, True)),
    *({"lfs": None, "blobId": blob} for blob in ("", "x", 7, None, "a" * 64)),
)


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """Run one hub for the whole table; its faults do not outlive their test."""
    with LocalHub() as hub:
        hub.add(REPOSITORY, {"t-Q4_K_M.gguf": b"x" * 5000, "README.md": b"# Tiny"}, tags=["gguf"])
        yield hub


@pytest.fixture(autouse=True)
def no_faults_left(hub: LocalHub) -> Iterator[None]:
    """Begin and end without faults."""
    hub.store.faults.clear()
    yield
    hub.store.faults.clear()


class Bench:
    """The service over a hub that answers what it is told to."""

    def __init__(self, hub: LocalHub, folder: Path, *, endpoint: str = "") -> None:
        self.hub = hub
        self.read_s = 30.0
        self.connection = Connection(
            endpoint=endpoint or hub.endpoint,
            token=lambda: "hf_good",
            offline=lambda: False,
            home=folder / "hf",
            limits=lambda: Limits(30.0, self.read_s, (0.0,)),
        )
        cache = AnswerCache(folder / "cache", self.connection)
        browser = Browser(self.connection, cache, Mover(self.connection))
        board = Headroom(8 << 30, 16 << 30, "rk3588", 4096)
        self.service = HubService(
            connection=self.connection, cache=cache, browser=browser, capacity=lambda: board
        )

    def answers(self, where: str, body: object, *, status: int = 200, **headers: str) -> None:
        """Let the hub answer every question of a kind with *body*."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        fault = Fault(where, "answer", status=status, headers=named, body=data)
        self.hub.break_with(*[fault] * TRIES)

    async def search(self) -> list[str]:
        """Search; returns ids, all of it written for the wire once."""
        response = await self.service.Search(pb.SearchRequest(query="x"), None)
        response.SerializeToString()
        return [one.id for one in response.repositories]

    async def files(self) -> list[str]:
        """List files; returns tags, all of it written for the wire once."""
        response = await self.service.ListFiles(pb.ListFilesRequest(repository=REPOSITORY), None)
        response.SerializeToString()
        return [one.tag for one in response.variants]

    async def card(self) -> str:
        """Bring the card."""
        response = await self.service.GetCard(pb.GetCardRequest(repository=REPOSITORY), None)
        response.SerializeToString()
        return response.text


@pytest.fixture
def bench(hub: LocalHub, tmp_path: Path) -> Bench:
    """Aim a service at the hub."""
    return Bench(hub, tmp_path)


@pytest.mark.parametrize("question", ["search", "files", "card"])
@pytest.mark.parametrize("body", NO_DOCUMENT.values(), ids=NO_DOCUMENT.keys())
async def test_what_is_no_document_is_no_hub(bench: Bench, question: str, body: bytes) -> None:
    """A page, nothing, null, too deep, too large: HUB_UNREACHABLE, and why."""
    bench.answers("api", body)
    with pytest.raises(UnavailableError, match="does not speak like a hub") as caught:
        await getattr(bench, question)()

    assert caught.value.reason is Reason.HUB_UNREACHABLE
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("fact", FACTS)
async def test_an_odd_fact_costs_that_fact(bench: Bench, fact: str, value: object) -> None:
    """Whatever stands in a field nobody needs, the repository and its weights are listed."""
    bench.answers("api", good(**{fact: value}))
    assert await bench.files() == ["Q4_K_M"]
    bench.hub.store.faults.clear()
    bench.answers("api", [good(**{fact: value})])
    assert await bench.search() == [REPOSITORY]


@pytest.mark.parametrize("date", ODD_DATES)
async def test_an_odd_date_costs_the_date(bench: Bench, date: str) -> None:
    """Dates out of range are left out."""
    bench.answers("api", [good(lastModified=date, createdAt=date)])
    assert await bench.search() == [REPOSITORY]


@pytest.mark.parametrize("odd", ODD_SIBLINGS, ids=lambda odd: ascii(odd)[:40])
async def test_an_odd_file_is_left_out(bench: Bench, odd: dict[str, object]) -> None:
    """A name that leads elsewhere, a size or digest that cannot be: the others stay."""
    bench.answers("api", sibling(**odd))
    assert await bench.files() == ["Q4_K_M"]


@pytest.mark.parametrize(
    "body",
    [
        good(id=None),
        good(id="../../etc"),
        good(id="a/b/c"),
        good(id="x" * 400),
        good(sha=None),
        good(sha="main"),
        good(sha="C" * 39),
        good(sha=7),
        good(siblings="all"),
        good(siblings={"a": 1}),
        good(siblings=[{}] * 20_001),
        [GOOD],
    ],
    ids=lambda body: ascii(body)[:60],
)
async def test_an_answer_without_repository_or_commit_is_none(bench: Bench, body: object) -> None:
    """What a pull stands on has to be there."""
    bench.answers("api", body)
    with pytest.raises(UnavailableError, match="does not speak like a hub"):
        await bench.files()


async def test_odd_repositories_are_left_out_of_a_search(bench: Bench) -> None:
    """One bad item costs itself."""
    odd = [None, 1, "x", [], {}, good(id=None), good(id="a/../b"), good(siblings=7)]
    bench.answers("api", [*odd, GOOD])

    assert await bench.search() == [REPOSITORY]


NOWHERE = (
    "http://127.0.0.1:99999/x",
    "http://127.0.0.1:0/x",
    "http://127.0.0.1:-1/x",
    "http://[::1/x",
    "ftp://127.0.0.1/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://127.0.0.1:9/x",
)
ELSEWHERE = ("http:///x", "\x7f", "/api/models", "?again", "x" * 60_000)


@pytest.mark.parametrize("location", NOWHERE)
async def test_a_redirect_to_no_address_is_no_answer(
    bench: Bench, tmp_path: Path, location: str
) -> None:
    """A bad port, another scheme, a dead end: HUB_UNREACHABLE for question and file."""
    bench.answers("api", b"", status=302, Location=location)
    with pytest.raises(UnavailableError):
        await bench.files()
    bench.hub.store.faults.clear()
    bench.answers("hub", b"", status=302, Location=location, X_Repo_Commit=COMMIT)
    async with running(Rooms(bench.hub.endpoint, tmp_path)) as rooms:
        with pytest.raises(UnavailableError):
            await rooms.pulled(REPOSITORY)


@pytest.mark.parametrize("where", ["api", "hub"])
@pytest.mark.parametrize("location", ELSEWHERE, ids=lambda location: ascii(location)[:20])
async def test_a_redirect_elsewhere_is_judged_by_what_is_there(
    bench: Bench, tmp_path: Path, location: str, where: str
) -> None:
    """In circles, to another answer, to nothing: typed, and no model appears."""
    bench.answers(where, b"", status=302, Location=location, X_Repo_Commit=COMMIT)
    async with running(Rooms(bench.hub.endpoint, tmp_path)) as rooms:
        with pytest.raises(RkdError) as caught:
            await rooms.pulled(REPOSITORY)
        assert caught.value.reason is not Reason.INTERNAL
        assert rooms.folders() == []


@pytest.mark.parametrize("status", [204, 304, 300, 400, 404, 418, 422, 429, 500, 599])
@pytest.mark.parametrize("question", ["search", "files", "card"])
async def test_every_status_has_its_meaning(bench: Bench, question: str, status: int) -> None:
    """Also those without a body or a place to go to."""
    bench.answers("api", b"", status=status, Retry_After="nan")
    with pytest.raises(RkdError) as caught:
        await getattr(bench, question)()

    assert caught.value.reason is not Reason.INTERNAL


async def test_a_bad_request_is_told_in_the_hubs_words(bench: Bench) -> None:
    """400 is no missing hub: what it says is said on, bounded and on one line."""
    bench.answers("api", {"error": "Invalid filter\x1b[2J " + "x" * 5000}, status=400)
    with pytest.raises(InvalidInputError, match="Invalid filter") as caught:
        await bench.search()

    assert caught.value.reason is Reason.INVALID_FIELD
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 400


PACKED = {
    "gzip": gzip.compress(json.dumps(GOOD).encode()),
    "bomb": gzip.compress(bytes(200 << 20)),
    "cut": gzip.compress(json.dumps(GOOD).encode())[:-20],
    "no gzip": b"hello",
}


@pytest.mark.parametrize("name", PACKED)
async def test_packed_answers_are_unpacked_within_bounds(bench: Bench, name: str) -> None:
    """Gzip is asked for; a small answer that unpacks to gigabytes ends at the bound."""
    bench.answers("api", PACKED[name], Content_Encoding="gzip")
    if name == "gzip":
        assert await bench.files() == ["Q4_K_M"]
        return
    with pytest.raises(UnavailableError, match="does not speak like a hub"):
        await bench.files()


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "\x01"])
async def test_other_packings_were_not_asked_for(bench: Bench, encoding: str) -> None:
    """What cannot be bounded is not unpacked."""
    bench.answers("api", zlib.compress(b"{}"), Content_Encoding=encoding)
    with pytest.raises(UnavailableError):
        await bench.files()


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": "7"},
        {"Content_Length": "-1"},
        {"Content_Length": "99999999999999999999"},
        {"Transfer_Encoding": "chunked"},
        {"X_Long": "x" * 200_000},
        {"Bad Name": "x"},
    ],
    ids=lambda headers: ascii(headers)[:30],
)
async def test_headers_that_lie(bench: Bench, headers: dict[str, str]) -> None:
    """Two lengths, chunks that are none, headers without end: the connection counts as broken."""
    bench.read_s = 1.0  # two of them promise more than comes: what is tried is the silence
    bench.answers("api", GOOD, **headers)
    with pytest.raises(UnavailableError):
        await bench.files()


@pytest.mark.parametrize("where", ["create", "preupload", "batch", "commit"])
@pytest.mark.parametrize(
    "body",
    [
        *NO_DOCUMENT.values(),
        b"[]",
        b"{}",
        b'{"files": 7}',
        b'{"files": [{"path": "x", "uploadMode": "magic"}]}',
        b'{"objects": [{"oid": 7}]}',
        b'{"objects": [{"oid": "x", "size": -1, "actions": {"upload": {"href": "http://h:0x/"}}}]}',
        b'{"url": "file:///etc", "commitUrl": 7, "commitOid": null}',
    ],
    ids=lambda body: ascii(body)[:30],
)
def test_uploads_survive_every_answer(bench: Bench, where: str, body: bytes) -> None:
    """The library reads these answers with little care: whatever it stumbles over is told."""
    bench.answers(where, body)
    files = [Outgoing("Modelfile", b"FROM x"), Outgoing("w.gguf", b"y" * 9000)]
    reasons = []
    try:
        upload(
            bench.connection,
            "tester/new",
            files,
            private=False,
            message="m",
            progress=lambda _path, _done: None,
            stop=StopSign(),
        )
    except RkdError as error:
        reasons.append(error.reason)

    assert reasons in ([], [Reason.HUB_UNREACHABLE])


async def test_a_password_in_the_endpoint_is_never_shown(hub: LocalHub, tmp_path: Path) -> None:
    """Errors name the hub without who asks it and with what."""
    host = hub.endpoint.removeprefix("http://")
    bench = Bench(hub, tmp_path, endpoint=f"http://me:s3cret@{host}/?token=s3cret")
    assert "s3cret" not in bench.connection.shown
    bench = Bench(hub, tmp_path, endpoint=f"http://me:s3cret@{host}")
    for status in (400, 403, 404, 500):
        bench.hub.store.faults.clear()
        bench.answers("api", b"", status=status)
        with pytest.raises(RkdError) as caught:
            await bench.files()
        told = [caught.value.message, caught.value.remedy, *caught.value.metadata.values()]
        assert "s3cret" not in " ".join(told)


@pytest.mark.parametrize("endpoint", ["nonsense", "http://h:99999", "ftp://h", "http://", "//x"])
async def test_an_endpoint_that_is_none_is_told(
    hub: LocalHub, tmp_path: Path, endpoint: str
) -> None:
    """HF_ENDPOINT may hold anything."""
    with pytest.raises(UnavailableError, match="no address of a hub"):
        await Bench(hub, tmp_path, endpoint=endpoint).files()
