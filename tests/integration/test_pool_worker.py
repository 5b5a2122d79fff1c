"""The pool's hold on one real child with a real (tiny) model: its pace, its death, its words."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from rkd.errors import ExhaustedError, InvalidInputError, PreconditionError, Reason
from rkd.inference import Chunk, EmbedSpec, FinishReason, LoadProgress, LoadSpec, Run, Sampling
from rkd.model import BackendKind, Message
from rkd.pool.deciding.budget import GIB, MIB
from rkd.pool.workers import exchange, pulse
from rkd.pool.workers import process as module
from rkd.pool.workers.handle import WorkerDiedError
from rkd.pool.workers.launcher import Launcher
from rkd.pool.workers.process import WorkerProcess
from rkd.worker import landlock
from tests.models import tiny
from tests.unit.pool.fakes import plan

ENDLESS = Run(
    prompt="Hi",
    sampling=Sampling(temperature=0.0, seed=1, logit_bias=((2, -100.0), (4, -100.0))),
)


def quiet(_: LoadProgress) -> None:
    """Progress nobody listens to."""


def spec(weights: Path, **fields: object) -> LoadSpec:
    """A small CPU load."""
    return LoadSpec(BackendKind.CPU, str(weights), "tiny", context_tokens=4096, threads=1, **fields)


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[WorkerProcess]:
    """A worker, ended afterwards."""
    launcher = Launcher(folder / "workers", dict(os.environ), lambda *_: None)
    worker = await launcher.start("tiny")
    try:
        yield worker
    finally:
        await worker.close(kill=True)


async def test_a_slow_reader_gets_joined_chunks_and_holds_nothing(tmp_path: Path) -> None:
    """The run ends while nobody reads; then all of it is one chunk."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        run = Run(prompt="Hi", sampling=Sampling(seed=1, max_tokens=50, logit_bias=((2, -100.0),
            (4, -100.0))))  # fmt: skip
        stream = worker.run(run)
        await stream.ended.wait()
        chunks = [piece async for piece in stream if isinstance(piece, Chunk)]

        assert [one.tokens for one in chunks] == [50]
        assert stream.outcome is not None
        assert stream.outcome.reason is FinishReason.LENGTH
        assert worker.memory_bytes() > 1 << 20


async def test_closing_a_stream_stops_its_run(tmp_path: Path) -> None:
    """And the worker answers the next question."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        stream = worker.run(ENDLESS)
        await anext(stream)
        await stream.aclose()
        ids = await worker.tokenize("hello", add_special=False, parse_special=False)

        assert stream.outcome is not None
        assert stream.outcome.reason is FinishReason.CANCELLED
        assert await worker.detokenize(ids) == "hello"


async def test_a_cancel_that_is_not_heeded_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within its bound, and whoever reads the run is told."""
    monkeypatch.setattr(module, "CANCEL_BOUND_S", 0.2)
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        stream = worker.run(ENDLESS)
        await anext(stream)
        os.kill(worker.pid, signal.SIGSTOP)
        await stream.aclose()
        death = await worker.died

        assert (death.signal, death.description) == ("SIGKILL", "killed by SIGKILL")
        with pytest.raises(WorkerDiedError):
            [piece async for piece in stream]


async def test_a_call_nobody_waits_for_is_bounded_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the one bound of whoever does not heed its cancellation; then it is over for all."""
    monkeypatch.setattr(module, "CANCEL_BOUND_S", 0.2)
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf"), embeddings=True), quiet)
        os.kill(worker.pid, signal.SIGSTOP)
        call = asyncio.ensure_future(worker.embed(EmbedSpec(("text",))))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        said = "ended by rkd: it went on with a call nobody waits for"
        assert (await worker.died).description == said


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung worker is found out in a second."""
    monkeypatch.setattr(pulse, "PING_S", 0.15)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("doing", ["run", "embed", "tokenize", "detokenize"])
