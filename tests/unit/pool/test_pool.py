"""The pool carries out what the scheduler decides, and gives everything back."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.errors import AbortedError, PreconditionError, Reason, RkdError, UnavailableError
from rkd.inference import Chunk, EmbedSpec, Run
from rkd.model import BackendChoice, BackendKind, Details
from rkd.pool.calibration import Calibration
from rkd.pool.deciding.budget import GIB, MIB
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.state import Death, Phase, Resident
from rkd.pool.pool import Pool
from rkd.pool.ticket import Ask, Lease, Loading, Queued, Served
from rkd.pool.workers.handle import WorkerDiedError
from tests.unit.pool.fakes import DEAD, FakeMachine, model, settled

ROOMY = PoolSettings(memory_fraction=1.0, reserve_bytes=0)
NPU = PoolSettings(
    memory_fraction=1.0,
    reserve_bytes=0,
    libraries=(RuntimeLibrary(Path("/usr/lib/librkllmrt.so"), "1.2.3"),),
)


async def answer(pool: Pool, ask: Ask, prompt: str = "hi") -> str:
    """Run to the end and join the text."""
    text = ""
    async with aclosing(pool.stream(ask, Run(prompt=prompt))) as items:
        async for item in items:
            if isinstance(item, Chunk):
                text += item.text
    return text


class TestStream:
    """One inference through the pool."""

    async def test_it_loads_then_answers(self) -> None:
        """A request for an absent model sees its load, its text and its end, in this order."""
        machine = FakeMachine()
        pool = machine.pool()

        async with aclosing(pool.stream(Ask(model()), Run(prompt="hi"))) as items:
            kinds = [type(item) async for item in items]

        assert kinds[-2:] == [Chunk, Served]
        assert set(kinds[:-2]) <= {Queued, Loading}
        assert Loading in kinds
        await pool.close(1)

    async def test_a_resident_is_used_again(self) -> None:
        """The second request starts no second worker."""
        machine = FakeMachine()
        pool = machine.pool()

        await answer(pool, Ask(model()))
        await answer(pool, Ask(model()))

        assert len(machine.workers) == 1
        assert [one.served for one in pool.residents()] == [2]
        await pool.close(1)

    async def test_closing_stops_the_run_and_keeps_the_slot_until_it_is_over(self) -> None:
        """A cancelled run holds its lease until the worker says done."""
        machine = FakeMachine(answer=False, heed_cancel=False)
        pool = machine.pool()
        first = pool.stream(Ask(model()), Run(prompt="1"))
        reading = asyncio.ensure_future(anext(aiter(first)))
        await settled()
        while not machine.workers or not machine.workers[0].streams:
            await reading
            reading = asyncio.ensure_future(anext(aiter(first)))
            await settled()
        reading.cancel()
        await asyncio.wait([reading])
        await first.aclose()
        await settled()

        stream = machine.workers[0].streams[0]
        assert stream.cancelled
        assert [one.slots_used for one in pool.residents()] == [1]
        stream.finish()
        await settled()
        assert [one.slots_used for one in pool.residents()] == [0]
        await pool.close(1)

    async def test_a_slow_reader_does_not_hold_the_slot(self) -> None:
        """The next request runs while the first one's answer is not yet read."""
        machine = FakeMachine()
        pool = machine.pool()
        slow = pool.stream(Ask(model()), Run(prompt="slow"))
        async for item in slow:
            if isinstance(item, Chunk):
                break

        assert await answer(pool, Ask(model()), "fast") == "alpha: fast"
        await slow.aclose()
        await pool.close(1)

    async def test_a_worker_that_dies_in_silence_is_replaced_once(self) -> None:
        """Nothing was said before the death: the reader notices nothing but time."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        machine.answer = True
        machine.workers[0].die()

        assert await running == "alpha: hi"
        assert len(machine.workers) == 2
        await pool.close(1)

    async def test_a_second_death_in_silence_is_told(self) -> None:
        """One retry, no more; UNAVAILABLE since nothing was seen."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        machine.workers[0].die()
        for _ in range(20):
            await asyncio.sleep(0.01)
            if len(machine.workers) == 2 and machine.workers[1].streams:
                break
        machine.workers[1].die()

        with pytest.raises(UnavailableError) as caught:
            await running
        assert caught.value.metadata["signal"] == "SIGSEGV"
        assert caught.value.metadata["tokens_emitted"] == "0"
        await pool.close(1)

    async def test_a_request_that_killed_its_worker_is_not_retried(self) -> None:
        """Nothing was seen, but the same would only kill the next one."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        machine.workers[0].die(replace(DEAD, blamed=True))

        with pytest.raises(UnavailableError):
            await running
        assert len(machine.workers) == 1
        await pool.close(1)

    async def test_a_request_does_not_bring_back_what_was_unloaded(self) -> None:
        """Unload killed its worker: the request is told, and no other worker starts."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        assert await pool.unload("alpha", grace_s=0.01)

        with pytest.raises(UnavailableError, match="unloaded"):
            await running
        assert len(machine.workers) == 1
        await pool.close(1)

    async def test_a_death_after_text_is_aborted(self) -> None:
        """Part of the answer was seen: no silent retry."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        machine.workers[0].streams[0].say("half")
        await settled()
        machine.workers[0].die()

        with pytest.raises(AbortedError) as caught:
            await running
        assert caught.value.metadata["tokens_emitted"] == "1"
        assert len(machine.workers) == 1
        await pool.close(1)

    async def test_queue_full_is_told_before_anything(self) -> None:
        """Entering the ticket raises QUEUE_FULL with a time to come back."""
        machine = FakeMachine(answer=False)
        machine.may_load.clear()
        pool = machine.pool(PoolSettings(memory_fraction=1.0, reserve_bytes=0, max_queue=1))
        async with pool.request(Ask(model())):
            with pytest.raises(RkdError) as caught:
                async with pool.request(Ask(model("beta"))):
                    pass
        assert caught.value.reason is Reason.QUEUE_FULL
        assert (caught.value.retry_after_s or 0) >= 1
        machine.may_load.set()
        await pool.close(1)


class TestFallback:
    """From the NPU to the CPU, and never in silence."""

    async def test_a_failed_npu_load_goes_to_the_cpu_with_the_reason(self) -> None:
        """AUTO with a GGUF beside: Served says CPU and why; the load was announced."""
        machine = FakeMachine()
        refusal = PreconditionError(Reason.LOAD_FAILED, "the engine refused the file")
        machine.load_troubles["both", BackendKind.NPU] = [refusal]
        pool = machine.pool(NPU)
        ask = Ask(model("both", rkllm=200 * MIB))
        assert pool.request(ask).plan.backend is BackendKind.NPU

        served = None
        async with aclosing(pool.stream(ask, Run(prompt="hi"))) as items:
            async for item in items:
                served = item
        assert isinstance(served, Served)
        assert served.plan.backend is BackendKind.CPU
        assert "the engine refused the file" in served.plan.reason
        await pool.close(1)

    async def test_an_explicit_npu_never_falls_back(self) -> None:
        """The engine's refusal is the answer."""
        machine = FakeMachine()
        refusal = PreconditionError(Reason.LOAD_FAILED, "the engine refused the file")
        machine.load_troubles["both", BackendKind.NPU] = [refusal]
        pool = machine.pool(NPU)
        ask = Ask(model("both", rkllm=200 * MIB), Wish(BackendChoice.NPU))

        with pytest.raises(PreconditionError, match="refused the file"):
            await answer(pool, ask)
        assert [one.plan.backend for one in machine.workers] == [BackendKind.NPU]
        await pool.close(1)

    async def test_a_load_that_dies_is_tried_again(self) -> None:
        """One crash while loading is forgiven in silence."""
        machine = FakeMachine()
        died = WorkerDiedError(Death("killed by SIGSEGV", "SIGSEGV"))
        machine.load_troubles["alpha", BackendKind.CPU] = [died]
        pool = machine.pool()

        assert await answer(pool, Ask(model())) == "alpha: hi"
        assert len(machine.workers) == 2
        await pool.close(1)

    async def test_a_load_short_of_memory_evicts_the_idle_and_tries_again(self) -> None:
        """The engine said malloc failed: the idle leave, the load is repeated once."""
        machine = FakeMachine()
        short = PreconditionError(Reason.LOAD_FAILED, "failed to malloc npu memory, errno 14")
        machine.load_troubles["beta", BackendKind.CPU] = [short]
        pool = machine.pool()
        await answer(pool, Ask(model("alpha")))

        assert await answer(pool, Ask(model("beta"))) == "beta: hi"
        assert [one.plan.model for one in machine.workers] == ["alpha", "beta", "beta"]
        assert [one.model for one in pool.residents()] == ["beta"]
        await pool.close(1)


