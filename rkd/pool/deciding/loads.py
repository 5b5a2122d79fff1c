"""What a load is on each backend: what the worker is told, and what that takes; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, Format, Model, WeightsFile
from rkd.pool.deciding import asked, llamaserver
from rkd.pool.deciding.budget import Need
from rkd.pool.deciding.runtimes import Way, speaks
from rkd.pool.deciding.settings import PoolSettings
from rkd.pool.deciding.sight import encoder_bytes, with_encoder
from rkd.pool.deciding.state import LoadPlan
from rkd.weights.estimate import Estimate, estimate, npu_context_tokens
from rkd.words import size

LEAST_CONTEXT_TOKENS = 64
MAX_MASK = 1 << 63
Measured = Callable[[str], int | None]
"""Gives the bytes a calibration key was last seen to take."""


class Loads:
    """
    Makes load plans.

    Args:
        settings: the daemon's.
        measured: memory seen on earlier loads.
    """

    def __init__(self, settings: PoolSettings, measured: Measured) -> None:
        self._settings = settings
        self._measured = measured

    def npu(
        self, model: Model, context_tokens: int | None, choice: BackendChoice, way: Way
    ) -> LoadPlan:
        """Plan a load of the .rkllm of *model* with the library of *way*."""
        weights, library, settings = model.weights_of(Format.RKLLM), way.library, self._settings
        if weights is None:
            raise AssertionError("a library is only chosen for .rkllm weights")
        wanted, warnings = self._context(model, context_tokens)
        context = npu_context_tokens(wanted)
        spec = replace(
            _spec(BackendKind.NPU, model, weights, context),
            runtime_library=str(library.path),
            runtime_version_override=settings.runtime_version_override,
            cpu_mask=_mask(settings),
            npu_lease_path=settings.npu_lease_path,
            sampling=asked.sampling(model),
            loop_guard=settings.loop_guard,
            first_answer=settings.first_answer if way.first and speaks(weights) else 0,
        )
        spec = with_encoder(spec, model, settings)
        sees_bytes = encoder_bytes(spec, model)
        sum_ = estimate(
            model.details,
            weights.size_bytes,
            Format.RKLLM,
            context_tokens=context,
            projector_bytes=sees_bytes,
        )
        key = f"npu {model.name.key} {_files(weights, sees_bytes)} {context} {library.version}"
        # NPU buffers are not in the memory of the worker, so a measurement only raises.
        seen = self._measured(key) or 0
        need = Need(
            max(sum_.total_bytes, seen),
            sum_.npu_bytes - sees_bytes,
            library.version.startswith("1.1."),
            sees_bytes,
        )
        return replace(
            _plan(model, spec, need, choice),
            measured=seen >= sum_.total_bytes,
            total="" if seen >= sum_.total_bytes else _total(sum_, context),
            exact_context=context_tokens is not None,
            calibration_key=key,
            fingerprint=weights.fingerprint,
            library=library,
            warnings=(*warnings, *way.warnings),
        )

    def cpu(
        self,
        model: Model,
        context_tokens: int | None,
        choice: BackendChoice,
        weights: WeightsFile,
        reason: str = "",
    ) -> LoadPlan:
        """Plan a load of *weights*, the GGUF of *model*; *reason* says why not on the NPU."""
        context, warnings = self._context(model, context_tokens)
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
        files = _files(weights, projector_bytes)
        key = f"cpu {model.name.key} {files} {context}x{slots} {kv_type} {engine}"
        npu = self._settings.llama_on_npu
        seen = self._measured(key)
        # What is measured is without the prompt cache, which fills later.
        known = sum_.total_bytes if seen is None else seen + sum_.prompt_cache_bytes
        # One process of the kind: it takes its address space from the first domain on.
        need = Need(known, weights.size_bytes if npu else 0, first_domain_only=npu)
        spec = replace(spec, prompt_cache_bytes=sum_.prompt_cache_bytes)
        advice = llamaserver.advice(model.details.quantization) if npu else ()
        return replace(
            _plan(model, spec, need, choice),
            measured=seen is not None,
            total=_total(sum_, context * slots) if seen is None else "",
            exact_context=context_tokens is not None,
            reason=reason,
            calibration_key=key,
            warnings=(*warnings, *advice),
        )

    def _cpu_spec(self, model: Model, weights: WeightsFile, context: int) -> LoadSpec:
        settings, projector = self._settings, model.projector
        threads = asked.whole(model, "num_thread") or settings.threads
        parallel = asked.whole(model, "num_parallel") or settings.parallel
        on_npu = settings.llama_on_npu
        return replace(
            _spec(BackendKind.CPU, model, weights, context),
            slots=1 if on_npu else parallel,
            npu_lease_path=settings.npu_lease_path if on_npu else "",
            llama_device=settings.llama_device,
            kv_cache_type=str(model.recipe.parameter("kv_cache_type") or settings.kv_cache_type),
            threads=threads,
            # Threads on the slow cores make those on the fast ones wait for them at every step.
            cpu_mask=0 if threads else _mask(settings),
            batch_tokens=asked.whole(model, "num_batch") or 0,
            runtime_library=settings.llama_server,
            projector=str(projector.path) if projector else "",
            blind_because="" if projector else model.blind_because,
            image_tokens=settings.image_tokens if projector else 0,
            lookup_tokens=asked.whole(model, "draft_num_predict") or 0,
        )

    def _prompt_cache_bytes(self, model: Model) -> int:
        """Memory for conversations that wait; the engine's cache bears no adapters."""
        return 0 if model.recipe.adapters else self._settings.prompt_cache_bytes

    def _context(self, model: Model, asked_tokens: int | None) -> tuple[int, tuple[str, ...]]:
        """Tokens of context for each slot, and what to say when it is less than was asked for."""
        given = asked_tokens or asked.whole(model, "num_ctx")
        wanted = given or self._settings.default_context_tokens
        limit = model.details.context_tokens
        warnings: tuple[str, ...] = ()
        if limit and wanted > limit:
            if given:
                warnings = (f"context {given} was cut to {limit}, what the model was made for",)
            wanted = limit
        return max(wanted, LEAST_CONTEXT_TOKENS), warnings


def _spec(kind: BackendKind, model: Model, weights: WeightsFile, context: int) -> LoadSpec:
    """What every load of *model* is told."""
    return LoadSpec(
        backend=kind,
        weights=str(weights.path),
        model=str(model.name),
        context_tokens=context,
        template=model.recipe.template,
        tokenizer_folder=str(model.folder),
        huggingface_path=model.recipe.huggingface_path,
        adapters=asked.adapters(model),
        # Measured with llama.cpp b11549: being able to embed costs neither memory nor speed.
        embeddings=True,
    )


def _plan(model: Model, spec: LoadSpec, need: Need, choice: BackendChoice) -> LoadPlan:
    """What every plan of *model* says."""
    return LoadPlan(
        model=str(model.name),
        key=model.name.key,
        version=model.version,
        spec=spec,
        need=need,
        choice=choice,
        keep_alive_s=asked.keep_alive(model),
    )


def _files(weights: WeightsFile, beside_bytes: int) -> str:
    """The sizes that tell one version of a model's files from another."""
    return f"{weights.size_bytes}+{beside_bytes}" if beside_bytes else f"{weights.size_bytes}"


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
