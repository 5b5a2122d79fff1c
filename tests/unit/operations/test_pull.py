"""A pull carried out over a hub in memory: what is chosen, told, fetched, and what appears."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.errors import (
    AlreadyExistsError,
    ExhaustedError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
    UnavailableError,
)
from rkd.hub.headroom import Headroom
from rkd.hub.listing import Listing, RemoteFile
from rkd.hub.variants import variants_of
from rkd.model import ModelName
from rkd.operations.operation import Operation, OperationKind
from rkd.operations.pull import PullRunner, name_of
from rkd.operations.pull_order import PullOrder
from rkd.operations.stages import stage_of
from tests.unit.library.folders import put, tree
from tests.unit.operations.transfers import (
    FakeHub,
    FakeReport,
    RememberingLibrary,
    hidden,
    library,
    operation,
)
from tests.unit.weights.gguf_bytes import build

GGUF = build()
OTHER = GGUF + b"\0" * 64
RKLLM = b"\x01" * 2048
GIB = 1 << 30
BOARD = Headroom(8 * GIB, 16 * GIB, "rk3588", 4096)
FAR = UnavailableError(Reason.HUB_UNREACHABLE, "the hub is far away")
TINY = "org/Tiny-1B-GGUF"


class Bench:
    """A pull runner between a hub in memory and a library on disk."""

    def __init__(self, models: RememberingLibrary, **more: Any) -> None:
        self.hub = FakeHub()
        self.library = models
        self.root = models.root
        self.cards = 0
        self.card_readers: set[str] = set()
        self.card = ""
        self.reserve_bytes = 0
        self.capacity = BOARD
        self.report = FakeReport()
        self.runner = PullRunner(
            connection=self.hub,  # type: ignore[arg-type]
            fetching=self.hub,  # type: ignore[arg-type]
            library=models,
            capacity=lambda: self.capacity,
            reserve_bytes=lambda: self.reserve_bytes,
            read_card=self._read_card,
            **more,
        )

    def _read_card(self, _listing: Listing) -> str:
        self.cards += 1
        self.card_readers.add(threading.current_thread().name)
        return self.card

    def order(self, source: str = TINY, **more: Any) -> Operation:
        """The operation that pulls *source*."""
        order = PullOrder.of(source, endpoint="", **({"replace": False} | more))
        return operation(OperationKind.PULL, order.request(), key=order.key)

    async def pull(self, source: str = TINY, **more: Any) -> Mapping[str, str]:
        """Pull it with a report of its own."""
        self.report = FakeReport()
        return await self.runner.run(self.order(source, **more), self.report)

    async def refused(self, kind: type[RkdError], source: str = TINY, **more: Any) -> RkdError:
        """Pull what is refused; the error."""
        with pytest.raises(kind) as caught:
            await self.pull(source, **more)
        return caught.value


@asynccontextmanager
async def bench(tmp_path: Path, **more: Any) -> AsyncIterator[Bench]:
    """A bench over an empty library."""
    async with library(tmp_path) as models:
        yield Bench(models, **more)


async def test_a_pull_brings_weights_and_company_and_tells_of_it(tmp_path: Path) -> None:
    """Every stage in order, every fact a client may see, every byte; then nothing is left over."""
    async with bench(tmp_path) as b:
        commit = b.hub.add(
            TINY,
            {"tiny-1b-Q4_K_M.gguf": GGUF, "LICENSE": b"free", "README.md": b"# Tiny"},
            card={"license": "apache-2.0"},
        )
        result = await b.pull()
        model = b.library.find(ModelName("tiny-1b-q4_k_m"))

    assert result == {}
    assert b.report.stages == ["planning", "downloading", "verifying", "finishing"]
    assert b.report.detail == {
        "license": "apache-2.0",
        "commit": commit,
        "model": "tiny-1b-q4_k_m",
        "tag": "Q4_K_M",
    }
    assert sorted(b.report.begun) == [
        ("LICENSE", 4, 0),
        ("tiny-1b-Q4_K_M.gguf", len(GGUF), 0),
    ]
    assert ("LICENSE", 2) in b.report.advanced
    assert b.report.progress().completed_bytes == len(GGUF) + 4
    assert tree(b.root) == {
        "tiny-1b-q4_k_m/LICENSE": b"free",
        "tiny-1b-q4_k_m/Modelfile": b"FROM ./tiny-1b-Q4_K_M.gguf\n",
        "tiny-1b-q4_k_m/tiny-1b-Q4_K_M.gguf": GGUF,
        "tiny-1b-q4_k_m/.rkd.json": (model.folder / ".rkd.json").read_bytes(),
    }
    assert (model.provenance.repository, model.provenance.revision) == (TINY, commit)
    assert hidden(b.root) == []
    assert b.hub.askers == {"rkd-plan"}
    assert b.cards == 0


async def test_what_is_here_is_not_fetched_again(tmp_path: Path) -> None:
    """One question, and it says so; of another commit all comes anew without a word of replace."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": GGUF})
        await b.pull(name="t")
        fetched, staged = list(b.hub.fetched), list(b.library.staged)
        again = await b.pull(name="t")
        stages = b.report.stages
        unmoved = (b.hub.fetched == fetched, b.library.staged == staged, len(b.hub.asked))
        b.hub.add(TINY, {"t-Q4_0.gguf": OTHER}, commit="c" * 40)
        newer = await b.pull(name="t")

    assert again == {"unchanged": "yes"}
    assert stages == ["planning", "up to date"]
    assert unmoved == (True, True, 2)
    assert newer == {}
    assert tree(b.root)["t/t-Q4_0.gguf"] == OTHER


