"""Where models really run: fallback, runtimes side by side, memory of the NPU, on real workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.inference import EmbedSpec
from rkd.model import BackendChoice, BackendKind
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.state import Phase
from rkd.pool.ticket import Ask
from tests.integration.daemon_process import wait_for
from tests.integration.pool_board import answer, board
from tests.native import standin

pytestmark = pytest.mark.timeout(60)


async def test_the_cpu_serves_what_the_npu_refuses(tmp_path: Path) -> None:
    """The answer says that it fell back and why; the NPU asked for explicitly does not fall."""
    async with board(tmp_path) as it:
        model = it.model(
            "both", gguf=True, init_rc=-1, init_line="E rkllm: invalid rkllm model!", device="none"
        )
        _, served = await answer(it.pool, Ask(model), "hi")
        assert served.plan.backend is BackendKind.CPU
        assert served.plan.reason

        with pytest.raises(PreconditionError) as caught:
            await answer(it.pool, Ask(model, Wish(BackendChoice.NPU)), "hi")
        assert caught.value.reason in {
            Reason.LOAD_FAILED,
            Reason.NPU_UNAVAILABLE,
            Reason.MODEL_FAILED,
        }


async def test_a_load_that_crashes_twice_goes_to_the_cpu(tmp_path: Path) -> None:
    """The library kills its process at init: retried once, then the CPU."""
    async with board(tmp_path) as it:
        _, served = await answer(it.pool, Ask(it.model("both", gguf=True, init_crash="segv")), "hi")
        assert served.plan.backend is BackendKind.CPU
        assert "SIGSEGV" in served.plan.reason


async def test_two_runtimes_side_by_side(tmp_path: Path) -> None:
    """Each model runs on the version it asks for, at the same time."""
    async with board(tmp_path, versions=("1.2.3", "1.3.0")) as it:
        models = [
            it.model("first", piece=1),
            it.model("second", runtime="1.3", piece=1),
        ]
        text = "Gr\u00fc\u00dfe, \u4e16\u754c \U0001f600 " * 10
        answers = await asyncio.gather(*(answer(it.pool, Ask(one), text) for one in models))
        assert [one for one, _ in answers] == [text, text]
        assert [served.loaded.runtime for _, served in answers] == ["rkllm 1.2.3", "rkllm 1.3.0"]
        assert [one.npu_domain for one in it.pool.residents()] == [0, 1]


async def test_npu_memory_that_runs_out_makes_the_idle_leave(tmp_path: Path) -> None:
    """The estimate said it fits, the NPU says no: the idle go, the load is repeated once."""
    async with board(tmp_path) as it:
        ledger = {"npu_total_mb": 100, "npu_mb": 60, "ledger": tmp_path / "ledger"}
        first, second = it.model("first", **ledger), it.model("second", **ledger)
        await answer(it.pool, Ask(first), "hi")
        text, _ = await answer(it.pool, Ask(second), "hi")
        assert text == "hi"
        residents = [(one.model, one.phase) for one in it.pool.residents()]
        assert residents == [("second", Phase.READY)]


async def test_npu_memory_that_never_suffices_is_told(tmp_path: Path) -> None:
    """Alone on the NPU and still too large: the engine's words, no endless trying."""
    async with board(tmp_path) as it:
        model = it.model("large", npu_total_mb=100, npu_mb=200, ledger=tmp_path / "ledger")
        with pytest.raises(PreconditionError) as caught:
            await answer(it.pool, Ask(model), "hi")
        assert caught.value.reason is Reason.LOAD_FAILED


async def test_chat_and_embeddings_share_one_load(tmp_path: Path) -> None:
    """Tokenizing, embedding and generating need no reload of a CPU model."""
    async with board(tmp_path) as it:
        ask = Ask(it.model("both", gguf=True), Wish(BackendChoice.CPU))
        tokens = await it.pool.use(
            ask, lambda lease: lease.worker.tokenize("hi", add_special=False, parse_special=True)
        )
        assert tokens
        await answer(it.pool, ask, "hi")
        (resident,) = it.pool.residents()
        assert resident.generation == 1


async def test_vectors_nobody_waits_for_free_their_worker(tmp_path: Path) -> None:
    """The caller leaves in the middle: the rest is not read, and the same worker answers."""
    texts = EmbedSpec(("text",) * 200)
    async with board(tmp_path) as it:
        ask = Ask(it.model("npu", prefill_ms=100, log=tmp_path / "calls"))
        asking = asyncio.create_task(it.pool.use(ask, lambda lease: lease.worker.embed(texts)))
        await asyncio.to_thread(wait_for, lambda: len(_runs(tmp_path)) > 1, "two texts")
        worker = it.workers()
        asking.cancel()
        await answer(it.pool, ask, "hi")

        assert it.workers() == worker
        assert len(_runs(tmp_path)) < len(texts.inputs)


def _runs(folder: Path) -> list[Mapping[str, Any]]:
    return standin.calls(folder / "calls", "rkllm_run")
