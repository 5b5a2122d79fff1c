"""
Where a model may run and with what: the ways to load it, best first; pure.

NPU first where board, library and weights allow it, else the GGUF beside it on the CPU, with the
reason in words. An explicit `npu` never falls back, and is always tried where a library was named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rkd.board.facts import RuntimeLibrary
from rkd.errors import RkdError
from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, Format, Model, WeightsFile
from rkd.pool.deciding import asked, llamaserver, nowhere, refusals
from rkd.pool.deciding.budget import Need
from rkd.pool.deciding.prospect import Prospect
from rkd.pool.deciding.runtimes import (
    LibraryReport,
    Pairing,
    Remembered,
    Way,
    exhausted,
    report,
    speaks,
    ways,
)
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.sight import encoder_bytes, npu_sees, with_encoder
from rkd.pool.deciding.state import LoadPlan
from rkd.weights.estimate import Estimate, estimate, npu_context_tokens
from rkd.words import size

LEAST_CONTEXT_TOKENS = 64
MAX_MASK = 1 << 63
Measured = Callable[[str], int | None]
"""Gives the bytes a calibration key was last seen to take."""


def _nothing(_fingerprint: str, _library: RuntimeLibrary) -> Pairing | None:
    """Remember nothing."""
    return None


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What a request says about the load; None leaves it to the model, then the daemon.

    Args:
        beyond_npu: what it asks itself that no NPU runtime can do.
        pictures: it has some, so it goes where they are seen.
    """

    backend: BackendChoice | None = None
    context_tokens: int | None = None
    beyond_npu: tuple[str, ...] = ()
    pictures: bool = False


