"""Clients that go on asking whatever happens, each with its own dice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rkd.v1 import inference_pb2, models_pb2, operations_pb2, pool_pb2, system_pb2, types_pb2
from tests.chaos.board import REPOSITORIES, Board, Stubs
from tests.chaos.ledger import CALL_BOUND_S, Ledger


@dataclass(frozen=True)
class Asked:
    """What models answer: by prompt, or the prompt itself where nothing is said."""

    models: Sequence[str]
    prompts: Sequence[str]
    answers: Mapping[tuple[str, str], str]

    def expected(self, model: str, prompt: str) -> str:
        """What *model* has to say to *prompt*."""
        return self.answers.get((model, prompt), prompt)


@dataclass
class Client:
    """What every client has."""

    board: Board
    ledger: Ledger
    asked: Asked
    dice: random.Random
    over: Callable[[], bool]

    async def pause(self) -> None:
        """Think for a moment."""
        await asyncio.sleep(self.dice.random() * 0.1)

    async def generate(self, stubs: Stubs) -> None:
        """Ask for an answer; now and then go away in the middle of it."""
        model, prompt = self.dice.choice(self.asked.models), self.dice.choice(self.asked.prompts)
        options = types_pb2.InferenceOptions(
            sampling=types_pb2.SamplingOptions(temperature=0, max_tokens=48)
        )
        impatient = self.dice.random() < 0.3
        bound_s = self.dice.random() if impatient else CALL_BOUND_S
        request = inference_pb2.GenerateRequest(
            model=model, prompt=prompt, raw=True, options=options
        )
        parts: list[str] = []
        ended = False

        async def read() -> None:
            nonlocal ended
            async for event in stubs.inference.Generate(request, timeout=bound_s):
                parts.append(event.delta.text)
                ended = event.HasField("finished")

        answered = await self.ledger.call("generate", read(), impatient=impatient)
        got, wanted = "".join(parts), self.asked.expected(model, prompt)
        if (answered and ended and got != wanted) or not wanted.startswith(got):
            self.ledger.mixed("generate", wanted, got)
        if answered and not ended:
            self.ledger.mixed("generate", "a finished event", "the end of the stream")

    async def tokenize(self, stubs: Stubs) -> None:
        """Text to tokens and back is the same text."""
        model, prompt = self.dice.choice(self.asked.models), self.dice.choice(self.asked.prompts)
        told: list[str] = []

        async def both() -> None:
            asked = inference_pb2.TokenizeRequest(model=model, text=prompt)
            tokens = await stubs.inference.Tokenize(asked, timeout=CALL_BOUND_S)
            back = inference_pb2.DetokenizeRequest(model=model, token_ids=tokens.token_ids)
            told.append((await stubs.inference.Detokenize(back, timeout=CALL_BOUND_S)).text)

        if await self.ledger.call("tokenize", both()) and told[0] != prompt:
            self.ledger.mixed("tokenize", prompt, told[0])

    async def look(self, stubs: Stubs) -> None:
        """List everything there is to list: this must always be answered."""
        for what, call, request in (
            ("list", stubs.models.List, models_pb2.ListRequest()),
            ("ps", stubs.pool.ListResident, pool_pb2.ListResidentRequest()),
            ("ops", stubs.operations.List, operations_pb2.OperationServiceListRequest()),
            ("status", stubs.system.GetStatus, system_pb2.GetStatusRequest()),
        ):
            await self.ledger.call(what, call(request, timeout=CALL_BOUND_S))

    async def manage(self, stubs: Stubs) -> None:
        """Load, unload, pin, copy, delete."""
        model = self.dice.choice(self.asked.models)
        copy = f"copy-{self.dice.randrange(3)}"
        call, request = self.dice.choice(
            (
                (stubs.pool.Unload, pool_pb2.UnloadRequest(model=model)),
                (stubs.pool.Pin, pool_pb2.PinRequest(model=model)),
                (stubs.pool.Unpin, pool_pb2.UnpinRequest(model=model)),
                (stubs.models.Copy, models_pb2.CopyRequest(source=model, destination=copy)),
                (stubs.models.Delete, models_pb2.DeleteRequest(model=copy, drain=True)),
            )
        )
        if self.dice.random() < 0.2:
            call(request).cancel()  # changes its mind before it has heard anything
        await self.ledger.call("manage", call(request, timeout=CALL_BOUND_S))

    async def pull(self, stubs: Stubs) -> None:
        """Bring a model from the hub, or take one away; pause, resume, cancel what goes on."""
        number = self.dice.randrange(REPOSITORIES)
        choice = self.dice.random()
        if choice < 0.3:
            request = models_pb2.DeleteRequest(model=f"pulled-{number}", drain=True)
            await self.ledger.call("rm", stubs.models.Delete(request, timeout=CALL_BOUND_S))
            return
        if choice < 0.6:
            await self.ledger.call("operate", self._operate(stubs))
            return
        asked = models_pb2.PullRequest(
            source=f"org/m{number}", name=f"pulled-{number}", detach=self.dice.random() < 0.5
        )
        impatient = self.dice.random() < 0.5
        bound_s = 2 * self.dice.random() if impatient else CALL_BOUND_S

        async def read() -> None:
            async for _ in stubs.models.Pull(asked, timeout=bound_s):
                pass

        await self.ledger.call("pull", read(), impatient=impatient)

    async def _operate(self, stubs: Stubs) -> None:
        listed = await stubs.operations.List(
            operations_pb2.OperationServiceListRequest(), timeout=CALL_BOUND_S
        )
        if not listed.operations:
            return
        id_ = self.dice.choice(listed.operations).id
        call, kind = self.dice.choice(
            (
                (stubs.operations.Pause, operations_pb2.OperationServicePauseRequest),
                (stubs.operations.Resume, operations_pb2.OperationServiceResumeRequest),
                (stubs.operations.Resume, operations_pb2.OperationServiceResumeRequest),
                (stubs.operations.Cancel, operations_pb2.OperationServiceCancelRequest),
            )
        )
        await call(kind(id=id_), timeout=CALL_BOUND_S)

    async def go_on(self, *works: Callable[[Stubs], object]) -> None:
        """Do one of *works* after the other until all is over."""
        async with self.board.stubs() as stubs:
            while not self.over():
                await self.dice.choice(works)(stubs)  # type: ignore[misc]
                await self.pause()

    async def die_in_the_middle(self) -> None:
        """Be a process that is killed while it listens to an answer."""
        while not self.over():
            model = self.dice.choice(self.asked.models)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "rkctl", "generate", model, "the answer of a dead client"),
                env=self.board.daemon.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.3 + self.dice.random())
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def reference(board: Board, models: Sequence[str], prompts: Sequence[str]) -> Asked:
    """Ask everything once in peace: what is answered then must be answered always."""
    answers = {}
    async with board.stubs() as stubs:
        for model in models:
            for prompt in prompts:
                options = types_pb2.InferenceOptions(
                    sampling=types_pb2.SamplingOptions(temperature=0, max_tokens=48)
                )
                request = inference_pb2.GenerateRequest(
                    model=model, prompt=prompt, raw=True, options=options
                )
                answers[model, prompt] = "".join(
                    [event.delta.text async for event in stubs.inference.Generate(request)]
                )
    return Asked(models, prompts, answers)