async def test_a_model_not_read_since_the_start_is_not_fetched_again(tmp_path: Path) -> None:
    """A pull in the first seconds of a daemon with thousands of models looks before it says so."""
    async with bench(tmp_path) as before:
        before.hub.add(TINY, {"t-Q4_0.gguf": GGUF})
        await before.pull(name="t")
        (tmp_path / "models" / "t").rename(tmp_path / "t")
        await before.library.refresh()
        (tmp_path / "t").rename(tmp_path / "models" / "t")
        before.library.unread = True
        again = await before.pull(name="t")

    assert again == {"unchanged": "yes"}


async def test_an_update_keeps_the_modelfile_that_stands(tmp_path: Path) -> None:
    """What somebody set in it outlives a new commit of the same weights."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": GGUF})
        await b.pull(name="t")
        edited = b"FROM ./t-Q4_0.gguf\nPARAMETER temperature 0.1\n"
        (b.root / "t" / "Modelfile").write_bytes(edited)
        await b.library.refresh()
        b.hub.add(TINY, {"t-Q4_0.gguf": OTHER}, commit="c" * 40)
        await b.pull(name="t")

    assert tree(b.root)["t/Modelfile"] == edited
    assert tree(b.root)["t/t-Q4_0.gguf"] == OTHER


async def test_a_name_of_another_origin_wants_replace(tmp_path: Path) -> None:
    """MODEL_EXISTS before the first byte; with replace the new model takes over whole."""
    async with bench(tmp_path) as b:
        put(b.root / "t" / "other.gguf", GGUF)
        put(b.root / "t" / "Modelfile", "FROM ./other.gguf\nSYSTEM Mine.\n")
        await b.library.refresh()
        b.hub.add(TINY, {"t-Q4_0.gguf": OTHER})
        error = await b.refused(AlreadyExistsError, name="t")
        fetched = list(b.hub.fetched)
        await b.pull(name="t", replace=True)

    assert error.reason is Reason.MODEL_EXISTS
    assert fetched == []
    assert tree(b.root)["t/Modelfile"] == b"FROM ./t-Q4_0.gguf\n"
    assert "t/other.gguf" not in tree(b.root)


@pytest.mark.parametrize(("asked_before", "tries"), [(False, 1), (True, 3)])
async def test_only_a_resumed_pull_waits_for_the_hub(
    tmp_path: Path, *, asked_before: bool, tries: int
) -> None:
    """After a restart the network may come later; somebody who waits hears at once."""
    async with bench(tmp_path, plan_waits_s=(0.0, 0.0)) as b:
        b.hub.failures = [FAR] * 9
        detail = {"commit": "c"} if asked_before else {}
        with pytest.raises(UnavailableError):
            await b.runner.run(replace(b.order(), detail=detail), b.report)

    assert len(b.hub.asked) == tries


async def test_a_resumed_pull_goes_on_once_the_hub_answers(tmp_path: Path) -> None:
    """It asks again after a pause, not before."""
    async with bench(tmp_path, plan_waits_s=(0.0, 3600.0)) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": GGUF})
        b.hub.failures = [FAR]
        resumed = replace(b.order(name="t"), detail={"commit": "c"})
        assert await b.runner.run(resumed, b.report) == {}
        b.hub.failures = [FAR, FAR]
        waiting = asyncio.create_task(b.runner.run(resumed, b.report))
        await asyncio.wait({waiting}, timeout=0.3)
        pauses = not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})

    assert pauses


@pytest.mark.parametrize(
    ("platform", "chip", "branch"),
    [("rk3588", "", "w8a8-rk3588"), ("", "rk3576", "w8a8-rk3576")],
)
async def test_weights_in_a_branch_are_those_of_this_board(
    tmp_path: Path, platform: str, chip: str, branch: str
) -> None:
    """Of its NPU where that can be used, else of its chip; it says which branch it took."""
    async with bench(tmp_path) as b:
        b.capacity = replace(BOARD, platform=platform, chip=chip)
        b.hub.add("org/t", {"README.md": b"# T"})
        for name in ("w8a8-rk3588", "w8a8-rk3576"):
            b.hub.add("org/t", {"t.rkllm": RKLLM, "tokenizer.json": b"{}"}, branch=name)
        await b.pull("org/t")

    assert b.report.detail["branch"] == branch
    assert any(one.endswith(f": taking branch {branch}") for one in b.report.stages)


async def test_the_card_is_read_where_no_name_tells_the_chip(tmp_path: Path) -> None:
    """Where it says another chip the CPU's are taken; names that say it cost no question."""
    company = {"tokenizer.json": b"{}"}
    async with bench(tmp_path) as b:
        b.hub.add("org/t", {"t-w8a8.rkllm": RKLLM, "t-Q4_0.gguf": GGUF, **company})
        b.hub.add("org/told", {"t-w8a8-rk3588.rkllm": RKLLM, "t-Q4_0.gguf": GGUF, **company})
        await b.pull("org/told", name="told")
        for_told = b.cards
        await b.pull("org/t", name="t")
        without = b.report.detail["tag"]
        b.card = "Runs on the RK3576 alone."
        await b.pull("org/t", name="u")
        with_card = b.report.detail["tag"]

    assert (for_told, b.cards) == (0, 2)
    assert (without, with_card) == ("w8a8", "Q4_0")
    assert "rkd-card" in b.card_readers


