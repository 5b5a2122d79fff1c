"""
llama.cpp on the CPU: the wheel's server (or a native one) behind the Backend protocol.

Prompts are rendered here, not by the engine, so that both backends treat templates alike; the
engine sees text and sampling options on `/completion`.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rkd.backend.backend import WANTED, Emit, RunHandle
from rkd.backend.llamacpp.answer import EventAnswer
from rkd.backend.llamacpp.asked import NO_TEMPLATE, Asked, Written
from rkd.backend.llamacpp.calls import CallGrammars
from rkd.backend.llamacpp.chances import complete
from rkd.backend.llamacpp.embedder import Embedder
from rkd.backend.llamacpp.fragments import Fragments
from rkd.backend.llamacpp.http import EngineError, EngineHttp
from rkd.backend.llamacpp.native import NativeEngine
from rkd.backend.llamacpp.ranker import AnswerRanker, HeadRanker
from rkd.backend.llamacpp.request import (
    body_of,
    refusal_of,
)
from rkd.backend.llamacpp.schemas import Schemas
from rkd.backend.llamacpp.sessions import SlotStates
from rkd.backend.llamacpp.sight import Seen, Sight
from rkd.backend.llamacpp.slots import Slot
from rkd.backend.llamacpp.turns import Means, requests
from rkd.backend.llamacpp.verdict import judged
from rkd.backend.llamacpp.wheel_engine import WheelEngine
from rkd.backend.prompt.fitting import fitted
from rkd.backend.prompt.infill import gap_of
from rkd.backend.prompt.rank_template import RerankTemplate
from rkd.backend.prompt.templates import Templates
from rkd.backend.schema.parameters import parameters_of
from rkd.backend.text.calls.table import markers_of
from rkd.backend.text.scores import check_rank
from rkd.bounds import check_token_ids
from rkd.capability.purpose import Purpose
from rkd.capability.table import refuse, require
from rkd.capability.traits import Traits, cpu_traits
from rkd.grammar.choices import gbnf_of
from rkd.inference import (
    Embeddings,
    EmbedSpec,
    FinishReason,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    Ranking,
    RankSpec,
    Run,
    Sampling,
)
from rkd.model import BackendKind
from rkd.session import Kept
from rkd.weights import projector
from rkd.weights.estimate import BATCH_TOKENS
from rkd.weights.vocabulary import read_vocabulary

FREE_BOUND_S = 30.0
NAME_TOKENS = 64
"""More than the name of a tool can have."""
_NO_CHOICE = frozenset({"json_schema", "stop", "n_probs", "return_progress", "ignore_eos"})
"""Of a request, what has no place where only a name is chosen."""
FREE_POLL_S = 0.005


class LlamaCppBackend:
    """
    One GGUF in llama.cpp; implements `rkd.backend.backend.Backend`.

    Args:
        before_exec: ties a native engine's life to ours.
        folder: private to this worker; the worker's own working folder when None.
    """

    def __init__(self, before_exec: Callable[[], None], folder: Path | None = None) -> None:
        self._before_exec = before_exec
        # Relative to the working folder: a socket's path ends at 107 bytes, a state folder may not.
        self._folder = folder or Path()
        self._engine: WheelEngine | NativeEngine | None = None
        self._http = EngineHttp(self._folder / "engine.sock")
        self._spec: LoadSpec | None = None
        self._schemas = Schemas()
        self._calls = CallGrammars(self._schemas, lambda _: None, lambda _: "nothing is loaded")
        self._templates = Templates("", "", "")
        self._special = ("", "")
        self._sight = Sight({}, self._http.post)
        self._adds_bos = False
        self._running = 0
        self._states = SlotStates(self._http, self._folder)
        self._vocabulary = 0
        self._fragments = Fragments(lambda: ())
        self._purpose = Purpose()
        self._embedder: Embedder | None = None
        self._traits = Traits(BackendKind.CPU)

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Load the GGUF; returns when the server answers."""
        progress(LoadProgress("loading"))
        if spec.runtime_library:
            self._engine = NativeEngine(Path(spec.runtime_library), self._folder, self._before_exec)
        else:
            self._engine = WheelEngine(self._folder)
        if spec.cpu_mask:
            cores = {core for core in range(64) if spec.cpu_mask >> core & 1}
            with suppress(OSError):  # a narrower cpuset stands
                os.sched_setaffinity(0, cores)
        threads = spec.threads or len(os.sched_getaffinity(0))
        self._purpose = Purpose.of(Path(spec.weights))
        self._traits = cpu_traits(spec)
        batch_tokens = spec.batch_tokens or BATCH_TOKENS
        if self._purpose.whole:
            batch_tokens = max(batch_tokens, spec.context_tokens)
        self._schemas = Schemas(self._engine.refuses, self._engine.json_options)
        self._calls = CallGrammars(self._schemas, self._token, self._engine.refuses_grammar)
        if spec.projector:
            projector.inspect(Path(spec.projector), self._purpose.vector_size)
        self._http.lease_path = spec.npu_lease_path
        self._engine.start(spec, threads, batch_tokens, self._purpose)
        # Only the loop that runs requests answers this. The wheel's server never ends when it is
        # told to before that loop has begun: about one of fifty that were let go at once.
        self._http.get("/slots")
        props = self._http.get("/props")
        context = int(props["default_generation_settings"]["n_ctx"])
        self._spec = replace(spec, context_tokens=context)
        self._fragments = Fragments(lambda: read_vocabulary(Path(spec.weights)))
        self._sight = Sight(props, self._http.post)
        slots = int(props["total_slots"])
        self._states = SlotStates(self._http, self._folder, self._spec, slots)
        self._special = (str(props.get("bos_token", "")), str(props.get("eos_token", "")))
        self._embedder = Embedder(self._http, self._purpose, context, self._tokens)
        self._adds_bos = bool(self.tokenize("", add_special=True, parse_special=False))
        listed = self._http.get("/v1/models")["data"][0]
        self._vocabulary = int((listed.get("meta") or {}).get("n_vocab", 0))
        self._templates = Templates(
            self._purpose.template,
            self._purpose.tool_template,
            spec.template,
            *self._special,
        )
        return self._loaded(self._spec, props)

    def _loaded(self, spec: LoadSpec, props: dict[str, Any]) -> Loaded:
        return Loaded(
            context_tokens=spec.context_tokens,
            slots=int(props["total_slots"]),
            runtime=self._engine.name if self._engine else "",
            template_way=self._templates.way,
        )

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Generate through `/completion`; a cancel cuts the connection."""
        refuse(run, self._traits)
        self._schemas.check(run)
        fit = fitted(run, self._spec.context_tokens if self._spec else 0, self._length)
        run, asked = fit.run, self._asked(fit.run)
        asked = replace(asked, warnings=(*asked.warnings, *fit.warnings))
        ends = run.sampling.stop_token_ids
        check_token_ids(ends, self._vocabulary, "options.sampling.stop_token_ids")
        stops = {one: self.detokenize((one,)) for one in ends}
        wanted = run.token_ids or run.sampling.logprobs is not None
        answer = EventAnswer(
            *(run, asked.prompt, emit, handle, asked.row),
            stop_tokens=stops,
            fragments=self._fragments if wanted else None,
        )

        def act(slot: Slot) -> Outcome:
            return self._served(run, asked, handle, answer, slot)

        done = self._states.serve(run, asked.prompt, handle, act)
        return done or answer.outcome(asked.way, asked.warnings, reason=FinishReason.CANCELLED)

    def keep(self, run: Run) -> Kept:
        """Write the state of the slot that *run* still holds."""
        return self._states.keep(run)

    def _served(
        self, run: Run, asked: Asked, handle: RunHandle, answer: EventAnswer, slot: Slot
    ) -> Outcome:
        """The outcome of *run*, done in *slot*."""
        self._running += 1
        last = run
        try:
            last = self._ask(run, asked, handle, answer, slot)
            if not (asked.seen.pngs or handle.cancelled):
                body = self._body(replace(run, sampling=Sampling()), "", 0, slot)
                complete(answer, self._http, body, asked.prompt, self._tokens)
            answer.tell_rest()
        except EngineError as error:
            if not handle.cancelled:
                raise refusal_of(error) from error
        finally:
            self._running -= 1
        if handle.cancelled:
            self._await_free_slot()
            return answer.outcome(asked.way, asked.warnings, reason=FinishReason.CANCELLED)
        outcome = self._with_media(answer.outcome(asked.way, asked.warnings), asked.seen)
        return judged(run, last, answer, outcome, self._schemas)

    def _ask(
        self, run: Run, asked: Asked, handle: RunHandle, answer: EventAnswer, slot: Slot
    ) -> Run:
        """Put the request or requests of *run* to the engine; return the last one as a run."""

        def body_for(part: Run, prompt: str | list[int]) -> dict[str, Any]:
            return self._body(part, prompt, answer.seed, slot)

        markers = markers_of(asked.row, tools=bool(run.tools)) if asked.chat else ()
        if isinstance(asked.prompt, list):
            body = body_for(run, asked.prompt)
            self._stream(body, handle, answer)
            answer.finish()
            return run

        def choose(left: Run, prompt: str, names: Sequence[str]) -> str:
            body = asked.seen.onto(body_for(left, prompt))
            more = {"grammar": gbnf_of(names), "stream": False, "n_predict": NAME_TOKENS}
            kept = {key: value for key, value in body.items() if key not in _NO_CHOICE}
            said = str(self._http.post("/completion", {**kept, **more}, bound_s=None)["content"])
            return said if said in names else names[0]

        part = run
        context_tokens = self._spec.context_tokens if self._spec else 0
        means = Means(choose, self._calls.of, context_tokens, asked.opening)
        for part, prompt in requests(run, asked.prompt, asked.row, answer, means):
            body = asked.seen.onto(body_for(part, prompt))
            if markers:
                body["preserved_tokens"] = list(markers)
            self._stream(body, handle, answer)
            if handle.cancelled or answer.stopped:
                break
        answer.finish()
        called = next((tool for tool in run.tools if tool.name == answer.called), None)
        if not (run.forces_call and called):
            return part
        sampling = replace(part.sampling.free(), json_schema=parameters_of(called))
        return replace(part, sampling=sampling)

    def _body(self, run: Run, prompt: str | list[int], seed: int, slot: Slot) -> dict[str, Any]:
        body = body_of(run, prompt, self._spec, seed, self._schemas)
        # Of one slot there is nothing to choose, whatever an engine makes of its number.
        return body if self._states.slots.count == 1 else {**body, "id_slot": slot.number}

    def _token(self, marker: str) -> int | None:
        """Return the id of *marker*, where it is one token."""
        ids = self._plain(marker)
        return ids[0] if len(ids) == 1 else None

    def _stream(self, body: dict[str, Any], handle: RunHandle, answer: EventAnswer) -> None:
        stream = self._http.stream("/completion", body)
        try:
            handle.on_cancel(stream.cut)
            for event in stream:
                answer.take(event)
                if handle.cancelled or answer.turn.over or answer.stopped:
                    return
        finally:
            stream.close()

    def _await_free_slot(self) -> None:
        """Wait until the engine has noticed that nobody listens: bounded, at most a batch."""
        until_s = time.monotonic() + FREE_BOUND_S
        while time.monotonic() < until_s:
            busy = sum(1 for slot in self._http.get("/slots") if slot["is_processing"])
            if busy <= self._running:
                return
            time.sleep(FREE_POLL_S)

    def _length(self, run: Run) -> int:
        """Tokens of the prompt of *run*; its pictures are counted, and not encoded."""
        if run.prompt_tokens:
            return len(run.prompt_tokens)
        marks = self._sight.marks(run)
        pieces = marks.pieces(self._written(marks.run).text)
        texts = sum(len(self._tokens(text)) for text in pieces.texts if text)
        return texts + sum(map(self._sight.tokens_of, pieces.pictures))

    def _with_media(self, outcome: Outcome, seen: Seen) -> Outcome:
        """Add what pictures became of the prompt."""
        if not seen.pngs:
            return outcome
        usage = outcome.usage
        own = len(self.tokenize("", add_special=True, parse_special=True))
        tokens = seen.media_tokens(usage.prompt_tokens, lambda text: len(self._plain(text)), own)
        return replace(outcome, usage=replace(usage, media_tokens=tokens))

    def _plain(self, text: str) -> tuple[int, ...]:
        return self.tokenize(text, add_special=False, parse_special=True)

    def _asked(self, run: Run) -> Asked:
        if run.prompt_tokens:
            return Asked(list(run.prompt_tokens))
        if (gap := gap_of(run, self._traits, self._plain_tokens, self._tokens)) is not None:
            return Asked(gap)
        marks = self._sight.marks(run)
        written = self._written(marks.run)
        pieces = marks.pieces(written.text)
        prompt, seen = self._sight.look(pieces)
        warnings = (*written.warnings, *pieces.warnings)
        way, row, opening = written.way, written.row, written.opening
        return Asked(prompt, way, row, warnings, chat=written.chat, opening=opening, seen=seen)

    def _written(self, run: Run) -> Written:
        """Return the text of *run*, marks in place of its pictures."""
        if not run.messages:
            return Written(run.prompt)
        template, way = self._templates.of(run)
        if template is None:
            text = "\n\n".join(message.content for message in run.messages)
            return Written(text, warnings=(NO_TEMPLATE,), chat=True)
        text = template.prompt(run)
        think = template.format.think or (template.traits.think if run.thinking else None)
        bos = self._special[0]
        if self._adds_bos and bos:
            # The engine puts one before the text itself; two confuse the model.
            text = text.removeprefix(bos)
        opening = think.opening if think else ""
        return Written(text, way, template.format, chat=run.suffix is None, opening=opening)

    def embed(self, spec: EmbedSpec, handle: RunHandle = WANTED) -> Embeddings:
        """Embed, pooled as the file says."""
        require("embed", self._traits)
        if self._embedder is None:
            raise AssertionError("load before anything else")
        self._states.slots.forget()
        return self._embedder.embed(spec, handle)

    def rank(self, spec: RankSpec, handle: RunHandle = WANTED) -> Ranking:
        """Score documents by the model's head, or by its yes and no."""
        check_rank(spec, self._traits)
        self._states.slots.forget()
        return self._ranker.rank(spec, handle)

    @functools.cached_property
    def _ranker(self) -> HeadRanker | AnswerRanker:
        if self._spec is None:
            raise AssertionError("load before anything else")
        context = self._spec.context_tokens
        if self._purpose.head:
            return HeadRanker(self._http, self._purpose, context, self._plain_tokens)
        bos = self._special[0] if self._adds_bos else ""
        template = RerankTemplate(self._traits.rank_template, *self._special)
        return AnswerRanker(self._http, template, context, self._plain_tokens, bos)

    def _plain_tokens(self, text: str, special: bool) -> tuple[int, ...]:  # noqa: FBT001 - `Tokens`
        return self.tokenize(text, add_special=False, parse_special=special)

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Tokenize through `/tokenize`."""
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        try:
            return tuple(self._http.post("/tokenize", body)["tokens"])
        except EngineError as error:
            raise refusal_of(error) from error

    def _tokens(self, text: str) -> tuple[int, ...]:
        return self.tokenize(text, add_special=True, parse_special=True)

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Detokenize through `/detokenize`."""
        check_token_ids(token_ids, self._vocabulary)
        try:
            return str(self._http.post("/detokenize", {"tokens": list(token_ids)})["content"])
        except EngineError as error:
            raise refusal_of(error) from error

    @property
    def watches(self) -> Callable[[], AbstractContextManager[None]] | None:
        """As `WatchesItself` has it."""
        return self._engine.watched if isinstance(self._engine, NativeEngine) else None

    def close(self) -> None:
        """Let the engine go."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
