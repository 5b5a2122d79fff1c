"""
What checks do to a board: load, ask, cancel, look; and the models they do it with.

Every call is bounded. What was in memory before stays there, what was not leaves at the end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rkd_client.ask import StreamAsk
from rkd_client.errors import RkdError
from rkd_client.options import Options
from rkd_client.sync import Stream
from rkd_client.verbs import inference, models, pool, system

from rkctl.chips import platform_of
from rkctl.session import CommandSession
from rkctl.verify.before import READY, again, changed
from rkctl.verify.heard import Heard, Load, raise_if_gone, reason_of
from rkd.v1 import models_pb2, pool_pb2, system_pb2
from rkd.v1 import types_pb2 as types

MOST_MODELS = 4
"""The smallest are looked at, besides the one that was named."""

MOST_TOKENS = 96
RUN_BOUND_S = 180.0
"""Longest a run may take: a prompt of thousands of tokens on a slow clock."""
LOAD_BOUND_S = 900.0
IDLE_BOUND_S = 60.0
"""An abort that hangs costs the worker some 12 s, on a busy machine more."""

STEP_S = 0.05


OF_ONE_MODEL = frozenset(
    {
        "LOAD_FAILED",
        "LOAD_TIMEOUT",
        "MODEL_FAILED",
        "MODEL_INCOMPLETE",
        "MODEL_TOO_LARGE",
        "NO_EVICTABLE_MODEL",
        "PLATFORM_MISMATCH",
        "WEIGHTS_INVALID",
        "WORKER_CRASHED",
    }
)
"""Reasons for which a load fails that another model may not have."""


class NotApplicableError(Exception):
    """A check finds that nothing can be said on this board; the text says why."""


class Probe:
    """
    The board under test.

    Args:
        session: the daemon.
        model: what to test with; "" takes the smallest .rkllm there is.
        root: prefix of this machine's /proc and /sys.
    """

    def __init__(self, session: CommandSession, model: str = "", root: Path = Path("/")) -> None:
        self.session = session
        self.root = root
        self.status: system_pb2.GetStatusResponse = session.call(system.status())
        self._before = {one.model: one for one in self.residents() if one.state == READY}
        self._shown: dict[str, models_pb2.ShowResponse] = {}
        self.candidates = self._candidates(model)
        self._named = model
        self._base: Load | None = None
        self._working: Load | None = None
        self._broken: list[str] = []
        """Models that cannot be loaded, where another one took their place."""
        self._tokenized: dict[str, bool] = {}
        self.notes: dict[str, str] = {}
        """What one check saw that another one judges."""
        self.stopped = False
        """Nothing further is wanted; what is being said ends with an error."""
        self._open: set[Stream[Any, Any]] = set()

    def stop(self, *_: object) -> None:
        """
        End what goes on, from a signal's handler.

        An interrupt inside a call of gRPC may leave its channel so that closing it never returns.
        """
        self.stopped = True
        for stream in tuple(self._open):
            stream.close()

    @contextmanager
    def _said(self, asked: StreamAsk[Any, Any]) -> Iterator[Iterator[Any]]:
        if self.stopped:
            raise NotApplicableError("it was stopped")
        with self.session.client.stream(asked) as stream:
            self._open.add(stream)
            try:
                if self.stopped:  # between the look and now
                    raise NotApplicableError("it was stopped")
                yield stream.messages()
            finally:
                self._open.discard(stream)

    def _candidates(self, model: str) -> tuple[str, ...]:
        listed = self.session.call(models.list()).models
        npu = [
            one
            for one in listed
            if types.WEIGHTS_FORMAT_RKLLM in one.formats and one.state == types.MODEL_STATE_READY
        ]
        smallest = sorted(npu, key=lambda one: (one.name != model, one.size_bytes, one.name))
        return tuple(one.name for one in smallest[: MOST_MODELS + bool(model)])

    # The models.

    @property
    def main(self) -> str:
        """The model most rows are tried with."""
        own = self._own()
        if not own:
            raise NotApplicableError("there is no .rkllm model for this chip")
        return own[0]

    def _own(self) -> list[str]:
        here = {"", self.platform_here}
        fitting = [one for one in self.candidates if self.platform(one) in here]
        return [one for one in fitting if one not in self._broken]

    @property
    def second(self) -> str:
        """Another model for this chip."""
        if len(own := self._own()) > 1:
            return own[1]
        raise NotApplicableError("it takes a second .rkllm model")

    @property
    def foreign(self) -> str:
        """A model for another chip."""
        for one in self.candidates:
            if self.platform(one) not in {"", self.platform_here}:
                return one
        raise NotApplicableError("it takes an .rkllm of another chip")

    @property
    def tokenized(self) -> str:
        """A model with a tokenizer beside its weights."""
        return self._with_tokenizer(wanted=True)

    @property
    def plain(self) -> str:
        """A model without one."""
        return self._with_tokenizer(wanted=False)

    def _with_tokenizer(self, *, wanted: bool) -> str:
        for one in (self.main, *self._own()[1:]):
            if self._has(one) is wanted:
                return one
        what = "with" if wanted else "without"
        raise NotApplicableError(f"it takes an .rkllm model {what} tokenizer.json beside it")

    def _has(self, model: str) -> bool | None:
        """Whether a tokenizer lies beside the weights of *model*; None when it cannot be loaded."""
        if model not in self._tokenized:
            try:
                self.session.call(inference.tokenize(model, "a", backend="npu"))
                self._tokenized[model] = True
            except RkdError as error:
                if error.reason != "CAPABILITY_UNSUPPORTED":
                    return None
                self._tokenized[model] = False
        return self._tokenized[model]

    @property
    def platform_here(self) -> str:
        """The chip weights are built for here."""
        return platform_of(self.status.soc)

    def platform(self, model: str) -> str:
        """The chip the weights of *model* say they are for, or ""."""
        return self.show(model).metadata.get("rkllm.platform", "")

    def show(self, model: str) -> models_pb2.ShowResponse:
        """Everything about *model*, asked once."""
        if model not in self._shown:
            self._shown[model] = self.session.call(models.show(model))
        return self._shown[model]

    def seen(self) -> list[models_pb2.ShowResponse]:
        """What is known of the models by now; nothing is asked."""
        return [self._shown[one] for one in self.candidates if one in self._shown]

    # What is done.

    @property
    def base(self) -> Load:
        """The first model in memory, loaded once, or why not."""
        if self._base is None:
            self.unload(self.main)
            self._base = self.load(self.main)
        return self._base

    def need(self) -> Load:
        """The main model in memory: the first that can be loaded; no more is said without."""
        if self._working is None:
            self._working = self._first_that_loads()
        if self._working.error is not None:
            raise NotApplicableError(
                f"the model cannot be loaded: {reason_of(self._working.error)}"
            )
        return self._working

    def _first_that_loads(self) -> Load:
        load, first = self.base, self.main
        others = () if self._named else tuple(self._own()[1:])
        for one in others:
            if load.error is None or load.error.reason not in OF_ONE_MODEL:
                return load
            self._broken.append(self.main)
            self.unload(one)
            load = self.load(one)
        if load.error is not None:
            self._broken.clear()
            return self.base
        if self.main != first:
            self.notes["instead"] = "the smallest model cannot be loaded, another one is tried"
        return load

    def load(self, model: str, context_tokens: int | None = None) -> Load:
        """Load *model* on the NPU."""
        resident = pool_pb2.Resident()
        try:
            asked = pool.load(model, backend="npu", context_tokens=context_tokens)
            with self._said(asked) as events:
                for event in events:
                    if event.WhichOneof("event") == "resident":
                        resident = event.resident
        except RkdError as error:
            raise_if_gone(error)
            return Load(error=error)
        return Load(self.resident(model) or resident)

    def plan(self, model: str) -> pool_pb2.PlanResponse:
        """What loading *model* on the NPU would do."""
        return self.session.call(pool.plan(model, backend="npu"))

    def unload(self, model: str) -> None:
        """Let *model* leave."""
        with suppress(RkdError):
            self.session.call(pool.unload(model, grace_s=5))

    def ask(
        self,
        model: str,
        prompt: str,
        *,
        raw: bool = False,
        at_first: Callable[[], object] = lambda: None,
        stop_after_s: float | None = None,
        **options: object,
    ) -> Heard:
        """
        Ask *model* on the NPU.

        Args:
            model: whom.
            prompt: what.
            raw: without a template.
            at_first: called at the first piece.
            stop_after_s: cancel so many seconds after the first piece, or after the start where
                negative; None lets it end.
            options: of the request.
        """
        given: Options = {"backend": "npu", "temperature": 0.0, "max_tokens": MOST_TOKENS}
        given.update(options)  # type: ignore[typeddict-item]
        return self._hear(
            inference.generate(model, prompt, raw=raw, **given), at_first, stop_after_s
        )

    def _hear(
        self,
        asked: StreamAsk[Any, Any],
        at_first: Callable[[], object] = lambda: None,
        stop_after_s: float | None = None,
    ) -> Heard:
        deltas: list[str] = []
        accepted, finished = types.Accepted(), types.Finished()
        until_s = time.monotonic() + RUN_BOUND_S
        try:
            with self._said(asked) as events:
                for event in events:
                    match event.WhichOneof("event"):
                        case "accepted":
                            accepted = event.accepted
                            if stop_after_s is not None and stop_after_s < 0:
                                time.sleep(-stop_after_s)
                                break
                        case "delta":
                            if not deltas:
                                at_first()
                                if stop_after_s is not None:
                                    until_s = time.monotonic() + stop_after_s
                            deltas.append(event.delta.reasoning_text + event.delta.text)
                        case "finished":
                            finished = event.finished
                        case _:
                            pass
                    if time.monotonic() > until_s:
                        break
        except RkdError as error:
            raise_if_gone(error)
            return Heard(tuple(deltas), accepted, finished, error)
        return Heard(tuple(deltas), accepted, finished)

    def chat(self, model: str, prompt: str, tools: tuple[dict[str, object], ...] = ()) -> Heard:
        """Ask *model* with tools at hand."""
        asked = inference.chat(
            model,
            prompt,
            tools=tools,
            backend="npu",
            temperature=0.0,
            max_tokens=MOST_TOKENS,
        )
        return self._hear(asked)

    def embed(self, model: str, texts: list[str]) -> list[list[float]]:
        """Give the vectors of *texts*."""
        answer = self.session.call(inference.embed(model, texts, backend="npu"))
        return [list(one.values) for one in answer.embeddings]

    def residents(self) -> tuple[pool_pb2.Resident, ...]:
        """Who is in memory."""
        return tuple(self.session.call(pool.residents()).residents)

    def resident(self, model: str) -> pool_pb2.Resident | None:
        """*model*, ready in memory, or None."""
        found = [one for one in self.residents() if one.model == model and one.state == READY]
        return found[0] if found else None

    def idle_pid(self, model: str) -> int:
        """Wait until nothing runs on *model*; its process, or 0 when it is gone."""
        until_s = time.monotonic() + IDLE_BOUND_S
        while True:
            one = self.resident(model)
            if one is None:
                return 0
            if not one.slots_used or self.stopped or time.monotonic() > until_s:
                return one.pid
            time.sleep(STEP_S)

    def threads(self, pid: int) -> int:
        """How many threads a process of this machine has; 0 where that cannot be seen."""
        try:
            return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208 - names are enough
        except OSError:
            return 0

    def memory_bytes(self, pid: int) -> int:
        """What a process of this machine holds; 0 where that cannot be seen."""
        try:
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """
        Leave in memory what was there before, as it was; may be stopped once more.

        Raises:
            RkdError: something that was there before is not there again.
            NotApplicableError: it was stopped once more.
        """
        self.stopped = False
        now = self.residents()
        for one in now:
            if one.model not in self._before:
                self.unload(one.model)
        for one in changed(self._before.values(), now):
            self.unload(one.model)
            with self._said(again(one)) as events:
                for _ in events:
                    pass
            if one.pinned:
                self.session.call(pool.pin(one.model))