async def test_one_of_several_comes_with_its_advice(tmp_path: Path) -> None:
    """Nobody chose: it says what it takes and why; one alone needs no advice."""
    both = {"sub/t-Q4_K_M.gguf": GGUF, "sub/t-Q2_K.gguf": OTHER}
    async with bench(tmp_path) as b:
        b.hub.add("org/t", both)
        b.hub.add("org/one", {"t-Q4_K_M.gguf": GGUF})
        await b.pull("org/t")
        advised, told, stages = b.report.detail["tag"], b.report.detail["advice"], b.report.stages
        await b.pull("org/t:q2_k")
        chosen = b.report.detail["tag"]
        await b.pull("org/one", name="one")
        alone = b.report.detail

    assert (advised, chosen) == ("Q4_K_M", "Q2_K")
    assert f"taking t-Q4_K_M.gguf: {told}" in stages
    assert "advice" not in alone


@pytest.mark.parametrize(
    ("platform", "chip", "taken"), [("rk3588", "", "rk3588"), ("", "rk3576", "rk3576")]
)
async def test_of_one_type_for_several_chips_this_boards_is_meant(
    tmp_path: Path, platform: str, chip: str, taken: str
) -> None:
    """Of its NPU where that can be used, else of its chip."""
    async with bench(tmp_path) as b:
        b.capacity = replace(BOARD, platform=platform, chip=chip)
        files = {f"t-w8a8-{one}.rkllm": RKLLM for one in ("rk3576", "rk3588")}
        b.hub.add("org/t", {**files, "tokenizer.json": b"{}"})
        await b.pull("org/t:w8a8", name="t")

    assert f"t/t-w8a8-{taken}.rkllm" in tree(b.root)


