"""
InferenceService: requests in, streams of events out, exactly as the proto says.

Each call asks the library for the model, merges options, takes a ticket of the pool and hands on
what comes. Ends of every kind - client gone, deadline, Cancel, shutdown - arrive as a cancelled
task; leaving the ticket does the rest.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from rkd.errors import AbortedError, Reason, RkdError
from rkd.inference import (
    Chunk,
    Embeddings,
    EmbedSpec,
    FinishReason,
    Outcome,
    PrefillProgress,
    Run,
    TemplateWay,
)
from rkd.model import BackendKind, Model, ModelName
from rkd.pool.placement import Wish
from rkd.pool.pool import Pool
from rkd.pool.state import Priority
from rkd.pool.ticket import Ask, Lease, Loading, Queued, Served, Ticket
from rkd.service import events, refusals
from rkd.service.conversation import chat_run, generate_run
from rkd.service.options import Checker, Options, read_options
from rkd.service.running import Running, RunningRequests
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types
from rkd.v1.inference_pb2_grpc import InferenceServiceServicer

MAX_EMBED_INPUTS = 2048
MAX_CANCELS = 256
_PRIORITIES: dict[int, Priority] = {
    types.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    types.PRIORITY_BACKGROUND: Priority.BACKGROUND,
}

Resolve = Callable[[ModelName], Awaitable[Model]]
"""The library's way to a usable model; raises MODEL_NOT_FOUND, MODELFILE_MISSING …"""


@dataclass(frozen=True, slots=True)
class Finished:
    """
    One inference that has ended, for whoever counts.

    Args:
        reason: a FinishReason, or the error's Reason.
        first_token_s: negative when there was none.
    """

    model: str
    backend: BackendKind | None
    reason: str
    total_s: float
    queue_s: float = 0.0
    load_s: float = 0.0
    first_token_s: float = -1.0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Observer(Protocol):
    """Who counts inferences; the metrics, or nobody."""

    def finished(self, finished: Finished) -> None:
        """An inference has ended."""

    def piece(self, model: str, gap_s: float) -> None:
        """A piece came *gap_s* after the one before it."""


