"""What a push sends, and how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rkd.errors import ForbiddenError, InvalidInputError, NotFoundError, Reason, UnavailableError
from rkd.library import provenance
from rkd.model import Details, Model, ModelName, Provenance
from rkd.operations.operation import Operation, OperationKind
from rkd.operations.push import PushRunner, card, outgoing, start_push
from tests.unit.library.folders import put
from tests.unit.operations.transfers import (
    CREATED,
    FakeHub,
    FakeReport,
    RememberingLibrary,
    library,
    operation,
)
from tests.unit.weights.gguf_bytes import build

GGUF = build()
RKLLM = b"\x01" * 2048
URL = "https://hub.test/user/m/commit/1"


class Sent(NamedTuple):
    """What the hub's own client was asked for."""

    repository: str
    facts: Mapping[str, object]


class FakeApi:
    """The hub's client: takes repositories, files and commits; holds the commit while told to."""

    def __init__(self) -> None:
        self.made: list[Sent] = []
        self.sent: list[str] = []
        self.ends: list[str] = []
        self.committed: list[tuple[str, str, list[str]]] = []
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    def create_repo(self, repository: str, **facts: object) -> None:
        """Make it."""
        self.made.append(Sent(repository, facts))

    def preupload_lfs_files(self, _repository: str, additions: list[Any], **_: object) -> None:
        """Take the content, once the gate is open."""
        self.begun.set()
        self.may_go_on.wait(60)
        self.ends.append("upload")
        if self.error is not None:
            raise self.error
        self.sent += [one.path_in_repo for one in additions]

    def create_commit(self, repository: str, operations: list[Any], *, commit_message: str) -> Any:
        """Take the commit."""
        names = [one.path_in_repo for one in operations]
        self.committed.append((repository, commit_message, names))

        class Made:
            commit_url = URL

        return Made()


class PushHub(FakeHub):
    """A hub that also takes."""

    def __init__(self) -> None:
        super().__init__()
        self.api = FakeApi()
        self.threads: set[str] = set()

    def ask(self, question: Callable[[Any], Any], *, what: str, repository: str = "") -> Any:
        """Put the question to the client."""
        del what, repository
        self.threads.add(threading.current_thread().name)
        return question(self.api)


class Bench:
    """A push runner between a library on disk and a hub in memory."""

    def __init__(self, models: RememberingLibrary) -> None:
        self.hub = PushHub()
        self.library = models
        self.root = models.root
        self.report = FakeReport()
        self.runner = PushRunner(connection=self.hub, library=models)  # type: ignore[arg-type]

    def operation(self, **more: str) -> Operation:
        """The push of `m`."""
        request = {"model": "m", "repository": "user/m", "private": "", "message": ""} | more
        return operation(OperationKind.PUSH, request)

    async def push(self, **more: str) -> Mapping[str, str]:
        """Push `m`."""
        return await self.runner.run(self.operation(**more), self.report)

    async def held(self) -> asyncio.Task[Mapping[str, str]]:
        """Begin a push that stands still in the middle."""
        self.hub.api.may_go_on.clear()
        pushing = asyncio.create_task(self.push())
        await asyncio.to_thread(self.hub.api.begun.wait, 60)
        return pushing


