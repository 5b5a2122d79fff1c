"""RKLLM as a `Backend`: load, generate, embed, on whichever runtime version there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rkd.backend.backend import WANTED, Emit, RunHandle, wanted
from rkd.backend.beside import Beside
from rkd.backend.prompt.fitting import fitted
from rkd.backend.rkllm import evidence, firstanswer, sessions
from rkd.backend.rkllm.abi_shared import RKLLMInferMode
from rkd.backend.rkllm.answer import CallbackAnswer, HiddenLayer
from rkd.backend.rkllm.engine import ABORT_BOUND_S, Engine, Turn
from rkd.backend.rkllm.load_notes import announce, load_warnings, no_text
from rkd.backend.rkllm.npumodel import NpuModel
from rkd.backend.rkllm.outcome import outcome_of
from rkd.backend.rkllm.prompt import Prompt, Prompts, has_tokenizer
from rkd.backend.rkllm.ranker import NpuRanker
from rkd.backend.rkllm.resident import LoadedModel
from rkd.backend.rkllm.runtime import InitParams, RunParams, Runtime, StatusError
from rkd.backend.rkllm.sampling import engine_sampling
from rkd.backend.rkllm.sight import NpuSight
from rkd.backend.rkllm.tap import Tap
from rkd.backend.rkllm.tries import tried
from rkd.backend.text.calls.table import markers_of
from rkd.backend.text.splitter import AnswerSplitter, splitter_for
from rkd.backend.text.vectors import cut, shaped, too_long
from rkd.bounds import check_inputs, check_token_ids
from rkd.capability.table import in_vain, refuse, require
from rkd.capability.traits import Traits
from rkd.errors import PreconditionError, Reason, bad_field
from rkd.inference import (
    Embeddings,
    EmbedSpec,
    FinishReason,
    FirstAnswer,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Ranking,
    RankSpec,
    Run,
    Usage,
)
from rkd.librkllmrt import IdentifiedLibrary, identify
from rkd.outside import quoted
from rkd.session import Kept

if TYPE_CHECKING:
    from rkd.backend.prompt.tokenizer import Tokenizer

DEFAULT_CONTEXT_TOKENS = 4096
"""When the load names none; a model with a shorter limit is loaded with its limit."""

CORES_USED = 4
"""How many cores the runtime computes on: its own default, and no fewer than its NPU cores."""


class RkllmBackend:
    """
    One model on the NPU; see `rkd.backend.backend.Backend`.

    Args:
        leave: ends the process when the library stops answering.
        abort_bound_s: how long an aborted run may go on.
        folder: private to this worker; its working folder when None.
    """

    def __init__(
        self,
        *,
        leave: Callable[[int], object] = os._exit,
        abort_bound_s: float = ABORT_BOUND_S,
        folder: Path | None = None,
    ) -> None:
        self._folder = folder or Path()
        self._leave = leave
        self._abort_bound_s = abort_bound_s
        self._tap: Tap | None = None
        self._model: NpuModel | None = None
        self._sight: NpuSight | None = None
        self._asks: dict[str, tuple[str, Prompt]] = {}
        """By the names of their files: prompts whose caches are about to be taken over."""

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Load *spec*; what the library prints decides whether it worked."""
        library = _library(spec)
        announce(spec)
        # A large vocabulary takes its time, and the library holds no lock while it loads.
        reading = Beside(partial(Prompts, spec, library.family), "prompts")
        runtime = Runtime(library)
        self._tap = Tap()
        if spec.vision is not None:
            progress(LoadProgress("vision encoder"))
        special = frozenset[str]() if spec.vision is None else reading.result().special_texts
        # First, for it has no choice of its place on the NPU.
        sight = NpuSight(spec, library.family, special)
        self._sight = sight
        self._tap.take()  # what the encoder's library said is not the model's
        params = InitParams(
            weights=spec.weights,
            context_tokens=spec.context_tokens or DEFAULT_CONTEXT_TOKENS,
            cpu_mask=spec.cpu_mask or default_cpu_mask(os.sched_getaffinity(0)),
            domain=spec.npu_domain,
            sampling=engine_sampling(spec.sampling),
            # Whoever knows the special tokens drops them himself and keeps what marks tool calls.
            skip_special_tokens=not has_tokenizer(spec),
            tags=sight.tags,
        )
        resident = LoadedModel(runtime, self._tap, params, spec.adapters)
        progress(LoadProgress("weights"))
        resident.load()
        progress(LoadProgress("tokenizer"))
        prompts = resident.with_beside(reading)
        engine = Engine(
            spec.npu_lease_path,
            runtime.abort,
            leave=self._leave,
            abort_bound_s=self._abort_bound_s,
        )
        adapters = {name: scale for name, _, scale in spec.adapters}
        self._model = NpuModel(
            resident, engine, prompts, library.family, adapters, spec.loop_guard, sight
        )
        heard, detail = FirstAnswer.NOT_HEARD, ""
        if spec.first_answer:
            progress(LoadProgress("first answer"))
            heard, detail = firstanswer.hear(self.run, spec.sampling, spec.first_answer)
        return Loaded(
            context_tokens=resident.context_tokens,
            slots=1,
            runtime=f"rkllm {library.version}{sight.runtime}",
            template_way=prompts.way,
            warnings=(*load_warnings(spec, resident), *no_text(heard, detail), *sight.warnings),
            engine_lines=resident.printed,
            first_answer=heard,
            first_answer_detail=detail,
        )

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Generate; returns when the library is done, or lost."""
        if run.structured_tries and (run.sampling.constrained or run.forces_call):
            refuse(run, self._traits(self._loaded()))
            return tried(run, handle, emit, self._once)
        return self._once(run, handle, emit)

    def _once(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        model = self._loaded()
        prompt, params = self._asked(model, run)
        outcome: Outcome | None = None
        try:
            outcome = self._answered(model, run, (prompt, params), handle, emit)
        finally:
            if outcome is None or handle.cancelled:
                sessions.drop(params.save_cache)
        if run.session is None or not params.save_cache or handle.cancelled:
            return outcome
        self._asks[run.session.name] = (params.save_cache, prompt)
        return replace(outcome, keeping=True)

    def _answered(
        self,
        model: NpuModel,
        run: Run,
        asked: tuple[Prompt, RunParams],
        handle: RunHandle,
        emit: Emit,
    ) -> Outcome:
        prompt, params = asked
        known = _known(prompt, model.sight)
        if run.sampling.max_tokens == 0:
            return Outcome(FinishReason.LENGTH, Usage(prompt_tokens=known), template_way=prompt.way)
        notes = [*prompt.warnings, *in_vain(run, model.prompts.traits)]

        def work() -> None:
            notes.extend(model.resident.prepare(prompt, params.sampling))
            if handle.cancelled:
                return
            given = model.sight.seen(prompt, params)
            if _is_gone(handle):
                return  # the encoder itself cannot be stopped
            if known:
                emit(PrefillProgress(known, 0, 0))
            answer.begin()
            try:
                sessions.recall(model.resident, run.session, prompt)
                notes.extend(model.answer(prompt, given, answer))
            except StatusError as error:
                # What an aborted run returns is not documented; it was asked to end.
                if not (answer.closed or handle.cancelled):
                    raise model.resident.failure(error.status) from error

        turn = Turn(work)
        answer = CallbackAnswer(
            handle=handle,
            emit=emit,
            stops=run.sampling.stop,
            max_tokens=params.max_tokens,
            splitter=_splitter(prompt, run),
            hidden=_hidden_tokens(model.prompts, prompt, run),
            stop=turn.stop,
            stop_tokens=run.sampling.stop_token_ids,
            loop_guard=model.loop_guard if run.loop_guard is None else run.loop_guard,
        )
        handle.on_cancel(turn.stop)
        if not model.engine.perform(turn) and model.engine.lost and handle.cancelled:
            model.engine.await_end()
        if answer.failed and not (answer.closed or handle.cancelled):
            raise model.resident.failure(0)
        answer.finish()
        outcome = outcome_of(
            answer,
            prompt_tokens=known,
            context_tokens=model.resident.context_tokens,
            cancelled=handle.cancelled,
            template_way=prompt.way,
            warnings=tuple(notes),
        )
        return model.sight.counted(outcome, prompt)

    def keep(self, run: Run) -> Kept:
        """Look at what the library wrote when it had read the prompt of *run*."""
        if run.session is None:
            return Kept()
        path, prompt = self._asks.pop(run.session.name)
        return sessions.kept(path, prompt)

    @staticmethod
    def _traits(model: NpuModel) -> Traits:
        return replace(model.prompts.traits, adapters=tuple(model.adapters.items()))

    def _asked(self, model: NpuModel, run: Run) -> tuple[Prompt, RunParams]:
        """What *run* means for the library; raises for what it cannot mean."""
        refuse(run, self._traits(model))
        sampling = engine_sampling(run.sampling)
        lora = _adapter(run, model.adapters)
        fit = fitted(
            run, model.resident.context_tokens, lambda one: _length(model.prompts, model.sight, one)
        )
        prompt = model.prompts.prompt(fit.run)
        prompt = replace(prompt, warnings=(*prompt.warnings, *fit.warnings))
        if not (prompt.tokens or prompt.text):
            raise bad_field("prompt", "should not be empty: the NPU runtime answers no empty one")
        model.sight.check(prompt.pictures)
        known = _known(prompt, model.sight)
        if known >= model.resident.context_tokens:
            raise evidence.prompt_too_long(known, model.resident.context_tokens)
        return prompt, RunParams(
            tokens=prompt.tokens,
            text=prompt.text,
            thinking=prompt.thinking,
            sampling=sampling,
            max_tokens=run.sampling.max_tokens or 0,
            lora=lora,
            save_cache=sessions.place(run.session, prompt, self._folder),
        )

    def embed(self, spec: EmbedSpec, handle: RunHandle = WANTED) -> Embeddings:
        """Embed texts, one run each: the last token's state in the last layer."""
        model = self._loaded()
        vectors: list[tuple[float, ...]] = []
        total = 0
        require("embed", model.prompts.traits)
        if spec.truncate:
            require("truncate", model.prompts.traits)
        check_inputs(spec.inputs)
        for at, text in enumerate(wanted(spec.inputs, handle)):
            prompt = model.prompts.prompt(Run(prompt=text))
            if prompt.tokens == ():
                raise bad_field(f"inputs[{at}]", "has no tokens")
            known = len(prompt.tokens or ())
            if known > model.resident.context_tokens:
                if not spec.truncate:
                    raise too_long(at, known, model.resident.context_tokens)
                known = model.resident.context_tokens
                tokens = cut(prompt.tokens or (), model.prompts.prompt(Run()).tokens or (), known)
                prompt = replace(prompt, tokens=tuple(tokens))
            layer = HiddenLayer()
            model.give(prompt, RKLLMInferMode.RKLLM_INFER_GET_LAST_HIDDEN_LAYER, layer, handle)
            if not layer.vector:
                raise model.resident.failure(0)
            vectors.append(shaped(layer.vector, spec))
            total += known or layer.tokens
        return Embeddings(tuple(vectors), total)

    def rank(self, spec: RankSpec, handle: RunHandle = WANTED) -> Ranking:
        """Score documents by the model's yes and no, one run each."""
        model = self._loaded()
        ranker = NpuRanker(model.prompts, model.resident.context_tokens, model.give)
        return ranker.rank(spec, handle)

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Turn text into token ids, with the tokenizer beside the weights."""
        tokenizer = self._tokenizer("tokenize")
        return tokenizer.encode(text, add_special=add_special, parse_special=parse_special)

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text, with the tokenizer beside the weights."""
        tokenizer = self._tokenizer("detokenize")
        check_token_ids(token_ids, tokenizer.vocabulary_size)
        return tokenizer.decode(token_ids)

    def _tokenizer(self, capability: str) -> Tokenizer:
        prompts = self._loaded().prompts
        require(capability, prompts.traits)
        if prompts.tokenizer is None:
            raise AssertionError("a model that tokenizes has a tokenizer")
        return prompts.tokenizer

    def close(self) -> None:
        """Give the model and stdout back."""
        model, self._model = self._model, None
        if model is not None and model.engine.close():
            model.resident.close()
        sight, self._sight = self._sight, None
        if sight is not None and not (model and model.engine.lost):
            sight.close()
        if self._tap is not None:
            self._tap.close()
            self._tap = None

    def _loaded(self) -> NpuModel:
        if self._model is None:
            raise AssertionError("load before anything else")
        return self._model