class InferenceService(InferenceServiceServicer):
    """
    The service.

    Args:
        resolve: finds models.
        pool: runs them.
        running: what is under way.
        observer: counts.
    """

    def __init__(
        self, resolve: Resolve, pool: Pool, running: RunningRequests, observer: Observer
    ) -> None:
        self._resolve = resolve
        self._pool = pool
        self._running = running
        self._observer = observer

    async def Generate(
        self, request: pb.GenerateRequest, context: Any
    ) -> AsyncIterator[pb.GenerateResponse]:
        """Continue a prompt."""
        model = await self._resolve(ModelName.parse(request.model))
        options = read_options(request.options, model.recipe)
        run = generate_run(request, model.recipe, options)
        async with aclosing(self._stream(model, options, run, context)) as items:
            async for sequence, event in _numbered(items):
                yield pb.GenerateResponse(sequence=sequence, **event)

    async def Chat(self, request: pb.ChatRequest, context: Any) -> AsyncIterator[pb.ChatResponse]:
        """Answer a conversation."""
        model = await self._resolve(ModelName.parse(request.model))
        options = read_options(request.options, model.recipe)
        run = chat_run(request, model.recipe, options)
        async with aclosing(self._stream(model, options, run, context)) as items:
            async for sequence, event in _numbered(items):
                yield pb.ChatResponse(sequence=sequence, **event)

    async def _stream(
        self, model: Model, options: Options, run: Run, context: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield events of one inference, `{field of the oneof: message}`."""
        ticket = self._pool.request(_ask(model, options, context))
        with self._running.entered(options.request_id, str(model.name)) as running:
            told = _Told(running, self._observer)
            way = _planned_way(model, run, ticket)
            try:
                yield {"accepted": events.accepted(running.request_id, ticket.plan, way)}
                async with ticket, aclosing(self._pool.follow(ticket, run)) as items:
                    async for item in items:
                        yield told.event(item, options)
            except RkdError as error:
                told.failed(error)
                _name_request(error, running)
                raise
            except BaseException as error:
                # CancelledError is how an end asked for by id arrives, and ours alone to swallow.
                if not refusals.is_cancel(error, running):
                    told.stopped()
                    raise
                yield {"finished": told.cancelled(ticket, way)}

    async def Embed(self, request: pb.EmbedRequest, context: Any) -> pb.EmbedResponse:
        """Turn texts into vectors."""
        model = await self._resolve(ModelName.parse(request.model))
        options = read_options(request.options, model.recipe)
        dimensions = request.dimensions if request.HasField("dimensions") else 0
        check = Checker()
        count = len(request.inputs)
        check.need(0 < count <= MAX_EMBED_INPUTS, "inputs", f"should be 1 to {MAX_EMBED_INPUTS}")
        check.need(dimensions >= 0, "dimensions", "should not be negative")
        check.finish()
        normalize = request.normalize if request.HasField("normalize") else True
        spec = EmbedSpec(tuple(request.inputs), normalize, dimensions)

        async def embed(lease: Lease) -> tuple[Embeddings, BackendKind]:
            return await lease.worker.embed(spec), lease.plan.backend

        ask = _ask(model, options, context, embeddings=True)
        with self._running.entered(options.request_id, str(model.name)):
            found, backend = await self._pool.use(ask, embed)
        return pb.EmbedResponse(
            embeddings=[pb.Embedding(values=vector) for vector in found.vectors],
            usage=types.Usage(prompt_tokens=found.prompt_tokens),
            backend=events.BACKENDS[backend],
        )

    async def Tokenize(self, request: pb.TokenizeRequest, context: Any) -> pb.TokenizeResponse:
        """Turn text into token ids."""
        model = await self._resolve(ModelName.parse(request.model))
        options = read_options(request.options, model.recipe)
        parse = request.parse_special if request.HasField("parse_special") else True

        async def tokenize(lease: Lease) -> tuple[int, ...]:
            return await lease.worker.tokenize(
                request.text, add_special=request.add_special, parse_special=parse
            )

        ask = _ask(model, options, context, takes_slot=False)
        return pb.TokenizeResponse(token_ids=await self._pool.use(ask, tokenize))

    async def Detokenize(
        self, request: pb.DetokenizeRequest, context: Any
    ) -> pb.DetokenizeResponse:
        """Turn token ids into text."""
        model = await self._resolve(ModelName.parse(request.model))
        options = read_options(request.options, model.recipe)
        ids = tuple(request.token_ids)

        async def detokenize(lease: Lease) -> str:
            return await lease.worker.detokenize(ids)

        ask = _ask(model, options, context, takes_slot=False)
        return pb.DetokenizeResponse(text=await self._pool.use(ask, detokenize))

    async def Cancel(self, request: pb.CancelRequest, context: Any) -> pb.CancelResponse:
        """Stop inferences by their ids."""
        del context
        check = Checker()
        count = len(request.request_ids)
        check.need(0 < count <= MAX_CANCELS, "request_ids", f"should be 1 to {MAX_CANCELS}")
        check.finish()
        stopped = [one for one in request.request_ids if self._running.cancel(one)]
        return pb.CancelResponse(cancelled=stopped)


class _Told:
    """What one stream has told so far, and the clock beside it."""

    def __init__(self, running: Running, observer: Observer) -> None:
        self._running = running
        self._observer = observer
        self._last_s = running.started_s

    def event(self, item: object, options: Options) -> dict[str, Any]:
        """The event for what the pool yielded."""
        match item:
            case Chunk():
                self._count(item)
                return {"delta": events.delta(item, with_ids=options.return_token_ids)}
            case PrefillProgress():
                return {"prefill": events.prefill(item)}
            case Queued():
                return {"queued": events.queued(item)}
            case Loading():
                return {"loading": events.loading(item)}
            case Served():
                self._observe_served(item)
                return {"finished": events.finished(item, self._first_token_s())}
            case _:
                raise AssertionError(f"the pool yields no {item!r}")

    def _count(self, chunk: Chunk) -> None:
        now_s = time.monotonic()
        running = self._running
        if not running.first_token_s:
            running.first_token_s = now_s
        else:
            self._observer.piece(running.model, now_s - self._last_s)
        self._last_s = now_s
        running.tokens += chunk.tokens

    def _first_token_s(self) -> float:
        first_s = self._running.first_token_s
        return first_s - self._running.started_s if first_s else -1.0

    def _total_s(self) -> float:
        return time.monotonic() - self._running.started_s

    def _observe_served(self, served: Served) -> None:
        usage = served.outcome.usage
        self._observer.finished(
            Finished(
                self._running.model,
                served.plan.backend,
                served.outcome.reason.value,
                self._total_s(),
                served.queue_ms / 1000,
                served.load_ms / 1000,
                self._first_token_s(),
                usage.prompt_tokens,
                usage.completion_tokens,
            )
        )

    def failed(self, error: RkdError) -> None:
        """The inference failed."""
        self._end(error.reason.value)

    def stopped(self) -> None:
        """The client went away, or its time ran out."""
        self._end(FinishReason.CANCELLED.value)

    def cancelled(self, ticket: Ticket, way: TemplateWay) -> types.Finished:
        """Another client stopped it: what is known of it."""
        self._end(FinishReason.CANCELLED.value)
        outcome = Outcome(FinishReason.CANCELLED, template_way=way)
        return events.cut_short(outcome, ticket.plan, self._running.tokens, self._first_token_s())

    def _end(self, reason: str) -> None:
        running = self._running
        self._observer.finished(
            Finished(
                running.model,
                None,
                reason,
                self._total_s(),
                first_token_s=self._first_token_s(),
                completion_tokens=running.tokens,
            )
        )


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
    embeddings: bool = False,
) -> Ask:
    left_s: float | None = context.time_remaining()
    bounds = [one for one in (left_s, options.queue_timeout_s) if one is not None]
    return Ask(
        model=model,
        wish=Wish(options.backend, options.context_tokens, embeddings),
        client=context.peer(),
        priority=_PRIORITIES.get(options.priority, Priority.NORMAL),
        keep_alive_s=options.keep_alive_s,
        wait_s=min(bounds) if bounds else None,
        takes_slot=takes_slot,
    )


def _planned_way(model: Model, run: Run, ticket: Ticket) -> TemplateWay:
    """Which template will make the prompt, as far as it can be told before the model is loaded."""
    if not run.messages:
        return TemplateWay.RAW
    if run.template is not None or model.recipe.template:
        return TemplateWay.MODELFILE
    if model.details.has_template:
        return TemplateWay.MODEL
    return TemplateWay.RUNTIME if ticket.plan.backend is BackendKind.NPU else TemplateWay.RAW


def _name_request(error: RkdError, running: Running) -> None:
    """Name the request in the error's metadata."""
    error.metadata.setdefault("request_id", running.request_id)
    if isinstance(error, AbortedError) and error.reason is Reason.WORKER_CRASHED:
        error.metadata.setdefault("tokens_emitted", str(running.tokens))
