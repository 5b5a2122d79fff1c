"""
InferenceService: requests in, streams of events out, exactly as the proto says.

Each call asks the library for the model, merges options, takes a ticket of the pool and hands on
what comes. Ends of every kind - client gone, deadline, Cancel, shutdown - arrive as a cancelled
task; leaving the ticket does the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from google.protobuf.message import Message

from rkd import bounds
from rkd.capability.table import lacking, missing, refuse, require
from rkd.errors import AbortedError, Reason, RkdError, bad_field
from rkd.inference import (
    Chunk,
    Embeddings,
    EmbedSpec,
    FinishReason,
    Outcome,
    PrefillProgress,
    Ranking,
    Run,
    TemplateWay,
)
from rkd.model import BackendKind, Model
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.state import Priority
from rkd.pool.pool import Pool
from rkd.pool.ticket import Ask, Lease, Loading, Queued, Served, Ticket
from rkd.pool.workers.handle import WorkerHandle
from rkd.service import events, onwire
from rkd.service.capabilities import Capabilities
from rkd.service.conversation import chat_run, generate_run
from rkd.service.gate.caller import identity
from rkd.service.options import Checker, Named, Options, Resolve, own_name, read_options
from rkd.service.parts import HeldPictures, PictureLimits
from rkd.service.ranking import ranked, read_rank
from rkd.service.running import Running, RunningRequests
from rkd.telemetry.meters import Meters, StreamMeter
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from rkd.v1.inference_pb2_grpc import InferenceServiceServicer

MAX_EMBED_INPUTS = 2048
MAX_CANCELS = 256
MAX_ANSWER_BYTES = 3 << 20
"""gRPC's clients take messages of four megabytes unless told otherwise."""
_PRIORITIES: dict[int, Priority] = {
    types.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    types.PRIORITY_BACKGROUND: Priority.BACKGROUND,
}