@pytest.mark.parametrize("when", ["before", "while"])
async def test_a_stopped_worker_is_ended(tmp_path: Path, doing: str, when: str) -> None:
    """SIGSTOP, when it is idle or at work: whoever asks is told, within the bound of pings."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf"), embeddings=True), quiet)
        if when == "before":
            os.kill(worker.pid, signal.SIGSTOP)
        asked: Awaitable[object]
        if doing == "run":
            stream = worker.run(ENDLESS)
            if when == "while":
                await anext(stream)
            asked = stream.ended.wait()
        elif doing == "embed":
            asked = worker.embed(EmbedSpec(("text",) * 200))
        elif doing == "tokenize":
            asked = worker.tokenize("text", add_special=False, parse_special=False)
        else:
            asked = worker.detokenize((5,))
        waiting = asyncio.ensure_future(asked)
        await asyncio.sleep(0)
        os.kill(worker.pid, signal.SIGSTOP)
        death = await worker.died

        assert (death.signal, death.description) == (
            "SIGKILL",
            "ended by rkd: it gave no sign of life",
        )
        if doing != "run":
            with pytest.raises(WorkerDiedError) as caught:
                await waiting
            assert caught.value.death.blamed
        await asyncio.wait([waiting])


@pytest.mark.usefixtures("impatient")
async def test_a_run_that_holds_the_interpreter_is_ended_from_outside(tmp_path: Path) -> None:
    """Whatever holds it, here a stop; the request is to blame, and not retried for it."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        stream = worker.run(Run(messages=(Message("user", "hi"),)))
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerDiedError) as caught:
            [piece async for piece in stream]

        assert caught.value.death.blamed
        assert (await worker.died).description == "ended by rkd: it gave no sign of life"


@pytest.mark.usefixtures("impatient")
async def test_a_grammar_that_is_enumerated_for_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The worker gives signs of life, its engine no piece.

    The largest grammar that is let through is enumerated for a moment, so the bound is less.
    """
    monkeypatch.setattr(exchange, "CONSTRAINED_SILENCE_S", 0.05)
    rules = [f"a{at} ::= a{at + 1} a{at + 1}" for at in range(11)]
    grammar = "\n".join(["root ::= a0", *rules, 'a11 ::= "x" | ""'])
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        with pytest.raises(WorkerDiedError, match="made no progress") as caught:
            [p async for p in worker.run(Run(prompt="Hi", sampling=Sampling(grammar=grammar)))]
        assert caught.value.death.blamed


async def test_a_call_without_an_answer_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker gives signs of life, its engine does not: the call's own bound ends it."""
    monkeypatch.setattr(module, "CALL_BOUND_S", 0.05)
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerDiedError, match="no answer within") as caught:
            await worker.tokenize("text", add_special=False, parse_special=False)
        assert caught.value.death.blamed