@asynccontextmanager
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench with a model of a GGUF and a tokenizer."""
    async with library(tmp_path) as models:
        put(models.root / "m" / "m.gguf", GGUF)
        put(models.root / "m" / "tokenizer.json", b"{}")
        await models.refresh()
        made = Bench(models)
        try:
            yield made
        finally:
            made.hub.api.may_go_on.set()


async def test_everything_goes_in_one_commit_small_files_first(tmp_path: Path) -> None:
    """With a card and the Modelfile the model has none of on disk; every byte is counted."""
    async with bench(tmp_path) as b:
        result = await b.push()
        again = await b.runner.discard(b.operation())  # type: ignore[func-returns-value]
        held = sorted(path.name for path in (b.root / "m").iterdir())
    names = ["README.md", "Modelfile", "tokenizer.json", "m.gguf"]

    assert result == {"commit_url": URL}
    assert b.report.stages == ["uploading"]
    assert [name for name, _, _ in b.report.begun] == names
    assert b.report.progress().completed_bytes == b.report.progress().total_bytes > 0
    assert b.hub.api.made == [("user/m", {"private": False, "exist_ok": True})]
    assert b.hub.api.sent == names
    assert b.hub.api.committed == [("user/m", "Upload m with rkd", names)]
    assert b.hub.threads == {"rkd-push"}
    assert b.hub.offline_for == ["an upload"]
    assert again is None
    assert held == ["m.gguf", "tokenizer.json"]


async def test_a_private_push_with_a_message_is_asked_for_so(tmp_path: Path) -> None:
    """What the client said is what the hub gets."""
    async with bench(tmp_path) as b:
        await b.push(private="yes", message="Mine.")

    assert b.hub.api.made == [("user/m", {"private": True, "exist_ok": True})]
    assert [message for _, message, _ in b.hub.api.committed] == ["Mine."]


async def test_without_a_token_nothing_is_sent(tmp_path: Path) -> None:
    """It says where one is had."""
    async with bench(tmp_path) as b:
        b.hub.token = None
        with pytest.raises(ForbiddenError) as caught:
            await b.push()

    assert caught.value.reason is Reason.HUB_GATED
    assert caught.value.metadata["page"] == "https://hub.test/settings/tokens"
    assert b.hub.api.made == []


async def test_a_model_that_is_not_here_is_not_pushed(tmp_path: Path) -> None:
    """MODEL_NOT_FOUND before anything is made on the hub."""
    async with bench(tmp_path) as b:
        with pytest.raises(NotFoundError):
            await b.push(model="nobody")

    assert b.hub.api.made == []


async def test_a_cancelled_push_sends_nothing_more(tmp_path: Path) -> None:
    """Its thread is told to stop, and waited for."""
    async with bench(tmp_path) as b:
        pushing = await b.held()
        pushing.add_done_callback(lambda _: b.hub.api.ends.append("push"))
        pushing.cancel()
        asyncio.get_running_loop().call_soon(b.hub.api.may_go_on.set)
        await asyncio.wait({pushing})

    assert pushing.cancelled()
    assert b.hub.api.ends == ["upload", "push"]
    assert b.hub.api.sent == ["README.md"]
    assert b.hub.api.committed == []


async def test_the_hubs_refusal_is_the_pushs(tmp_path: Path) -> None:
    """As it came."""
    async with bench(tmp_path) as b:
        b.hub.api.error = UnavailableError(Reason.HUB_UNREACHABLE, "far away")
        with pytest.raises(UnavailableError, match="far away"):
            await b.push()


class FakeOperations:
    """What is started is the answer."""

    async def start(self, kind: OperationKind, **facts: Any) -> Any:
        """Say what was to be started."""
        return kind, facts


async def start(**more: Any) -> Any:
    """Start the push of `M`."""
    given: dict[str, Any] = {"model": ModelName("M"), "repository": "user/m"} | more
    return await start_push(FakeOperations(), **given)  # type: ignore[arg-type]


async def test_a_push_is_started_under_its_model_and_target() -> None:
    """A second one of the same joins it, whatever its message says."""
    plain = await start()
    told = await start(private=True, message="Mine.", repository="https://huggingface.co/user/m")
    request = {"model": "M", "repository": "user/m", "private": "", "message": ""}

    assert plain == (
        OperationKind.PUSH,
        {"key": "m->user/m", "subject": "M", "request": request},
    )
    assert told[1]["request"] == request | {"private": "yes", "message": "Mine."}
    assert told[1]["key"] == plain[1]["key"]
    with pytest.raises(InvalidInputError):
        await start(repository="/etc")


async def model(tmp_path: Path) -> Model:
    """The bench's model."""
    async with bench(tmp_path) as b:
        return b.library.find(ModelName("m"))


async def test_what_is_not_the_models_own_is_not_sent(tmp_path: Path) -> None:
    """Hidden files, folders, and links that lead out of it."""
    put(tmp_path / "secret", b"secret")
    made = await model(tmp_path)
    put(made.folder / ".rkd.json", b"{}")
    put(made.folder / "sub" / "x", b"")
    (made.folder / "link.txt").symlink_to(tmp_path / "secret")

    assert [one.path for one in outgoing(made, "user/m")] == [
        "README.md",
        "Modelfile",
        "tokenizer.json",
        "m.gguf",
    ]


async def test_what_the_folder_has_is_not_written_anew(tmp_path: Path) -> None:
    """Its own card and Modelfile go as they are; files of one size by name."""
    made = await model(tmp_path)
    put(made.folder / "README.md", b"mine!")
    put(made.folder / "Modelfile", b"FROM ./m.gguf\n")
    put(made.folder / "a.json", b"[]")
    sent = outgoing(made, "user/m")
    without = outgoing(replace(made, modelfile_text=""), "user/m")
    (made.folder / "Modelfile").unlink()
    none = outgoing(replace(made, modelfile_text=""), "user/m")

    assert [one.path for one in sent] == [
        "a.json",
        "tokenizer.json",
        "README.md",
        "Modelfile",
        "m.gguf",
    ]
    assert all(isinstance(one.content, Path) for one in sent)
    assert without == sent
    assert "Modelfile" not in [one.path for one in none]


async def test_the_card_says_what_it_is_and_how_it_runs(tmp_path: Path) -> None:
    """Formats, files with their digests, and the command."""
    made = replace(await model(tmp_path), details=Details())
    digests = (("m.gguf", f"sha256:{'a' * 64}"),)
    bare = card(
        replace(made, provenance=Provenance("", "", None, digests)), [made.folder / "m.gguf"], "u/m"
    )

    assert bare.splitlines() == [
        "---",
        "tags:",
        "- gguf",
        "- rkd",
        "---",
        "# m",
        "",
        "| file | bytes | sha256 |",
        "|---|---|---|",
        f"| m.gguf | {len(GGUF)} | {'a' * 64} |",
        "",
        "Runs on the CPU with rkd: `rkctl pull u/m`.",
    ]


async def test_the_card_says_where_it_came_from(tmp_path: Path) -> None:
    """The repository and commit, the architecture, and that it runs on the NPU."""
    async with bench(tmp_path) as b:
        put(b.root / "m" / "m.rkllm", RKLLM)
        provenance.write(b.root / "m", Provenance("org/base", "c" * 40, CREATED, ()))
        await b.library.refresh()
        made = b.library.find(ModelName("m"))
    told = replace(made, details=Details(architecture="llama", parameters=7))
    lines = card(told, [], "u/m").splitlines()

    assert lines[:7] == ["---", "tags:", "- gguf", "- rkllm", "- rkd", "base_model:", "- org/base"]
    assert f"Made from `org/base` at commit `{'c' * 40}`." in lines
    assert "Architecture llama, 7 parameters." in lines
    assert lines[-1] == "Runs on the NPU of RK3588 boards with rkd: `rkctl pull u/m`."
