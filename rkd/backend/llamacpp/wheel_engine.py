"""The server inside the wheel as the engine: llama.cpp in the worker's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rkd import kvcache
from rkd.backend.llamacpp.llguidance import JSON_OPTIONS, compiler
from rkd.backend.llamacpp.native import LOOKUP_WORDS, UNUSED_TEMPLATE, prompt_cache_mib
from rkd.backend.llamacpp.wheel import import_wheel, library_of_wheel
from rkd.capability.purpose import Purpose
from rkd.errors import PreconditionError, Reason
from rkd.inference import LoadSpec


class WheelEngine:
    """The server inside the xllamacpp wheel, in this process."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "engine.sock"
        self.json_options = JSON_OPTIONS
        self._server: Any = None

    @property
    def name(self) -> str:
        """Engine and version."""
        from importlib.metadata import version  # noqa: PLC0415 - only a worker of the wheel asks

        return f"llama.cpp b{version('xllamacpp').rpartition('.')[2]}"

    def start(self, spec: LoadSpec, threads: int, batch_tokens: int, purpose: Purpose) -> None:
        """
        Load the model; holds the interpreter's lock until done.

        Raises:
            PreconditionError: LOAD_FAILED; the engine's own words are on file descriptor 2. Also
                as `import_wheel`.
        """
        engine = import_wheel()
        self.socket.unlink(missing_ok=True)  # a stale one makes the server fail
        params = engine.CommonParams()
        params.model.path = spec.weights
        params.mmproj.path = spec.projector
        if spec.image_tokens:
            params.image_max_tokens = spec.image_tokens
        params.n_ctx = spec.context_tokens * spec.slots
        params.n_parallel = spec.slots
        params.n_batch = batch_tokens
        if purpose.whole:
            params.n_ubatch = batch_tokens
        params.cpuparams.n_threads = threads
        params.hostnames = [str(self.socket)]
        params.ui = False
        # Never used, and known to it: a template of the model's that it cannot read ends the load.
        params.chat_template = UNUSED_TEMPLATE
        params.warmup = False
        params.verbosity = 3  # below 3 it does not say why a load failed
        params.fit_params = False  # what fits is the pool's to decide
        params.cache_ram_mib = prompt_cache_mib(spec, purpose)
        params.slot_save_path = f"{self.socket.parent}/"
        if spec.lookup_tokens and not spec.projector:
            kind = engine.common_speculative_type.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE
            params.speculative.types = [kind]
            params.speculative.ngram_simple.size_n = LOOKUP_WORDS
            params.speculative.ngram_simple.size_m = spec.lookup_tokens
        if spec.kv_cache_type in kvcache.QUANTIZED:
            kind = getattr(engine.ggml_type, f"GGML_TYPE_{spec.kv_cache_type.upper()}")
            params.cache_type_k = params.cache_type_v = kind
            flash = engine.llama_flash_attn_type
            params.flash_attn_type = flash.LLAMA_FLASH_ATTN_TYPE_ENABLED
        if spec.embeddings:
            params.embedding = True
            kind = f"LLAMA_POOLING_TYPE_{purpose.pooling.name}"
            params.pooling_type = getattr(engine.llama_pooling_type, kind)
        if spec.adapters:
            params.lora_adapters = [
                engine.CommonAdapterLoraInfo(path, scale) for _name, path, scale in spec.adapters
            ]
        try:
            self._server = engine.Server(params)
        except RuntimeError as error:
            raise PreconditionError(
                Reason.LOAD_FAILED, f"llama.cpp cannot load {Path(spec.weights).name}."
            ) from error

    def refuses(self, schema: dict[str, Any]) -> str:
        """Say why its grammar compiler does not take *schema*, or ""."""
        return compiler(library_of_wheel()).refuses(schema)

    def refuses_grammar(self, lark: str) -> str:
        """Say why it does not take a grammar in Lark, or ""."""
        return compiler(library_of_wheel()).refuses_grammar(lark)

    def close(self) -> None:
        """Let the server go; its listener ends with it."""
        self._server = None
        self.socket.unlink(missing_ok=True)