async def test_what_no_engine_here_runs_is_not_brought(tmp_path: Path) -> None:
    """Named in the error; a repository without weights says what it has instead."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0_4_4.gguf": GGUF, "t-Q4_0.gguf": GGUF})
        b.hub.add("org/empty", {"README.md": b""})
        removed = await b.refused(PreconditionError, f"{TINY}:t-Q4_0_4_4.gguf")
        missing = await b.refused(NotFoundError, f"{TINY}:Q8_0")
        empty = await b.refused(NotFoundError, "org/empty")

    assert removed.reason is Reason.CAPABILITY_UNSUPPORTED
    assert removed.metadata == {"file": "t-Q4_0_4_4.gguf"}
    assert removed.remedy == f"See what runs here: rkctl files {TINY}"
    assert "no Q8_0; it has" in missing.message
    assert "no weights rkd can run" in empty.message
    assert b.library.staged == []


@pytest.mark.parametrize("known", [True, False])
async def test_an_rkllm_takes_the_tokenizer_of_its_base_model(
    tmp_path: Path, *, known: bool
) -> None:
    """Of the first one named; where that is out of reach it comes without, and says so."""
    async with bench(tmp_path) as b:
        b.hub.add(
            "org/t",
            {"t-w8a8-rk3588.rkllm": RKLLM},
            card={"base_model": ["org/base", "org/never"]},
        )
        if known:
            b.hub.add("org/base", {"tokenizer.json": b"[]", "LICENSE": b"no"})
        await b.pull("org/t", name="t")

    assert tree(b.root).get("t/tokenizer.json") == (b"[]" if known else None)
    assert "t/LICENSE" not in tree(b.root)
    assert ("org/t has no tokenizer.json" in b.report.detail.get("warning", "")) is not known
    assert not any("never" in path for path in b.hub.asked)
    assert ('HUGGINGFACE_PATH="org/base"' in tree(b.root)["t/Modelfile"].decode()) is known


async def test_an_rkllm_with_a_tokenizer_asks_for_no_other(tmp_path: Path) -> None:
    """One question is enough, and there is nothing to warn of."""
    async with bench(tmp_path) as b:
        b.hub.add(
            "org/t",
            {"t-w8a8-rk3588.rkllm": RKLLM, "tokenizer.json": b"{}"},
            card={"base_model": "org/base"},
        )
        await b.pull("org/t", name="t")

    assert len(b.hub.asked) == 1
    assert "warning" not in b.report.detail


async def test_the_same_bytes_under_two_names_come_once(tmp_path: Path) -> None:
    """And count for both."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": GGUF, "LICENSE": b"same", "NOTICE": b"same"})
        await b.pull(name="t")

    assert len(b.hub.fetched) == 2
    assert {("LICENSE", 4), ("NOTICE", 4)} <= set(b.report.advanced)
    assert tree(b.root)["t/NOTICE"] == b"same"


async def test_what_arrived_is_kept_for_the_next_try(tmp_path: Path) -> None:
    """After a failure the stage stays, and counts as resumed; a cancel removes it."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": GGUF, "LICENSE": b"free"})
        order = b.order(name="t")
        b.hub.fetch_error = FAR
        await b.refused(UnavailableError, name="t")
        (stage,) = hidden(b.root)
        put(b.root / stage / f".have-{next(iter(b.hub._contents))}", GGUF)
        await b.refused(UnavailableError, name="t")
        resumed = {name: had for name, _, had in b.report.begun}
        await b.runner.discard(order)
        left = hidden(b.root)

    assert stage_of(order) in stage
    assert resumed == {"t-Q4_0.gguf": len(GGUF), "LICENSE": 0}
    assert left == []
    assert tree(b.root) == {}


async def test_a_disk_too_small_is_told_before_the_first_byte(tmp_path: Path) -> None:
    """With the reserve that stays free."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": GGUF})
        b.reserve_bytes = 1 << 60
        error = await b.refused(ExhaustedError, name="t")

    assert error.metadata["reserve_bytes"] == str(1 << 60)
    assert b.hub.fetched == []


async def test_weights_no_engine_reads_are_thrown_away(tmp_path: Path) -> None:
    """Fetching them again would not change what they are: nothing stays, nothing appears."""
    async with bench(tmp_path) as b:
        b.hub.add(TINY, {"t-Q4_0.gguf": b"<html>no such page</html>"})
        error = await b.refused(InvalidInputError, name="t")

    assert error.reason is Reason.WEIGHTS_INVALID
    assert hidden(b.root) == []
    assert tree(b.root) == {}


@pytest.mark.parametrize(
    ("repository", "paths", "name"),
    [
        ("org/Tiny-1B-GGUF", ("other-Q4_0.gguf",), "tiny-1b-q4_0"),
        ("org/models", ("other-1b-Q4_0.gguf",), "other-1b-q4_0"),
        ("org/Many-GGUF", ("aaa-1b-Q4_0.gguf", "bbb-7b-Q4_0.gguf"), "aaa-1b-q4_0"),
    ],
)
def test_a_name_nobody_chose(repository: str, paths: tuple[str, ...], name: str) -> None:
    """The repository's, or the file's where that tells too little or holds several models."""
    files = tuple(RemoteFile(path, 9, "sha256", f"{n:064x}") for n, path in enumerate(paths))
    known = Listing(repository, "c" * 40, files)
    first = next(one for one in variants_of(known) if one.name == paths[0])

    assert name_of(known, first) == name