def _library(spec: LoadSpec) -> IdentifiedLibrary:
    if not spec.runtime_library:
        raise PreconditionError(
            Reason.NPU_UNAVAILABLE,
            "no librkllmrt.so is installed",
            remedy="Put it into /usr/lib, or name it in RKD_RKLLM_LIBRARY.",
        )
    return identify(Path(spec.runtime_library), version_override=spec.runtime_version_override)


def default_cpu_mask(cores: set[int]) -> int:
    """The highest-numbered cores of *cores*: the fast ones of an RK3588 are 4 to 7."""
    return sum(1 << core for core in sorted(cores)[-CORES_USED:])


def _is_gone(handle: RunHandle) -> bool:
    return handle.cancelled


def _splitter(prompt: Prompt, run: Run) -> AnswerSplitter | None:
    return splitter_for(run, prompt.text, prompt.row) if prompt.split else None


def _hidden_tokens(prompts: Prompts, prompt: Prompt, run: Run) -> Mapping[int, str]:
    """The special tokens of which the answer is not to show the text: all but its markers."""
    if prompts.tokenizer is None:
        return {}
    shown = markers_of(prompt.row, tools=bool(run.tools)) if prompt.split else ()
    special = prompts.tokenizer.special_tokens
    return {token: text for token, text in special.items() if text not in shown}


def _length(prompts: Prompts, sight: NpuSight, run: Run) -> int:
    """Tokens of the prompt of *run*; only asked where they can be counted."""
    return _known(prompts.prompt(run), sight)


def _known(prompt: Prompt, sight: NpuSight) -> int:
    """How long *prompt* is; 0 where nobody can count it, and at least its pictures."""
    pictures = prompt.pictures
    around = prompt.text_tokens + sight.media_tokens(pictures) + sight.tag_tokens(pictures)
    return around if pictures else len(prompt.tokens or ())


def _adapter(run: Run, loaded: dict[str, float]) -> str:
    """The one adapter a run uses: named by it, or the only one loaded."""
    if not run.lora:
        if len(loaded) > 1:
            raise bad_field("lora", f"name one of the adapters: {', '.join(loaded)}")
        return next(iter(loaded), "")
    name = run.lora[0][0]
    if name not in loaded:
        raise bad_field("lora", f"no adapter {quoted(name)} is loaded")
    return name