@pytest.mark.parametrize(("number", "blamed"), [(signal.SIGSEGV, True), (signal.SIGKILL, False)])
async def test_who_is_to_blame_for_a_death(
    tmp_path: Path,
    number: signal.Signals,
    blamed: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The request it was at, for a signal a process earns; nobody, for one that others send."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        os.kill(worker.pid, signal.SIGSTOP)
        stream = worker.run(ENDLESS)
        os.kill(worker.pid, number)
        os.kill(worker.pid, signal.SIGCONT)
        with pytest.raises(WorkerDiedError) as caught:
            await anext(stream)
        with pytest.raises(WorkerDiedError) as later:
            await anext(worker.run(ENDLESS))

        assert caught.value.death.signal == number.name
        assert (caught.value.death.blamed, later.value.death.blamed) == (blamed, False)


async def test_a_long_run_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that answers is not given up, however many pings its work takes."""
    monkeypatch.setattr(pulse, "PING_S", 0.1)
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + 0.1 * (pulse.MISSES + 4)
        while loop.time() < until_s:
            async with aclosing(worker.run(ENDLESS)) as stream:
                assert await anext(stream)
        assert not worker.died.done()


async def test_a_worker_that_reads_nothing_is_asked_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not read stays in the daemon's memory: beyond a bound it is QUEUE_FULL."""
    monkeypatch.setattr(module, "MAX_BACKLOG_BYTES", 1 << 20)
    async with started(tmp_path) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        first = worker.run(Run(prompt="x" * (4 << 20)))
        with pytest.raises(ExhaustedError) as caught:
            worker.run(ENDLESS)
        with pytest.raises(ExhaustedError):
            await worker.tokenize("text", add_special=False, parse_special=False)

        assert caught.value.reason is Reason.QUEUE_FULL
        worker.kill("the test is over")
        await first.ended.wait()


def limits_of(pid: int) -> dict[str, tuple[str, str]]:
    """Soft and hard limits of a process, by the kernel's names."""
    lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()[1:]
    return {line[:26].strip(): (line[26:47].strip(), line[47:68].strip()) for line in lines}


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def environment_of(pid: int) -> dict[str, str]:
    """What a process was given."""
    words = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return {name: value for name, _, value in (word.partition("=") for word in words if word)}


def descriptors_of(pid: int) -> dict[int, str]:
    """What a process holds open."""
    held = list(Path(f"/proc/{pid}/fd").iterdir())
    return {int(one.name): str(one.readlink()) for one in held}


async def test_a_worker_has_limits(tmp_path: Path) -> None:
    """A model's by what it is thought to need; a job's by the machine; neither dumps its core."""
    launcher = Launcher(tmp_path / "workers", dict(os.environ), lambda *_: None)
    holder = await launcher(plan("tiny", ram=100 * MIB))
    job = await launcher.start("job")
    held, bound = limits_of(holder.pid), limits_of(job.pid)
    await holder.close(kill=True)
    await job.close(kill=True)

    most = str(150 * MIB + GIB)
    assert held["Max data size"] == (most, most)
    assert held["Max file size"] == (str(GIB), str(GIB))
    assert held["Max core file size"] == bound["Max core file size"] == ("0", "0")
    assert bound["Max data size"][0].isdigit()
    assert bound["Max file size"] == limits_of(os.getpid())["Max file size"]


@pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")
async def test_a_confined_worker_answers(tmp_path: Path) -> None:
    """It loads, answers and embeds; unless that is switched off it may gain no privileges."""
    weights = tiny.write(tmp_path / "t.gguf")
    made = plan("tiny", ram=100 * MIB)
    told = []
    for confined in (True, False):
        launcher = Launcher(tmp_path / "w", dict(os.environ), lambda *_: None, confined=confined)
        worker = await launcher(made)
        await worker.load(spec(weights, embeddings=True), quiet)
        few = Run(prompt="Hi", sampling=Sampling(max_tokens=2, seed=1))
        assert [piece async for piece in worker.run(few)]
        assert len((await worker.embed(EmbedSpec(("a",)))).vectors) == 1
        told.append(status_of(worker.pid)["NoNewPrivs"])
        await worker.close()

    before = status_of(os.getpid())["NoNewPrivs"]
    assert told == ["1", before]


async def test_a_worker_has_no_secrets_of_the_daemon(tmp_path: Path) -> None:
    """Neither its token for the Hub nor its line to the service manager; the rest is inherited."""
    given = {**os.environ, "HF_TOKEN": "hf_secret", "NOTIFY_SOCKET": "/s", "MINE": "kept"}
    worker = await Launcher(tmp_path / "workers", given, lambda *_: None).start("tiny")
    said = environment_of(worker.pid)
    await worker.close(kill=True)

    assert "HF_TOKEN" not in said
    assert "NOTIFY_SOCKET" not in said
    assert said["MINE"] == "kept"


async def test_a_worker_inherits_its_own_descriptors_alone(tmp_path: Path) -> None:
    """Nothing the daemon holds open, inheritable or not, is open in it."""
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        async with started(tmp_path) as worker:
            links = descriptors_of(worker.pid)

    assert links.pop(0) == "/dev/null"
    assert links[1] == links[2]
    assert sorted(link.partition(":")[0] for link in links.values()) == ["pipe", "pipe", "socket"]


async def test_a_template_that_wants_all_memory_is_refused(tmp_path: Path) -> None:
    """Its allocations fail within the worker's limit; the worker lives and answers the next one."""
    launcher = Launcher(tmp_path / "workers", dict(os.environ), lambda *_: None)
    worker = await launcher.start("tiny", ("--memory-bytes", str(400 * MIB)))
    await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
    greedy = (
        "{% set ns = namespace(x='x' * 1000000) %}{% for _ in range(5000) %}"
        "{% set ns.x = [ns.x, ('y' ~ loop.index) * 1000000] %}{% endfor %}{{ ns.x|length }}"
    )
    try:
        with pytest.raises(InvalidInputError) as caught:
            [p async for p in worker.run(Run(messages=(Message("user", "a"),), template=greedy))]
        assert [one.field for one in caught.value.violations] == ["template"]
        few = Run(prompt="Hi", sampling=Sampling(max_tokens=2, seed=1))
        assert [piece async for piece in worker.run(few)]
    finally:
        await worker.close(kill=True)


async def test_a_death_while_loading_is_told(tmp_path: Path) -> None:
    """And every question after it gets the same answer at once; its folder is gone."""
    async with started(tmp_path) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        loading = asyncio.create_task(worker.load(spec(tmp_path / "t.gguf"), quiet))
        await asyncio.sleep(0)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            await loading
        with pytest.raises(WorkerDiedError):
            await worker.embed(EmbedSpec(("a",)))
        with pytest.raises(WorkerDiedError):
            [piece async for piece in worker.run(ENDLESS)]

        assert list((tmp_path / "workers").iterdir()) == []
        assert worker.memory_bytes() == 0


async def test_a_refused_load_brings_the_engines_words(tmp_path: Path) -> None:
    """In the message and in the metadata."""
    broken = tmp_path / "t.gguf"
    tiny.write(broken)
    os.truncate(broken, broken.stat().st_size // 2)
    async with started(tmp_path) as worker:
        with pytest.raises(PreconditionError) as caught:
            await worker.load(spec(broken), quiet)

        assert caught.value.reason is Reason.LOAD_FAILED
        assert caught.value.metadata["engine_log"]
        assert caught.value.metadata["engine_log"] in caught.value.message


async def test_a_long_state_folder(tmp_path: Path) -> None:
    """The engine's socket does not depend on where the state lies: its path may have 107 bytes."""
    deep = tmp_path / ("d" * 135) / ("e" * 200)
    deep.mkdir(parents=True)
    async with started(deep) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        assert await worker.tokenize("", add_special=False, parse_special=False) == ()


async def test_a_grammar_that_ends_engines_is_refused(tmp_path: Path) -> None:
    """It never reaches the engine, and its worker lives and answers the next one."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        bomb = Run(prompt="Hi", sampling=Sampling(grammar="root ::= " + "(" * 100_000))
        with pytest.raises(InvalidInputError) as caught:
            [piece async for piece in worker.run(bomb)]

        assert [one.field for one in caught.value.violations] == ["options.sampling.grammar"]
        few = Run(prompt="Hi", sampling=Sampling(max_tokens=2, seed=1))
        assert [piece async for piece in worker.run(few)]


async def test_a_polite_end(tmp_path: Path) -> None:
    """End of file is enough: the worker leaves by itself."""
    async with started(tmp_path) as worker:
        await worker.load(spec(tiny.write(tmp_path / "t.gguf")), quiet)
        await worker.close()

        assert (await worker.died).exit_code == 0


async def test_a_job_is_done_by_a_child_of_its_own(tmp_path: Path) -> None:
    """Plain strings there and back."""
    weights = tiny.write(tmp_path / "t.gguf")
    async with started(tmp_path) as worker:
        told = await worker.job("inspect", {"path": str(weights)}, quiet)

        assert told["architecture"] == "llama"


async def test_a_frame_that_is_none_kills(tmp_path: Path) -> None:
    """A worker that breaks the protocol is of no use."""
    async with started(tmp_path) as worker:
        worker.data_received(b"\x02\x00\x00\x00\xff\xff")

        assert (await worker.died).signal == "SIGKILL"