class Placement:
    """
    Turns a model and a request's wish into load plans.

    Args:
        settings: the daemon's.
        obstacle: what keeps the board's NPU from being used, or None.
        measured: memory seen on earlier loads.
        remembered: how libraries got on with weights on earlier loads.
    """

    def __init__(
        self,
        settings: PoolSettings,
        obstacle: RkdError | None,
        measured: Measured,
        remembered: Remembered = _nothing,
    ) -> None:
        self._settings = settings
        self._obstacle = obstacle
        self._measured = measured
        self._remembered = remembered

    def candidates(self, model: Model, wish: Wish) -> tuple[LoadPlan, ...]:
        """
        Give the ways *model* may be loaded, best first, at least one.

        Raises:
            PreconditionError: MODEL_INCOMPLETE (no weights at all), NPU_UNAVAILABLE,
                RUNTIME_MISMATCH, CAPABILITY_UNSUPPORTED (the CPU asked for, and no GGUF).
        """
        choice = self._choice(model, wish)
        gguf = model.weights_of(Format.GGUF)
        plans: list[LoadPlan] = []
        obstacle: RkdError | None = None
        blind = wish.pictures and not npu_sees(model, self._settings)
        if wish.pictures and not blind and model.projector is None:
            gguf = None  # a fallback that sees nothing is none
        if choice is BackendChoice.AUTO and gguf is not None and (wish.beyond_npu or blind):
            obstacle = nowhere.beyond(model, (*wish.beyond_npu, *(("pictures",) if blind else ())))
            # As if the CPU was asked for: what is resident then keeps nobody else from the NPU.
            choice = BackendChoice.CPU
        if choice is not BackendChoice.CPU:
            found = nowhere.BLIND if blind else self._ways(model, choice)
            if isinstance(found, RkdError):
                obstacle = found
            elif gguf is not None and choice is BackendChoice.AUTO and exhausted(found):
                obstacle = nowhere.not_on_npu(model, refusals.no_library(exhausted(found)))
            else:
                plans += [self._npu_plan(model, wish, choice, way) for way in found]
            if obstacle is not None and (choice is BackendChoice.NPU or gguf is None):
                raise obstacle
        if choice is not BackendChoice.NPU and gguf is not None:
            reason = obstacle.message if obstacle is not None else ""
            plans.append(self._cpu_plan(model, wish, choice, gguf, reason=reason))
        if not plans:
            raise nowhere.no_gguf(model) if model.weights else nowhere.no_weights(model)
        return tuple(plans)

    def prospects(self, model: Model) -> tuple[Prospect, Prospect]:
        """How each backend would load *model* if nobody asks otherwise, and what keeps it."""
        choice, wish = self._choice(model, Wish()), Wish()
        found = self._ways(model, choice)
        load: LoadSpec | None = None
        if model.weights_of(Format.RKLLM) is not None:
            way = next(iter(self.ways(model)), Way(RuntimeLibrary(Path())))
            load = self._npu_plan(model, wish, choice, way).spec
        npu = Prospect(BackendKind.NPU, load, found if isinstance(found, RkdError) else None)
        gguf = model.weights_of(Format.GGUF)
        if gguf is None:
            none = nowhere.no_gguf(model) if model.weights else nowhere.no_weights(model)
            return npu, Prospect(BackendKind.CPU, None, none)
        plan = self._cpu_plan(model, wish, choice, gguf, reason="")
        return npu, Prospect(BackendKind.CPU, plan.spec)

    def vocabularies(self, model: Model, wish: Wish) -> tuple[LoadSpec, ...]:
        """
        Give the files of which the tokens of *model* can be read, best first, at least one.

        Those of the NPU are files beside its weights: neither board nor library is needed.

        Raises:
            PreconditionError: as `candidates`, but for what the NPU lacks.
        """
        choice = self._choice(model, wish)
        gguf, npu = model.weights_of(Format.GGUF), model.weights_of(Format.RKLLM)
        if choice is BackendChoice.NPU and npu is None:
            self.candidates(model, wish)  # which says why
        found = []
        if npu is not None and choice is not BackendChoice.CPU:
            found.append((BackendKind.NPU, npu))
        if gguf is not None and choice is not BackendChoice.NPU:
            found.append((BackendKind.CPU, gguf))
        if not found:
            raise nowhere.no_gguf(model) if model.weights else nowhere.no_weights(model)
        return tuple(
            LoadSpec(
                kind,
                str(weights.path),
                model=str(model.name),
                tokenizer_folder=str(model.folder),
                vocabulary_only=True,
            )
            for kind, weights in found
        )

    def _choice(self, model: Model, wish: Wish) -> BackendChoice:
        if wish.backend is not None:
            return wish.backend
        own = model.recipe.parameter("backend")
        if isinstance(own, str) and own in set(BackendChoice):
            return BackendChoice(own)
        return self._settings.backend

    def ways(self, model: Model) -> tuple[Way, ...]:
        """The libraries *model* would be loaded with, best first; empty for none."""
        weights = model.weights_of(Format.RKLLM)
        if weights is None:
            return ()
        settings = self._settings
        return ways(
            settings.libraries,
            weights,
            self._remembered,
            wanted=str(model.recipe.parameter("rkllm_version") or ""),
            given=settings.libraries_given,
        )

    def libraries(self, model: Model) -> tuple[LibraryReport, ...]:
        """How each library of the board stands to *model*; empty without weights for the NPU."""
        weights = model.weights_of(Format.RKLLM)
        if weights is None:
            return ()
        wanted = str(model.recipe.parameter("rkllm_version") or "")
        found = self.ways(model)
        here = self._settings.libraries
        return report(here, weights, self._remembered, found, wanted=wanted)

    def _ways(self, model: Model, choice: BackendChoice) -> tuple[Way, ...] | RkdError:
        """The runtimes for *model*, or why the NPU is out of question."""
        if not model.weights:
            return nowhere.no_weights(model)
        if model.weights_of(Format.RKLLM) is None:
            return nowhere.not_on_npu(model, nowhere.NO_RKLLM)
        tried_anyway = choice is BackendChoice.NPU and self._settings.libraries_given
        if self._obstacle is not None and not tried_anyway:
            return nowhere.not_on_npu(model, self._obstacle)
        if not self._settings.libraries:
            return nowhere.not_on_npu(model, nowhere.NO_LIBRARY)
        found = self.ways(model)
        if found:
            return found
        return nowhere.no_such_version(model, self._settings.libraries)

    def _npu_plan(self, model: Model, wish: Wish, choice: BackendChoice, way: Way) -> LoadPlan:
        weights, library = model.weights_of(Format.RKLLM), way.library
        if weights is None:
            raise AssertionError("a library is only chosen for .rkllm weights")
        context, warnings = self._context(model, wish)
        context = npu_context_tokens(context)
        spec = LoadSpec(
            backend=BackendKind.NPU,
            weights=str(weights.path),
            model=str(model.name),
            context_tokens=context,
            kv_cache_type="auto",
            template=model.recipe.template,
            tokenizer_folder=str(model.folder),
            huggingface_path=model.recipe.huggingface_path,
            runtime_library=str(library.path),
            runtime_version_override=self._settings.runtime_version_override,
            cpu_mask=_mask(self._settings),
            adapters=asked.adapters(model),
            npu_lease_path=self._settings.npu_lease_path,
            sampling=asked.sampling(model),
            embeddings=True,
            loop_guard=self._settings.loop_guard,
            first_answer=self._settings.first_answer if way.first and speaks(weights) else 0,
        )
        spec = with_encoder(spec, model, self._settings)
        sees_bytes = encoder_bytes(spec, model)
        sum_ = estimate(
            model.details,
            weights.size_bytes,
            Format.RKLLM,
            context_tokens=context,
            projector_bytes=sees_bytes,
        )
        files = f"{weights.size_bytes}+{sees_bytes}" if sees_bytes else weights.size_bytes
        key = f"npu {model.name.key} {files} {context} {library.version}"
        # NPU buffers are not in the memory of the worker, so a measurement only raises.
        seen = self._measured(key) or 0
        return LoadPlan(
            model=str(model.name),
            key=model.name.key,
            version=model.version,
            spec=spec,
            need=Need(
                max(sum_.total_bytes, seen),
                sum_.npu_bytes - sees_bytes,
                library.version.startswith("1.1."),
                sees_bytes,
            ),
            measured=seen >= sum_.total_bytes,
            total="" if seen >= sum_.total_bytes else _total(sum_, context),
            choice=choice,
            exact_context=wish.context_tokens is not None,
            calibration_key=key,
            fingerprint=weights.fingerprint,
            library=library,
            keep_alive_s=asked.keep_alive(model),
            warnings=(*warnings, *way.warnings),
        )

    def _cpu_plan(
        self,
        model: Model,
        wish: Wish,
        choice: BackendChoice,
        weights: WeightsFile,
        *,
        reason: str,
    ) -> LoadPlan:
        context, warnings = self._context(model, wish)
        spec = self._cpu_spec(model, weights, context)
        slots, kv_type = spec.slots, spec.kv_cache_type
        projector_bytes = model.projector.size_bytes if model.projector else 0
        sum_ = estimate(
            model.details,
            weights.size_bytes,
            Format.GGUF,
            context_tokens=context,
            slots=slots,
            kv_type=kv_type,
            batch_tokens=spec.batch_tokens,
            projector_bytes=projector_bytes,
            prompt_cache_bytes=self._prompt_cache_bytes(model),
        )
        engine = "llama-server" if self._settings.llama_server else "llama.cpp"
        files = f"{weights.size_bytes}+{projector_bytes}" if projector_bytes else weights.size_bytes
        key = f"cpu {model.name.key} {files} {context}x{slots} {kv_type} {engine}"
        spec = replace(spec, prompt_cache_bytes=sum_.prompt_cache_bytes)
        npu = self._settings.llama_on_npu
        seen = self._measured(key)
        # What is measured is without the prompt cache, which fills later.
        known = sum_.total_bytes if seen is None else seen + sum_.prompt_cache_bytes
        return LoadPlan(
            model=str(model.name),
            key=model.name.key,
            version=model.version,
            spec=spec,
            # One process of the kind: it takes its address space from the first domain on.
            need=Need(known, weights.size_bytes if npu else 0, first_domain_only=npu),
            measured=seen is not None,
            total=_total(sum_, context * slots) if seen is None else "",
            choice=choice,
            exact_context=wish.context_tokens is not None,
            reason=reason,
            calibration_key=key,
            keep_alive_s=asked.keep_alive(model),
            warnings=(*warnings, *(llamaserver.advice(model.details.quantization) if npu else ())),
        )

    def _cpu_spec(self, model: Model, weights: WeightsFile, context: int) -> LoadSpec:
        threads = asked.whole(model, "num_thread") or self._settings.threads
        projector = model.projector
        return LoadSpec(
            backend=BackendKind.CPU,
            weights=str(weights.path),
            model=str(model.name),
            context_tokens=context,
            slots=1
            if self._settings.llama_on_npu
            else asked.whole(model, "num_parallel") or self._settings.parallel,
            npu_lease_path=self._settings.npu_lease_path if self._settings.llama_on_npu else "",
            llama_device=self._settings.llama_device,
            kv_cache_type=str(
                model.recipe.parameter("kv_cache_type") or self._settings.kv_cache_type
            ),
            threads=threads,
            # Threads on the slow cores make those on the fast ones wait for them at every step.
            cpu_mask=0 if threads else _mask(self._settings),
            batch_tokens=asked.whole(model, "num_batch") or 0,
            template=model.recipe.template,
            tokenizer_folder=str(model.folder),
            huggingface_path=model.recipe.huggingface_path,
            runtime_library=self._settings.llama_server,
            adapters=asked.adapters(model),
            # Measured with llama.cpp b11549: being able to embed costs neither memory nor speed.
            embeddings=True,
            projector=str(projector.path) if projector else "",
            blind_because="" if projector else model.blind_because,
            image_tokens=self._settings.image_tokens if projector else 0,
            lookup_tokens=asked.whole(model, "draft_num_predict") or 0,
        )

    def _prompt_cache_bytes(self, model: Model) -> int:
        """Memory for conversations that wait; the engine's cache bears no adapters."""
        return 0 if model.recipe.adapters else self._settings.prompt_cache_bytes

    def _context(self, model: Model, wish: Wish) -> tuple[int, tuple[str, ...]]:
        """Tokens of context for each slot, and what to say when it is less than was asked for."""
        given = wish.context_tokens or asked.whole(model, "num_ctx")
        wanted = given or self._settings.default_context_tokens
        limit = model.details.context_tokens
        warnings: tuple[str, ...] = ()
        if limit and wanted > limit:
            if given:
                warnings = (f"context {given} was cut to {limit}, what the model was made for",)
            wanted = limit
        return max(wanted, LEAST_CONTEXT_TOKENS), warnings


def _total(sum_: Estimate, tokens: int) -> str:
    """The sum of an estimate in words."""
    cache = f"{size(sum_.kv_bytes)} cache of {tokens} tokens"
    if sum_.prompt_cache_bytes:
        cache += f" + {size(sum_.prompt_cache_bytes)} prompt cache"
    rest_bytes = sum_.overhead_bytes + sum_.projector_bytes
    return f"{size(sum_.weights_bytes)} weights + {cache} + {size(rest_bytes)} besides"


def _mask(settings: PoolSettings) -> int:
    """The fast cores, as a load can carry them; 0 on machines with more than that."""
    return settings.cpu_mask if settings.cpu_mask < MAX_MASK else 0
