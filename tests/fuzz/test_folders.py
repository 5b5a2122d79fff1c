"""Whatever a models folder holds, it is listed, and nothing outside is touched."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from random import Random

from rkd.library import provenance
from rkd.library.arrival import Sightings, Writer
from rkd.library.facts import facts_of
from rkd.library.migrate import migrate
from rkd.library.scan import scan
from rkd.library.staging import Staging
from rkd.service import describing
from tests.fuzz.frame import Fuzz, Target
from tests.unit.library.folders import tree
from tests.unit.weights.gguf_bytes import build

DIGEST = "sha256:" + "0" * 64
RECORD = json.dumps(
    {
        "version": 1,
        "repository": "user/repo",
        "revision": "0123",
        "created": "2026-11-26T10:00:00.000000+00:00",
        "digests": {"x.gguf": DIGEST, "a/b.json": DIGEST},
    }
).encode()
RECORD_WORDS = (
    *(
        b"../",
        b"/etc/passwd",
        b"\\u0000",
        b"\\ud800",
        b"sha256:",
        b"NaN",
        b"[",
        b"{",
        b"null",
        b"1e999",
    ),
    *(DIGEST.encode(), b'"digests":', b"9999-12-31", b"0001-01-01T00:00:00+23:59"),
)


def test_record(fuzz: Fuzz) -> None:
    """`.rkd.json`: what it says fits into a message and names only files of the folder."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "m"
        folder.mkdir()

        def run(data: bytes) -> None:
            (folder / ".rkd.json").write_bytes(data)
            found = provenance.read(folder)
            (found.repository + found.revision).encode()
            for name, digest in found.digests:
                assert (folder / name).resolve().is_relative_to(folder.resolve())
                assert provenance.DIGEST.fullmatch(digest)
            provenance.write(folder, provenance.with_digests(found, {"x": DIGEST}))
            assert dict(provenance.read(folder).digests)["x"] == DIGEST

        fuzz(Target("record", run, (RECORD, b"{}"), RECORD_WORDS, allowed=()))


def test_journal(fuzz: Fuzz) -> None:
    """A journal of a replacement: the models are what they were, or its own stage took over."""
    own = {"stage": ".rkd-stage-a", "folder": "m", "replaces": "m"}
    examples = tuple(
        json.dumps({**own, **changes}).encode()
        for changes in ({}, {"stage": "victim"}, {"folder": "../x"}, {"replaces": ".."})
    )
    words = (b"victim", b"..", b"/", b"\\u0000", b".rkd-stage-b", b"m", b'"', b"[", b"{", b"null")

    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as parent:
            root = Path(parent) / "models"
            for name in ("m", "victim", ".rkd-stage-a", ".rkd-stage-b"):
                (root / name).mkdir(parents=True)
                (root / name / "x.gguf").write_bytes(name.encode())
            (root / ".rkd-replace-a.json").write_bytes(data)
            Staging(root).recover()
            models = tree(root)
            for path, content in models.items():
                name = path.split("/", 1)[0]
                assert content in {name.encode(), b".rkd-stage-a"}
            assert len(models) == 2  # one took over from one at most
            assert [path.name for path in Path(parent).iterdir()] == ["models"]

    fuzz(Target("journal", run, examples, words, allowed=(), cost=4))


def _names(random: Random) -> bytes:
    """Names of entries: bytes of any kind, endings that mean something."""
    endings = (b".gguf", b".rkllm", b".part", b".aria2", b"", b"-00001-of-00002.gguf", b".GGUF")
    stems = (
        b"x",
        b"X",
        b"\xe9",
        "ü".encode(),
        b"\x1b[2J",
        b"a b",
        b"-",
        b".x",
        b"n" * 200,
        b"Modelfile",
    )
    made = (random.choice(stems) + random.choice(endings) for _ in range(random.randrange(1, 12)))
    return b"/".join(made)


def test_names(fuzz: Fuzz) -> None:
    """Files, folders, links and FIFOs of any name: migrated, listed, shown."""
    judge = Sightings(ask=lambda _path: Writer.NONE).wait_s
    header = build(data_bytes=64)

    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as parent:
            root = Path(parent) / "models"
            root.mkdir()
            for number, name in enumerate(data.replace(b"\0", b"").split(b"/")[:12]):
                _make(root, os.fsdecode(name[:255]), number, header)
            outcome = migrate(root, judge=judge)
            found = scan(root, judge, left=outcome.left)
            for described in found.by_key.values():
                describing.summary(described.model).SerializeToString()
                describing.everything(
                    described.model, facts_of(described.model)
                ).SerializeToString()
                if described.refuse is not None:
                    described.refuse().message.encode()
            for left in found.left:
                assert (left.name + left.text).isprintable()

    fuzz(Target("names", run, (b"x.gguf/y", b"a/b"), allowed=(), make=_names, cost=8))


def _make(root: Path, name: str, number: int, header: bytes) -> None:
    path = root / name
    if name in {"", ".", ".."} or os.path.lexists(path):
        return
    match number % 5:
        case 0:
            path.write_bytes(header)
        case 1:
            path.mkdir()
            (path / "x.gguf").write_bytes(header)
        case 2:
            path.symlink_to(name)
        case 3:
            os.mkfifo(path)
        case _:
            path.mkdir()
            (path / name).write_bytes(header)
