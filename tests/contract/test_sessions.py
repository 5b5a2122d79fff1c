"""Conversations kept on disk: read again by another process, and by nobody who should not."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.backend import Backend
from rkd.backend.kept import digest_of
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.rkllm.backend import RkllmBackend
from rkd.inference import EmbedSpec, LoadSpec, Outcome, Run, Sampling
from rkd.model import BackendKind
from rkd.session import Kept, SessionFile
from rkd.worker.answers import answered
from rkd.worker.handle import Handle
from tests.contract.backend_suite import carried_out
from tests.contract.wire_client import WireBackend
from tests.models import tiny
from tests.native import standin
from tests.native.tokenizer import write_tokenizer

LONG = "ab" * 100
MORE = LONG + "and then?"


class Case:
    """An engine in a folder of its own, and the conversations it leaves there."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.kept_folder = folder / "kept"
        self.kept_folder.mkdir()
        if kind == "npu":
            write_tokenizer(folder)
            path = standin.weights(folder / "m.rkllm")
            self.spec = LoadSpec(
                BackendKind.NPU,
                str(path),
                context_tokens=1024,
                tokenizer_folder=str(folder),
                runtime_library=str(standin.build("1.3.0")),
            )
        else:
            path = tiny.write(folder / "m.gguf")
            self.spec = LoadSpec(
                BackendKind.CPU, str(path), context_tokens=1024, threads=1, embeddings=True
            )

    @contextmanager
    def engine(self, **change: object) -> Iterator[Backend]:
        """A new one, in this process or, for `worker`, in one of its own."""
        made: Backend
        if self.kind == "npu":
            made = RkllmBackend(folder=self.folder)
        elif self.kind == "worker":
            made = WireBackend(self.folder)
        else:
            made = LlamaCppBackend(lambda: None, self.folder)
        made.load(replace(self.spec, **change), lambda _: None)  # type: ignore[arg-type]
        try:
            yield made
        finally:
            made.close()

    def file(self, key: str = "k", name: str = "session-1") -> SessionFile:
        """Of a conversation of which nothing is kept."""
        return SessionFile(key, name, most_tokens=1000)

    def ask(self, engine: Backend, prompt: str, file: SessionFile | None) -> tuple[Outcome, Kept]:
        """Run, and keep what is to be kept, as the worker's loop does."""
        run = Run(Sampling(temperature=0, max_tokens=4), prompt=prompt, session=file)
        outcome = carried_out(engine, run).outcome
        assert outcome is not None
        return outcome, engine.keep(run) if outcome.keeping else Kept()

    def take_over(self, file: SessionFile, kept: Kept) -> SessionFile:
        """Move what was written, as the daemon does; how it is offered from then on."""
        path = self.kept_folder / file.key
        (self.folder / file.name).replace(path)
        return replace(
            file, path=str(path), sha256=kept.sha256, tokens=kept.tokens, prefix=kept.prefix
        )