class TestVerbs:
    """Load, unload, pin, plan, use, close."""

    async def test_load_ends_with_the_resident(self) -> None:
        """The last item of a load is the model in memory."""
        pool = FakeMachine().pool()
        last = None
        async with aclosing(pool.load(Ask(model(), keep_alive_s=7))) as items:
            async for item in items:
                last = item
        assert isinstance(last, Resident)
        assert last.phase is Phase.READY
        assert await pool.unload("alpha")
        assert not await pool.unload("alpha")
        await pool.close(1)

    async def test_a_pinned_model_stays_and_others_are_told(self) -> None:
        """With the only place pinned another model is refused with NO_EVICTABLE_MODEL."""
        pool = FakeMachine().pool(
            PoolSettings(memory_fraction=1.0, reserve_bytes=0, max_resident=1)
        )
        pinned = await pool.pin(Ask(model()))
        assert pinned.pinned

        with pytest.raises(RkdError) as caught:
            await answer(pool, Ask(model("beta")))
        assert caught.value.reason is Reason.NO_EVICTABLE_MODEL
        assert not pool.plan(model("beta"), Wish()).fits
        assert pool.unpin("alpha")
        assert pool.plan(model("beta"), Wish()).evicting == ("alpha",)
        assert await answer(pool, Ask(model("beta"))) == "beta: hi"
        await pool.close(1)

    async def test_looking_resets_no_idle_timer(self) -> None:
        """Neither listing nor planning keeps a model alive."""
        pool = FakeMachine().pool()
        await answer(pool, Ask(model()))
        (before,) = pool.residents()
        pool.plan(model(), Wish())
        assert pool.in_use("alpha") is False
        (after,) = pool.residents()
        assert before.expires_s == after.expires_s
        assert before.expires_s is not None
        await pool.close(1)

    async def test_a_pin_that_cannot_load_is_no_pin(self) -> None:
        """A failed load leaves nothing behind."""
        machine = FakeMachine()
        machine.load_troubles["alpha", BackendKind.CPU] = [
            PreconditionError(Reason.LOAD_FAILED, "no")
        ]
        pool = machine.pool()
        with pytest.raises(PreconditionError):
            await pool.pin(Ask(model()))
        assert not pool.unpin("alpha")
        await pool.close(1)

    async def test_a_pin_given_up_leaves_that_of_another(self) -> None:
        """Whoever waits for the load and goes takes its own claim back, not everybody's pin."""
        machine = FakeMachine()
        machine.may_load.clear()
        pool = machine.pool()
        first = asyncio.create_task(pool.pin(Ask(model())))
        second = asyncio.create_task(pool.pin(Ask(model())))
        await settled()
        first.cancel()
        await settled()
        machine.may_load.set()

        assert (await second).pinned
        third = asyncio.create_task(pool.pin(Ask(model(), Wish(context_tokens=512))))
        await settled(1)
        third.cancel()
        await settled()
        assert pool.residents()[0].pinned
        await pool.close(1)

    async def test_an_unpin_while_the_pin_loads_wins(self) -> None:
        """A pin that was taken away meanwhile is not brought back when the load ends."""
        machine = FakeMachine()
        machine.may_load.clear()
        pool = machine.pool()
        pinning = asyncio.create_task(pool.pin(Ask(model())))
        await settled()
        assert pool.unpin("alpha")
        machine.may_load.set()

        assert not (await pinning).pinned
        await pool.close(1)

    async def test_use_embeds(self) -> None:
        """Embedding takes a lease and gives it back."""
        pool = FakeMachine().pool()
        vectors = await pool.use(
            Ask(model()), lambda lease: lease.worker.embed(EmbedSpec(("a", "b")))
        )
        assert len(vectors.vectors) == 2
        assert not pool.in_use("alpha")
        await pool.close(1)

    async def test_a_call_nobody_waits_for_keeps_its_slot(self) -> None:
        """The engine is still at it: the next one waits until it is done."""
        pool = FakeMachine().pool()
        over = asyncio.Event()

        async def slowly(lease: Lease) -> int:
            await over.wait()
            return len(lease.plan.model)

        first = asyncio.ensure_future(pool.use(Ask(model()), slowly))
        await settled()
        first.cancel()
        await asyncio.wait([first])
        assert [one.slots_used for one in pool.residents()] == [1]
        over.set()
        await settled()
        assert [one.slots_used for one in pool.residents()] == [0]
        await pool.close(1)

    async def test_unload_waits_for_the_run_and_kills_after_the_grace(self) -> None:
        """A run may end first; after the grace its worker is killed and the stream says so."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        machine.workers[0].streams[0].say("half")
        await settled()
        assert pool.in_use("alpha")

        assert await pool.unload("alpha", grace_s=0.01)
        with pytest.raises(AbortedError):
            await running
        assert machine.alive == []
        await pool.close(1)

    async def test_a_changed_model_is_loaded_anew(self) -> None:
        """After `forget` the old worker is gone before the next answer."""
        machine = FakeMachine()
        pool = machine.pool()
        await answer(pool, Ask(model()))
        pool.forget("alpha")
        await answer(pool, Ask(model(version="2")))
        assert [one.plan.version for one in machine.workers] == ["1", "2"]
        await pool.close(1)

    async def test_close_refuses_waits_and_reaps(self) -> None:
        """Shutting down: who waits is told, what runs may end, every worker is closed."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        waiting = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        closing = asyncio.ensure_future(pool.close(5))
        await settled()
        with pytest.raises(UnavailableError):
            await waiting
        machine.workers[0].streams[0].finish()
        await running
        await closing

        assert machine.alive == []
        assert all(one.closed for one in machine.workers)
        with pytest.raises(UnavailableError):
            async with pool.request(Ask(model())):
                pass

    async def test_measured_memory_is_kept(self, tmp_path: Path) -> None:
        """The second pool starts from what the first one saw."""
        file = tmp_path / "state" / "memory.json"
        machine = FakeMachine(measured={"alpha": 3 * GIB})
        pool = machine.pool(calibration=Calibration(file))
        await answer(pool, Ask(model()))
        await pool.close(1)

        again = machine.pool(calibration=Calibration(file))
        seen = again.plan(model(), Wish())
        assert seen.plan.need.ram_bytes == 3 * GIB
        assert seen.plan.measured
        await again.close(1)

    async def test_a_prompt_cache_is_no_part_of_what_is_measured(self, tmp_path: Path) -> None:
        """What the worker grew by is the cache's, and room for all of it is kept next time."""
        machine = FakeMachine(measured={"alpha": 3 * GIB})
        settings = PoolSettings(memory_fraction=1.0, reserve_bytes=0, prompt_cache_bytes=8 * MIB)
        shape = model(details=Details(layers=4, kv_heads=4, head_size=64))
        pool = machine.pool(settings, calibration=Calibration(tmp_path / "memory.json"))
        await answer(pool, Ask(shape))
        machine.measured["alpha"] += 5 * MIB
        await answer(pool, Ask(shape))
        (shown,) = pool.residents()
        await pool.close(1)
        again = machine.pool(settings, calibration=Calibration(tmp_path / "memory.json"))

        assert (shown.prompt_cache_used_bytes, shown.prompt_cache_bytes) == (5 * MIB, 8 * MIB)
        assert again.plan(shape, Wish()).plan.need.ram_bytes == 3 * GIB + 8 * MIB
        await again.close(1)

    async def test_a_job_takes_room(self) -> None:
        """A conversion's memory is not given to a model."""
        pool = FakeMachine().pool()
        async with pool.job(15 * GIB):
            busy = pool.plan(model(gguf=2 * GIB), Wish())
            assert busy.available_bytes == GIB
        assert pool.plan(model(gguf=2 * GIB), Wish()).available_bytes == 16 * GIB
        await pool.close(1)

    async def test_preload_happens_in_the_background(self) -> None:
        """Starting does not wait for the models named to be ready."""
        machine = FakeMachine()
        machine.may_load.clear()
        pool = machine.pool()
        await pool.start((Ask(model()),))
        await settled()
        assert [one.phase for one in pool.residents()] == [Phase.LOADING]
        machine.may_load.set()
        await settled()
        assert [one.phase for one in pool.residents()] == [Phase.READY]
        await pool.close(1)

    async def test_a_preload_that_fails_is_announced(self) -> None:
        """Nobody waits for it, so the event log says it."""
        machine = FakeMachine()
        pool = machine.pool()
        await pool.start((Ask(model(gguf=20 * GIB)),))
        await settled()
        told = [one for one in machine.events if one.action == "failed"]
        assert [one.subject for one in told] == ["alpha"]
        assert ("reason", "MODEL_TOO_LARGE") in told[0].detail
        await pool.close(1)

    async def test_new_settings_count_at_once(self) -> None:
        """More places let the waiting load begin; contexts and queue follow too."""
        one_place = replace(ROOMY, max_resident=1, max_queue=3)
        machine = FakeMachine(answer=False)
        pool = machine.pool(one_place)
        first = asyncio.ensure_future(answer(pool, Ask(model("alpha"))))
        await settled()
        second = asyncio.ensure_future(answer(pool, Ask(model("beta"))))
        await settled()
        assert (pool.queued, pool.queue_limit) == (1, 3)
        pool.reload(replace(one_place, max_resident=2, max_queue=9, default_context_tokens=512))
        await settled()
        assert [one.model for one in pool.residents()] == ["alpha", "beta"]
        assert pool.queue_limit == 9
        assert pool.plan(model("gamma"), Wish()).plan.spec.context_tokens == 512
        for worker in machine.workers:
            worker.streams[0].finish()
        await asyncio.gather(first, second)
        await pool.close(1)

    async def test_close_kills_after_the_grace(self) -> None:
        """A run that does not end is ended."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        await pool.close(0.01)
        with pytest.raises(UnavailableError):
            await running
        assert machine.alive == []

    async def test_close_waits_for_no_run_whose_reader_has_left(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A worker that heeds no cancel has a short bound of its own, not the grace of answers."""
        monkeypatch.setattr("rkd.pool.pool.END_BOUND_S", 0.01)
        machine = FakeMachine(answer=False, heed_cancel=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        running.cancel()
        await asyncio.wait([running])
        async with asyncio.timeout(5):
            await pool.close(3600)
        assert machine.alive == []

    async def test_close_waits_for_no_process_the_kernel_keeps(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A killed worker that hangs in a driver does not hold the daemon; unload says so too."""
        monkeypatch.setattr("rkd.pool.pool.END_BOUND_S", 0.01)
        monkeypatch.setattr("rkd.pool.pool.KILL_BOUND_S", 0.01)
        machine = FakeMachine(stuck=True)
        pool = machine.pool()
        await answer(pool, Ask(model()))
        with pytest.raises(PreconditionError) as caught:
            await pool.unload("alpha", grace_s=0.01)
        assert caught.value.reason is Reason.MODEL_BUSY
        async with asyncio.timeout(5):
            await pool.close(3600)

    async def test_close_at_any_time_and_twice(self) -> None:
        """Before anything, while a model loads, and again: it ends, and no worker is left."""
        machine = FakeMachine()
        await machine.pool().close(1)
        machine.may_load.clear()
        pool = machine.pool()
        await pool.start((Ask(model()),))
        await settled()
        async with asyncio.timeout(5):
            await asyncio.gather(pool.close(1), pool.close(1))
            await pool.close(1)
        assert machine.alive == []

    async def test_measured_memory_that_cannot_be_kept_is_announced(self, tmp_path: Path) -> None:
        """Nothing else depends on it."""
        file = tmp_path / "memory.json"
        file.mkdir()
        machine = FakeMachine()
        pool = machine.pool(calibration=Calibration(file))
        await answer(pool, Ask(model()))
        await pool.close(1)
        assert "calibration" in [one.subject for one in machine.events]

    async def test_free_memory_is_told(self) -> None:
        """What a further model may take."""
        pool = FakeMachine().pool()
        assert pool.free_bytes == 16 * GIB
        await pool.close(1)


class TestTime:
    """What happens by time alone, by the pool's own timer."""

    async def test_an_idle_model_leaves(self) -> None:
        """Its keep-alive was so short."""
        machine = FakeMachine()
        pool = machine.pool(replace(ROOMY, keep_alive_s=0.01))
        await answer(pool, Ask(model()))
        await machine.workers[0].died
        assert machine.alive == []
        await pool.close(1)

    async def test_a_waiter_is_told_at_its_deadline(self) -> None:
        """LOAD_TIMEOUT, without anything else happening."""
        machine = FakeMachine()
        machine.may_load.clear()
        pool = machine.pool()
        with pytest.raises(RkdError) as caught:
            await answer(pool, Ask(model(), wait_s=0.01))
        assert caught.value.reason is Reason.LOAD_TIMEOUT
        await pool.close(1)


class TestUse:
    """Embed and tokenize under a dying worker."""

    async def test_once_more_and_then_told(self) -> None:
        """The first death is silent, the second WORKER_CRASHED."""
        machine = FakeMachine()
        pool = machine.pool()
        used = []

        async def dies(lease: Lease) -> None:
            used.append(lease.generation)
            machine.workers[-1].die()
            await lease.worker.embed(EmbedSpec(("a",)))

        with pytest.raises(UnavailableError) as caught:
            await pool.use(Ask(model()), dies)
        assert used == [1, 2]
        assert caught.value.reason is Reason.WORKER_CRASHED
        await pool.close(1)

    async def test_a_call_that_outlives_its_client_costs_the_worker_its_life(self) -> None:
        """Nobody waits for it, its worker was ended for it: the next one gets another worker."""
        machine = FakeMachine()
        pool = machine.pool()

        async def hangs(lease: Lease) -> None:
            while not lease.worker.died.done():  # it does not heed that it is cancelled
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(lease.worker.died)
            await lease.worker.embed(EmbedSpec(("a",)))

        hanging = asyncio.ensure_future(pool.use(Ask(model()), hangs))
        await settled()
        hanging.cancel()
        await settled()
        assert [one.pid for one in machine.alive] == [1000]
        machine.workers[0].die()
        async with asyncio.timeout(5):
            assert await answer(pool, Ask(model())) == "alpha: hi"
        assert [one.pid for one in machine.alive] == [1001]
        await pool.close(1)

    async def test_an_engine_that_gives_up_after_text_is_aborted(self) -> None:
        """Its worker lives, but part of the answer is lost."""
        machine = FakeMachine(answer=False)
        pool = machine.pool()
        running = asyncio.ensure_future(answer(pool, Ask(model())))
        await settled()
        stream = machine.workers[0].streams[0]
        stream.say("half")
        stream.fail(UnavailableError(Reason.WORKER_CRASHED, "the runtime gave up"))
        with pytest.raises(AbortedError):
            await running
        assert machine.alive
        await pool.close(1)