class InferenceService(InferenceServiceServicer):
    """
    The service.

    Args:
        resolve: finds models.
        pool: runs them.
        running: what is under way.
        meters: counts.
        named: tells which model a name means.
        capabilities: judges what models can be asked for; one of its own when None.
        pictures: what those of a request may be, as of now.
    """

    def __init__(
        self,
        resolve: Resolve,
        pool: Pool,
        running: RunningRequests,
        meters: Meters,
        named: Named = own_name,
        *,
        capabilities: Capabilities | None = None,
        pictures: Callable[[], PictureLimits] = PictureLimits,
    ) -> None:
        self._resolve = resolve
        self._named = named
        self._pool = pool
        self._running = running
        self._meters = meters
        self._capabilities = capabilities or Capabilities(pool.prospects)
        self._pictures = pictures
        self._held = HeldPictures()

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        """Continue a prompt."""
        model = await self._resolve(await self._named(request.model))
        options = read_options(request.options, model.recipe)
        run = generate_run(request, model.recipe, options, self._pictures())
        del request  # its pictures are the run's now
        async with aclosing(self._stream(model, options, run, context)) as items:
            async for sequence, event in _numbered(items):
                yield pb.GenerateResponse(sequence=sequence, **event)

    async def Chat(self, request: pb.ChatRequest, context: Any) -> AsyncIterator[pb.ChatResponse]:
        """Answer a conversation."""
        model = await self._resolve(await self._named(request.model))
        options = read_options(request.options, model.recipe)
        run = chat_run(request, model.recipe, options, self._pictures())
        del request  # its pictures are the run's now
        async with aclosing(self._stream(model, options, run, context)) as items:
            async for sequence, event in _numbered(items):
                yield pb.ChatResponse(sequence=sequence, **event)

    async def _stream(
        self, model: Model, options: Options, run: Run, context: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield events of one inference, `{field of the oneof: message}`."""
        await _check(run)
        ask = _ask(model, options, context)
        wish = replace(ask.wish, pictures=bool(run.media))
        wish = await self._capabilities.placed(model, wish, lambda one: lacking(run, one))
        ticket = self._pool.request(replace(ask, wish=wish))
        judged = await self._capabilities.of(ticket.plan.spec, model.version)
        entered = self._running.entered(options.request_id, str(model.name))
        with self._held.entered(run), entered as running:
            told = _Told(self._meters.stream(running.request_id, str(model.name)))
            way = judged.traits.way_of(run)
            try:
                refuse(run, judged.traits)
                running.let_go = ticket.give_up
                said = events.accepted(running.request_id, ticket.plan, way, judged.message)
                event: dict[str, Any] = {"accepted": said}
                running.hand_over()
                yield event
                running.take_over()
                async with ticket, aclosing(self._pool.follow(ticket, run)) as items:
                    async for item in items:
                        event = told.event(item, options)
                        running.hand_over()
                        yield event
                        running.take_over()
            except RkdError as error:
                told.ended(error.reason.value)
                _name_request(error, running, told.tokens)
                raise
            except BaseException as error:
                # CancelledError is how an end asked for by id arrives, and ours alone to swallow.
                told.ended(FinishReason.CANCELLED.value)
                if not running.takes_back(error):
                    raise
                yield {"finished": told.cancelled(ticket, way)}

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        """Turn texts into vectors."""
        model = await self._resolve(await self._named(request.model))
        options = read_options(request.options, model.recipe)
        dimensions = request.dimensions if request.HasField("dimensions") else 0
        check = Checker()
        count = len(request.inputs)
        check.need(0 < count <= MAX_EMBED_INPUTS, "inputs", f"should be 1 to {MAX_EMBED_INPUTS}")
        check.need(dimensions >= 0, "dimensions", "should not be negative")
        check.finish()
        normalize = request.normalize if request.HasField("normalize") else True
        spec = EmbedSpec(tuple(request.inputs), normalize, dimensions, request.truncate)
        bounds.check_inputs(spec.inputs)

        async def embed(lease: Lease) -> tuple[Embeddings, BackendKind]:
            return await lease.worker.embed(spec), lease.plan.backend

        names = ("embed", *(("truncate",) if spec.truncate else ()))
        ask = await self._able(_ask(model, options, context), *names)
        with self._running.entered(options.request_id, str(model.name)):
            found, backend = await self._pool.use(ask, embed)
        return pb.EmbedResponse(
            embeddings=[pb.Embedding(values=vector) for vector in found.vectors],
            usage=types.Usage(prompt_tokens=found.prompt_tokens),
            backend=onwire.backend(backend),
        )

    async def Rerank(self, request: pb.RerankRequest, context: Any) -> pb.RerankResponse:
        """Score documents against a query."""
        model = await self._resolve(await self._named(request.model))
        options = read_options(request.options, model.recipe)
        spec = read_rank(request)

        async def rank(lease: Lease) -> tuple[Ranking, BackendKind]:
            return await lease.worker.rank(spec), lease.plan.backend

        names = ("rerank", *(("instruction",) if spec.instruction else ()))
        ask = await self._able(_ask(model, options, context), *names)
        with self._running.entered(options.request_id, str(model.name)):
            ranking, backend = await self._pool.use(ask, rank)
        return ranked(ranking, request.top_n, backend)

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:
        """Turn text into token ids."""
        model = await self._resolve(await self._named(request.model))
        options = read_options(request.options, model.recipe)
        parse = request.parse_special if request.HasField("parse_special") else True

        async def tokenize(worker: WorkerHandle) -> pb.TokenizeResponse:
            ids = await worker.tokenize(
                request.text, add_special=request.add_special, parse_special=parse
            )
            pieces = await worker.spell(ids) if request.with_pieces else ()
            return pb.TokenizeResponse(token_ids=ids, count=len(ids), pieces=pieces)

        ask = _ask(model, options, context, takes_slot=False)
        answer = await self._pool.spell(ask, tokenize, exact=request.with_pieces)
        if request.with_pieces:  # of ids alone a text that was let in makes no more than fits
            _check_sendable(answer, "text", "tokens and pieces: send less at a time")
        return answer

    async def Detokenize(
        self, request: pb.DetokenizeRequest, context: Any
    ) -> pb.DetokenizeResponse:
        """Turn token ids into text."""
        model = await self._resolve(await self._named(request.model))
        options = read_options(request.options, model.recipe)
        ids = tuple(request.token_ids)

        async def detokenize(worker: WorkerHandle) -> pb.DetokenizeResponse:
            data = b"".join(await worker.spell(ids)) if request.with_data else b""
            return pb.DetokenizeResponse(text=await worker.detokenize(ids), data=data)

        ask = _ask(model, options, context, takes_slot=False)
        answer = await self._pool.spell(ask, detokenize, exact=request.with_data)
        _check_sendable(answer, "token_ids", "text: send fewer at a time")
        return answer

    async def _able(self, ask: Ask, *names: str) -> Ask:
        """
        Place *ask* where all of *names* can be done.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED, one of them cannot, before anything waits.
        """
        model = ask.model
        wish = await self._capabilities.placed(model, ask.wish, lambda one: missing(names, one))
        placed = replace(ask, wish=wish)
        plan = self._pool.request(placed).plan
        judged = await self._capabilities.of(plan.spec, model.version)
        for name in names:
            require(name, judged.traits)
        return placed

    async def Cancel(self, request: pb.CancelRequest, context: Any) -> pb.CancelResponse:
        """Stop inferences by their ids."""
        check = Checker()
        count = len(request.request_ids)
        check.need(0 < count <= MAX_CANCELS, "request_ids", f"should be 1 to {MAX_CANCELS}")
        check.finish()
        stopped = [one for one in request.request_ids if self._running.cancel(one)]
        return pb.CancelResponse(cancelled=stopped)


def _check_sendable(answer: Message, field: str, what: str) -> None:
    if answer.ByteSize() > MAX_ANSWER_BYTES:
        raise bad_field(field, f"make more than {MAX_ANSWER_BYTES} bytes of {what}")


class _Told:
    """What one stream has told so far, counted beside it."""

    def __init__(self, meter: StreamMeter) -> None:
        self._meter = meter
        self._arrived_s = time.monotonic()
        self._first_token_s = -1.0

    @property
    def tokens(self) -> int:
        """Tokens handed on so far."""
        return self._meter.count

    def event(self, item: object, options: Options) -> dict[str, Any]:
        """The event for what the pool yielded."""
        match item:
            case Chunk():
                if self._first_token_s < 0:
                    self._first_token_s = time.monotonic() - self._arrived_s
                self._meter.tokens(item.tokens)
                return {"delta": events.delta(item, with_ids=options.return_token_ids)}
            case PrefillProgress():
                return {"prefill": events.prefill(item)}
            case Queued():
                return {"queued": events.queued(item)}
            case Loading():
                return {"loading": events.loading(item)}
            case Served():
                usage = item.outcome.usage
                self._meter.prompt(usage.prompt_tokens, usage.cached_tokens)
                self._meter.ended(item.outcome.reason.value)
                return {"finished": events.finished(item, self._first_token_s)}
            case _:
                raise AssertionError(f"the pool yields no {item!r}")

    def ended(self, reason: str) -> None:
        """The inference ended without an outcome."""
        self._meter.ended(reason)

    def cancelled(self, ticket: Ticket, way: TemplateWay) -> types.Finished:
        """Another client stopped it: what is known of it."""
        outcome = Outcome(FinishReason.CANCELLED, template_way=way)
        return events.cut_short(outcome, ticket.plan, self.tokens, self._first_token_s)


async def _numbered(
    items: AsyncIterator[dict[str, Any]],
) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    sequence = 0
    async for item in items:
        yield sequence, item
        sequence += 1


def _ask(
    model: Model,
    options: Options,
    context: Any,
    *,
    takes_slot: bool = True,
) -> Ask:
    left_s: float | None = context.time_remaining()
    limits_s = [one for one in (left_s, options.queue_timeout_s) if one is not None]
    return Ask(
        model=model,
        wish=Wish(options.backend, options.context_tokens),
        client=identity(),
        priority=_PRIORITIES.get(options.priority, Priority.NORMAL),
        keep_alive_s=options.keep_alive_s,
        wait_s=min(limits_s) if limits_s else None,
        takes_slot=takes_slot,
        session=options.session,
    )


async def _check(run: Run) -> None:
    """Refuse what no engine bears before it waits for one; long texts are read off the loop."""
    if run.sampling.constrained or run.tools or len(run.messages) > 1:
        await asyncio.to_thread(bounds.check, run)
    else:
        bounds.check(run)


def _name_request(error: RkdError, running: Running, tokens: int) -> None:
    """Name the request in the error's metadata."""
    error.metadata.setdefault("request_id", running.request_id)
    if isinstance(error, AbortedError) and error.reason is Reason.WORKER_CRASHED:
        error.metadata.setdefault("tokens_emitted", str(tokens))