@pytest.fixture(params=["cpu", "worker", "npu"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """Each engine."""
    return Case(request.param, tmp_path)


def cached(told: tuple[Outcome, Kept]) -> int:
    """Tokens that were not read again."""
    return told[0].usage.cached_tokens


def test_another_process_goes_on(case: Case) -> None:
    """Behind what was kept, also when something else was asked in between."""
    file = case.file()
    with case.engine() as first:
        outcome, kept = case.ask(first, LONG, file)
    assert kept.size_bytes == (case.folder / file.name).stat().st_size > 0
    assert kept.sha256 == digest_of(case.folder / file.name)
    offered = case.take_over(file, kept)
    with case.engine() as second:
        case.ask(second, "something else entirely", None)
        told = case.ask(second, MORE, offered)
    with case.engine() as third:
        plain = case.ask(third, MORE, None)

    assert cached(told) >= outcome.usage.prompt_tokens - 1
    assert cached(plain) == 0
    assert told[0].usage.prompt_tokens == plain[0].usage.prompt_tokens


def test_a_title_under_its_name_replaces_no_conversation(case: Case) -> None:
    """Whatever a client calls it: what is longer stays, and is found behind it."""
    file = case.file()
    with case.engine() as first:
        offered = case.take_over(file, case.ask(first, LONG, file)[1])
        title, nothing = case.ask(first, "a title of this: " * 5, offered)
        told = case.ask(first, MORE, offered)
        anew = case.ask(first, "quite another, and longer " * 15, offered)

    assert not title.keeping
    assert nothing == Kept()
    assert cached(told) >= len(LONG) - 1
    assert anew[1].size_bytes > 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty", "folder"])
def test_a_damaged_file_costs_the_speed_alone(case: Case, damage: str) -> None:
    """The engine never sees it: half of one would end its process."""
    file = case.file()
    with case.engine() as first:
        offered = case.take_over(file, case.ask(first, LONG, file)[1])
    path = Path(offered.path)
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "folder":
        path.mkdir()
    with case.engine() as second:
        told = case.ask(second, MORE, offered)
        again = case.ask(second, MORE + "x", None)

    assert cached(told) == 0
    assert cached(again) > 0


def test_what_does_not_go_on_from_it_is_read_from_the_beginning(case: Case) -> None:
    """Answers are the same as without."""
    file = case.file()
    with case.engine() as first:
        offered = case.take_over(file, case.ask(first, LONG, file)[1])
    run = Run(Sampling(temperature=0, max_tokens=8), prompt="xy" * 60)
    with case.engine() as second:
        told = carried_out(second, replace(run, session=offered)).text
    with case.engine() as third:
        plain = carried_out(third, run).text

    assert told == plain


def test_a_cancelled_run_keeps_nothing(case: Case) -> None:
    """Nor does one too long for the room, nor one too short to be worth it."""
    handle = Handle()
    handle.cancel()
    with case.engine() as engine:
        run = Run(Sampling(max_tokens=4), prompt=LONG, session=case.file())
        outcome = engine.run(run, handle, lambda _: None)
        long = case.ask(engine, LONG, replace(case.file(), most_tokens=100))
        short = case.ask(engine, "abc", case.file())

    assert not outcome.keeping
    assert not long[0].keeping
    assert not short[0].keeping
    assert not (case.folder / "session-1").exists()


@pytest.mark.parametrize("case", ["cpu"], indirect=True)
def test_no_room_for_the_file_costs_the_file_alone(case: Case) -> None:
    """A disk that is full, or a limit, in the middle of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with case.engine() as engine:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            outcome, kept = case.ask(engine, LONG, case.file())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        again = case.ask(engine, MORE, case.file())

    assert outcome.keeping
    assert kept == Kept()
    assert again[1].size_bytes > 0
    assert cached(again) >= outcome.usage.prompt_tokens - 1


@pytest.mark.parametrize("case", ["cpu"], indirect=True)
def test_what_is_read_displaces_no_other_conversation(case: Case) -> None:
    """What had the slot before is laid aside, and found again."""
    file = case.file()
    with case.engine() as first:
        offered = case.take_over(file, case.ask(first, LONG, file)[1])
    with case.engine(prompt_cache_bytes=8 << 20) as second:
        case.ask(second, "odd" * 50, None)
        told = case.ask(second, MORE, offered)
        other = case.ask(second, "odd" * 50 + "!", None)
        back = case.ask(second, MORE + "so", offered)

    assert cached(told) > 190
    assert cached(other) == 150
    assert cached(back) > 200


@pytest.mark.parametrize("case", ["cpu"], indirect=True)
def test_a_slot_is_nobody_elses_until_it_is_written(case: Case) -> None:
    """Two conversations and others on two slots, all at once: each file is its own."""
    with case.engine(slots=2) as engine:

        def converse(letter: str) -> None:
            file = case.file(letter, f"session-{letter}")
            for turn in range(4):
                outcome, kept = case.ask(engine, letter * (120 + turn), file)
                assert outcome.keeping
                assert 120 + turn <= kept.tokens <= 128 + turn
            found[letter] = case.take_over(file, kept)

        found: dict[str, SessionFile] = {}
        threads = [threading.Thread(target=converse, args=(letter,)) for letter in "pqr"]
        for thread in threads:
            thread.start()
        for turn in range(8):
            case.ask(engine, "z" * (100 + turn), None)
        for thread in threads:
            thread.join()
    for letter, file in found.items():
        with case.engine(slots=2) as other:
            assert cached(case.ask(other, letter * 124, file)) >= 122, letter


@pytest.mark.parametrize("case", ["cpu"], indirect=True)
def test_several_answers_leave_one_file(case: Case) -> None:
    """Behind the last; on one slot the others would wait for it for ever."""
    run = Run(Sampling(max_tokens=4), prompt=LONG, session=case.file(), answers=3)
    with case.engine() as engine:
        outcome = answered(run, lambda one, to: engine.run(one, Handle(), to), Handle(), print)
        kept = engine.keep(run)

    assert [one.keeping for one in outcome.answers] == [False, False, True]
    assert outcome.keeping
    assert kept.size_bytes > 0


@pytest.mark.parametrize("case", ["cpu"], indirect=True)
def test_vectors_of_the_same_model_cost_the_speed_alone(case: Case) -> None:
    """They take the slot; what is kept is read again."""
    file = case.file()
    with case.engine() as engine:
        offered = case.take_over(file, case.ask(engine, LONG, file)[1])
        engine.embed(EmbedSpec(("something",)))
        told = case.ask(engine, MORE, offered)

    assert cached(told) >= len(LONG) - 1


@pytest.mark.parametrize("case", ["cpu"], indirect=True)
def test_with_adapters(case: Case) -> None:
    """A state computed with an adapter is read for a run with it, into a slot that had none."""
    adapter = tiny.write_adapter(case.folder / "style.gguf")
    adapters = (("style", str(adapter), 1.0),)
    run = Run(Sampling(temperature=0, max_tokens=8), prompt=LONG, session=case.file())
    with case.engine(adapters=adapters) as first:
        carried_out(first, run)
        offered = case.take_over(case.file(), first.keep(run))
        plain = carried_out(first, replace(run, prompt=MORE, session=None)).text
    with case.engine(adapters=adapters) as second:
        carried_out(second, replace(run, prompt="x" * 50, session=None, lora=(("style", 0.0),)))
        told = carried_out(second, replace(run, prompt=MORE, session=offered))

    assert told.outcome is not None
    assert told.outcome.usage.cached_tokens >= len(LONG) - 1
    assert told.text == plain


@pytest.mark.parametrize("version", standin.VERSIONS)
def test_every_runtime_saves_and_reads(version: str, tmp_path: Path) -> None:
    """What goes on is offered once; the conversation that ran last is not read again."""
    case = Case("npu", tmp_path)
    log = tmp_path / "calls"
    path = standin.weights(tmp_path / "logged.rkllm", log=log)
    change = {"runtime_library": str(standin.build(version)), "weights": str(path)}
    file = case.file()
    with case.engine(**change) as engine:
        offered = case.take_over(file, case.ask(engine, LONG, file)[1])
        case.ask(engine, MORE, offered)
        case.ask(engine, "something else" * 5, None)
        case.ask(engine, MORE, offered)
        case.ask(engine, "unlike" * 20, offered)
    names = [one["call"] for one in standin.calls(log) if "prompt_cache" in one["call"]]
    reads = names.count("rkllm_load_prompt_cache")

    assert reads == (1 if version >= "1.2" else 2)
    assert len(names) - reads == reads - 1  # each is let go before the next is read
    assert [one.name for one in case.kept_folder.iterdir()] == ["k"]
