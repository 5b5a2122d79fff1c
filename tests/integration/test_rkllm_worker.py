"""RKLLM through a real worker process: the wire stays clean, and deaths are bounded."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rkd.backend.rkllm.engine import EXIT_WEDGED
from rkd.errors import PreconditionError
from rkd.inference import Chunk, FinishReason, LoadSpec, Outcome, Run, Sampling
from rkd.wire.messages import ChunkFrame, DoneFrame
from tests.contract.npu import spec
from tests.contract.worker import WorkerClient, WorkerGoneError
from tests.native import standin

TEXT = "Grüße, 世界! 😀👩‍👩‍👧 done"
REQUESTS = 5000
"""For each of two interfaces: ten thousand."""


def load_and_ask(worker: WorkerClient, asked: LoadSpec, run: Run) -> tuple[str, Outcome]:
    """Load, then run to the end."""
    worker.load(asked)
    return worker.ask(run)


def test_a_fresh_worker_answers(tmp_path: Path) -> None:
    """It loads, then answers: what the crash tests rely on."""
    with WorkerClient() as worker:
        worker.load(spec("1.3.0", tmp_path))

        assert worker.ask(Run(prompt=TEXT))[0] == TEXT


@pytest.mark.parametrize("version", standin.VERSIONS)
def test_text_and_log_stay_apart(version: str, tmp_path: Path) -> None:
    """What the library prints comes out of stdout, what it answers out of the socket."""
    settings = {"piece": 3, "run_line": "E RKNN: something on stdout"}
    with WorkerClient() as worker:
        loaded = worker.load(spec(version, tmp_path, **settings))
        text, outcome = worker.ask(Run(prompt=TEXT))

        assert (loaded.runtime, text) == (f"rkllm {version}", TEXT)
        assert outcome.reason is FinishReason.STOP_EOS
    assert f"I rkllm: rkllm-runtime version: {version}" in worker.log
    assert "E RKNN: something on stdout" in worker.log
    assert "FROM: model.rkllm" in worker.log
    assert "HuggingFace Path:" in worker.log
    assert "rkd-settled" not in worker.log


def test_two_runtimes_side_by_side(tmp_path: Path) -> None:
    """A 1.2.3 and a 1.3.0 library, each in a worker, answer at the same time."""
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    settings = {"piece": 1, "token_us": 200}
    with WorkerClient() as old, WorkerClient() as new:
        assert old.load(spec("1.2.3", tmp_path / "old", **settings)).runtime == "rkllm 1.2.3"
        assert new.load(spec("1.3.0", tmp_path / "new", **settings)).runtime == "rkllm 1.3.0"
        for worker in (old, new):
            worker.begin(Run(prompt=TEXT))
        for worker in (old, new):
            pieces = [one for one in worker.answers(1) if isinstance(one, Chunk)]

            assert "".join(piece.text for piece in pieces) == TEXT


def test_the_lease_keeps_two_workers_apart(tmp_path: Path) -> None:
    """With a lease, runs of two processes never overlap on the NPU."""
    lease = str(tmp_path / "npu.lock")
    log = tmp_path / "calls.jsonl"
    with WorkerClient() as one, WorkerClient() as two:
        for worker in (one, two):
            worker.load(replace(spec("1.3.0", tmp_path, prefill_ms=30), npu_lease_path=lease))
        began = time.monotonic()
        for worker in (one, two):
            worker.begin(Run(prompt="x"))
        for worker in (one, two):
            list(worker.answers(1))
        took_s = time.monotonic() - began

    assert len(standin.calls(log, "rkllm_run")) == 2
    assert took_s >= 0.06


@dataclass(slots=True)
class Asked:
    """One of many requests, and what came for it."""

    prompt: str
    cancel_after: int
    text: str = ""
    pieces: int = 0


@pytest.mark.parametrize("version", ["1.2.3", "1.3.1"])
def test_ten_thousand_short_requests(version: str, tmp_path: Path) -> None:
    """Three under way at any time, a third cancelled somewhere: every answer is its own."""
    dice = random.Random(20261121)  # noqa: S311 - a choice of tests, not a secret
    under_way: dict[int, Asked] = {}
    begun = cancelled = 0
    with WorkerClient() as worker:
        worker.load(spec(version, tmp_path, piece=2, token_us=20))
        while begun < REQUESTS or under_way:
            while begun < REQUESTS and len(under_way) < 3:
                after = dice.randint(0, 4) if begun % 3 == 0 else -1
                asked = Asked(f"request {begun} 😀" * dice.randint(1, 4), after)
                run_id = worker.begin(Run(prompt=asked.prompt))
                under_way[run_id] = asked
                begun += 1
                if after == 0:
                    worker.cancel(run_id)
            answer = worker.receive()
            asked = under_way[answer.id]
            if isinstance(answer, ChunkFrame):
                asked.text += answer.chunk.text
                asked.pieces += 1
                if asked.pieces == asked.cancel_after:
                    worker.cancel(answer.id)
                continue
            del under_way[answer.id]
            assert isinstance(answer, DoneFrame)
            if answer.outcome.reason == "CANCELLED":
                cancelled += 1
                assert asked.prompt.startswith(asked.text)
            else:
                assert (asked.text, answer.outcome.reason) == (asked.prompt, "STOP_EOS")
    assert cancelled > REQUESTS / 10


class TestDeaths:
    """Whatever the library does, it ends in bounded time with a code that says why."""

    @pytest.mark.parametrize(
        ("how", "code"),
        [("segv", -signal.SIGSEGV), ("abrt", -signal.SIGABRT), ("exit", 3)],
    )
    @pytest.mark.parametrize("when", ["init_crash", "run_crash", "at"])
    def test_crashes(self, when: str, how: str, code: int, tmp_path: Path) -> None:
        """A crash at init, at run or at token 5 ends the process, its last words kept."""
        settings: dict[str, object] = {when: how}
        if when == "at":
            settings = {"at": "crash" if how == "segv" else how, "at_token": 5, "piece": 1}
        with WorkerClient() as worker, pytest.raises(WorkerGoneError) as caught:
            load_and_ask(worker, spec("1.3.0", tmp_path, **settings), Run(prompt="hello world"))

        assert caught.value.code == code
        if how == "abrt":
            assert "GGML_ASSERT" in caught.value.log

    def test_hang_in_init(self, tmp_path: Path) -> None:
        """A load that never ends does not keep the process from being ended."""
        with WorkerClient() as worker:
            worker.begin_load(spec("1.3.0", tmp_path, init_hang=1))
            while not standin.calls(tmp_path / "calls.jsonl", "rkllm_init"):
                time.sleep(0.01)
            worker.process.kill()

            assert worker.process.wait(2.0) == -signal.SIGKILL

    @pytest.mark.parametrize("how", ["abort_hang", "abort_ignored"])
    def test_an_abort_without_effect(self, how: str, tmp_path: Path) -> None:
        """A stopped run that does not stop: the answer is whole, then the process ends itself."""
        settings = {how: 1, "piece": 1, "token_us": 100_000}
        run = Run(prompt="abcdefgh" * 200, sampling=Sampling(stop=("cd",)))
        with WorkerClient() as worker:
            text, outcome = load_and_ask(worker, spec("1.3.0", tmp_path, **settings), run)
            with pytest.raises(WorkerGoneError) as caught:
                worker.ask(run)

        assert (text, outcome.reason) == ("ab", FinishReason.STOP_SEQUENCE)
        assert caught.value.code == EXIT_WEDGED

    def test_a_failed_load_leaves_a_worker_that_says_why(self, tmp_path: Path) -> None:
        """A refusal is an answer, not a death."""
        with WorkerClient() as worker, pytest.raises(PreconditionError, match="malloc npu memory"):
            worker.load(
                spec("1.3.0", tmp_path, npu_mb=9, npu_total_mb=8, ledger=tmp_path / "ledger")
            )

    def test_the_daemon_dies(self, tmp_path: Path) -> None:
        """A worker whose daemon is gone ends within a moment, also inside native code."""
        with WorkerClient() as worker:
            worker.load(spec("1.3.0", tmp_path, token_us=1000))
            worker.begin(Run(prompt="x" * 4000))
            worker.receive()
        # Leaving the block closes the socket and waits for the end.
        assert worker.process.returncode == 0
