"""Whatever a hub, a card, a journal or an address holds: an answer, or the reader's own error."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

from rkd import shape
from rkd.errors import Reason, RkdError
from rkd.hub import listing, search
from rkd.hub.address import followed
from rkd.hub.browse import parse_card, toolkit_in
from rkd.hub.fit import judge_all
from rkd.hub.headroom import Headroom
from rkd.hub.reference import local_name, parse, with_revision
from rkd.hub.variants import select, variants_of
from rkd.model import Details, ModelName
from rkd.operations.journal import LARGEST_BYTES, from_json, to_json
from rkd.operations.operation import Operation, OperationKind, OperationState
from rkd.operations.order import CreateOrder
from rkd.operations.pull_order import PullOrder
from rkd.service.hub import _found, _repository, _variant
from tests.fuzz.frame import Fuzz, Target

BOARD = Headroom(8 << 30, 16 << 30, "rk3588", 4096)
FILES = [
    {"rfilename": "a-Q4_K_M.gguf", "size": 9, "lfs": {"sha256": "a" * 64, "size": 9}},
    {"rfilename": "models/rk3588/b-w8a8-opt-1.rkllm", "size": 7, "lfs": {"sha256": "b" * 64}},
    {"rfilename": "mmproj-F16.gguf", "size": 7, "lfs": {"sha256": "c" * 64}},
    {"rfilename": "c-Q8_0-00001-of-00002.gguf", "size": 7, "lfs": {"sha256": "d" * 64}},
    {"rfilename": "c-Q8_0-00002-of-00002.gguf", "size": 7, "lfs": {"sha256": "e" * 64}},
    {"rfilename": "README.md", "size": 5, "blobId": "f" * 40, "lfs": None},
]
INFO = {
    "id": "org/Tiny-1B-GGUF",
    "sha": "c" * 40,
    "gated": "auto",
    "private": False,
    "downloads": 5,
    "likes": 7,
    "lastModified": "2026-08-01T10:00:00.000Z",
    "createdAt": "2026-01-01T10:00:00.000Z",
    "tags": ["gguf", "license:mit"],
    "cardData": {"license": ["mit"], "base_model": "org/base"},
    "gguf": {"total": 1_100_000_000, "architecture": "llama", "context_length": 2048},
    "siblings": FILES,
}
WORDS = tuple(f'"{key}":'.encode() for key in (*INFO, "rfilename", "size", "lfs", "sha256"))
BORN = datetime(2026, 1, 1, 12, tzinfo=UTC)
PULL = Operation(
    id="pull-0000000a",
    kind=OperationKind.PULL,
    key="user/repo@main",
    subject="tiny",
    request=PullOrder.of("user/repo:Q4_0", name="tiny", replace=True, endpoint="").request(),
    state=OperationState.RUNNING,
    created=BORN,
    started=BORN,
)
CREATE = replace(
    PULL,
    id="create-0000000b",
    kind=OperationKind.CREATE,
    request=CreateOrder(
        ModelName("x"), "FROM ./x.gguf\n", (("x.gguf", "sha256:" + "a" * 64),)
    ).request(),
)


def test_repository(fuzz: Fuzz) -> None:
    """An answer about one repository, through every decision, onto the wire."""

    def read(data: bytes) -> None:
        found = listing.listing_of(shape.parse(data, most_bytes=1 << 20))
        assert listing.restored(json.loads(json.dumps(listing.stored(found)))) == found
        judged = judge_all(variants_of(found), Details(), BOARD)
        _repository(found, judged).SerializeToString()
        for one in judged:
            _variant(one).SerializeToString()
            select(found, variants_of(found), one.variant.tag)
            ModelName.parse(local_name(found.repository, one.variant.quantization))

    examples = (json.dumps(INFO).encode(), json.dumps(INFO, indent=1).encode())
    reasons = frozenset({Reason.HUB_NOT_FOUND})
    fuzz(
        Target(
            "hub-repository", read, examples, WORDS, (shape.UnlikeError,), reasons=reasons, cost=5
        )
    )


def test_search(fuzz: Fuzz) -> None:
    """A list of repositories."""

    def read(data: bytes) -> None:
        for one in shape.kept(
            shape.items(shape.parse(data, most_bytes=1 << 20), most=search.MOST_ANSWERED),
            search.found_in,
        ):
            _found(one).SerializeToString()

    examples = (json.dumps([INFO, INFO]).encode(),)
    fuzz(Target("hub-search", read, examples, WORDS, (shape.UnlikeError,), cost=5))


def test_card(fuzz: Fuzz) -> None:
    """A card."""

    def read(data: bytes) -> None:
        card = parse_card(data.decode("utf-8", "replace"))
        toolkit_in(card.text)

    examples = (
        b"---\nlicense: mit\ntags:\n- gguf\n- tiny\n---\n# Tiny\nrkllm-toolkit 1.2.1b1\n",
        b"# no front",
    )
    fuzz(Target("hub-card", read, examples, (b"---", b"- a", b"key: ", b"rkllm-", b"1.1.4"), ()))


def test_source(fuzz: Fuzz) -> None:
    """What people write to name a model, and a revision beside it."""

    def read(data: bytes) -> None:
        text, _, revision = data.decode("utf-8", "replace").partition("|")
        found = with_revision(parse(text, endpoint="https://mirror.lan"), revision)
        PullOrder.restored(PullOrder(found).request())

    examples = (
        b"user/repo:Q4_K_M|main",
        b"https://huggingface.co/user/repo/blob/main/a/b.gguf",
        b"hf.co/user/repo/resolve/refs%2Fpr%2F1/x.rkllm?download=true",
        b"https://mirror.lan/user/repo/tree/main/folder",
        b"user/repo?show_file_info=x.gguf",
    )
    reasons = frozenset({Reason.INVALID_FIELD})
    fuzz(
        Target("source", read, examples, (b"https://", b"hf.co/", b":", b"/blob/"), reasons=reasons)
    )


def test_redirect(fuzz: Fuzz) -> None:
    """Where an answer sends us."""

    def read(data: bytes) -> None:
        target = followed("https://hub.lan/a/b", data.decode("latin-1"))
        assert target.startswith("https://")

    examples = (b"https://cdn.lan:8443/x?sig=1", b"/x", b"//h/x", b"file:///x")
    fuzz(Target("redirect", read, examples, (b"http://", b":99999", b"[::1]", b"@"), (ValueError,)))


def test_journal(fuzz: Fuzz) -> None:
    """A file of the journal, as far as the runner's own order."""

    def read(data: bytes) -> None:
        operation = from_json(data[:LARGEST_BYTES])
        assert from_json(to_json(operation)) == operation
        match operation.kind:
            case OperationKind.PULL:
                PullOrder.restored(operation.request)
            case OperationKind.CREATE:
                CreateOrder.restored(operation.request).work()
            case OperationKind.PUSH:
                pass

    def make(random: Random) -> bytes:
        """Spoil one field of a good one."""
        document = json.loads(to_json(random.choice((PULL, CREATE))))
        document[random.choice(tuple(document))] = random.choice((None, 7, "x", [], {}, "\ud800"))
        return json.dumps(document).encode()

    examples = (to_json(PULL).encode(), to_json(CREATE).encode())
    reasons = frozenset(
        {
            Reason.INVALID_FIELD,
            Reason.INVALID_NAME,
            Reason.INVALID_MODELFILE,
            Reason.MODELFILE_MISSING,
        }
    )
    fuzz(
        Target(
            "journal",
            read,
            examples,
            (b'"request":', b'"key":', b"null"),
            (ValueError, RkdError),
            reasons=reasons,
            make=make,
        )
    )
