"""
A thin safe face on one `librkllmrt.so`: one handle, one run at a time.

Every status goes through `_check`; parameters are made from zeroed structures with every field
set; callbacks never raise into C and always return an int; whatever C may still read is held by
this object or by the frame of the blocking call. What a run means is `backend.py`'s.
"""

from __future__ import annotations

import ctypes
import threading
from array import array
from collections.abc import Callable
from ctypes import POINTER, byref, c_int32, cast, pointer
from dataclasses import astuple, dataclass
from typing import Any

from rkd.backend import openmp
from rkd.backend.rkllm.abi import ABIS
from rkd.backend.rkllm.abi_shared import LLMHandle, RKLLMInferMode, RKLLMInputType
from rkd.backend.rkllm.multimodal import NO_TAGS, ImageTags, Multimodal, fill
from rkd.backend.rkllm.sampling import DEFAULTS, EngineSampling
from rkd.errors import PreconditionError, Reason
from rkd.librkllmrt import Family, IdentifiedLibrary

Sink = Callable[[Any, int], None]
"""Takes an RKLLMResult, valid during the call only, and its state; on a thread of the library."""

_CONTINUE = 0  # 1 would pause the run, 2 release a buffer


@dataclass(frozen=True, slots=True)
class InitParams:
    """
    What a handle is made with.

    Args:
        context_tokens: max_context_len.
        cpu_mask: bit per core the runtime may compute on; not 0.
        domain: base IOMMU domain.
        sampling: fixed for the handle's life before 1.3.0.
        skip_special_tokens: the runtime gives no text for special tokens.
        tags: before 1.3.0 fixed for the handle's life.
    """

    weights: str
    context_tokens: int
    cpu_mask: int
    domain: int = 0
    sampling: EngineSampling = DEFAULTS
    skip_special_tokens: bool = True
    tags: ImageTags = NO_TAGS


@dataclass(frozen=True, slots=True)
class RunParams:
    """
    What one run is given: tokens, or text when tokens is None.

    Args:
        sampling: None leaves the handle's; ignored before 1.3.0.
        max_tokens: at most so many; 0 or less means no limit. Ignored before 1.3.0.
        mode: give the last hidden layer, or the logits, instead of an answer.
        lora: name of a loaded adapter, or "".
        save_cache: file to save the prompt cache to, or "".
        pictures: for the `<image>` tags of the text, or None.
    """

    tokens: tuple[int, ...] | None = None
    text: str = ""
    thinking: bool = False
    sampling: EngineSampling | None = None
    max_tokens: int = 0
    mode: RKLLMInferMode = RKLLMInferMode.RKLLM_INFER_GENERATE
    lora: str = ""
    save_cache: str = ""
    pictures: Multimodal | None = None


class StatusError(Exception):
    """
    A function of the library returned other than 0.

    Args:
        call: its name.
        status: what it returned.
    """

    def __init__(self, call: str, status: int) -> None:
        super().__init__(f"{call} returned {status}")
        self.call = call
        self.status = status


class Runtime:
    """
    One library with at most one handle.

    Threads: `run` blocks its thread until the library is done; `abort` may be called from another
    one meanwhile; everything else only while nothing runs.

    Args:
        library: which file, and the interface to speak to it.

    Raises:
        PreconditionError: RUNTIME_MISMATCH, when the file cannot be loaded or lacks a function.
    """

    def __init__(self, library: IdentifiedLibrary) -> None:
        self.library = library
        self._abi = ABIS[library.family]
        openmp.preload()
        try:
            # CDLL releases the interpreter's lock around calls; PyDLL would freeze every thread.
            self._functions = ctypes.CDLL(str(library.path))
            for name, prototype in self._abi.functions.items():
                function = getattr(self._functions, name)
                function.restype = prototype.restype
                function.argtypes = prototype.argtypes
        except (OSError, AttributeError) as error:
            raise PreconditionError(
                Reason.RUNTIME_MISMATCH,
                f"the RKLLM runtime {library.path} cannot be loaded: {error}",
                remedy="Install what it needs (libgomp1, libstdc++6), or another librkllmrt.so.",
                metadata={"library": str(library.path), "version": library.version},
            ) from error
        self._handle = LLMHandle()
        self._sink: Sink | None = None
        self._serial = 0
        self._defect: BaseException | None = None
        self._running = False
        self._between = threading.Lock()
        # The library calls these as long as the handle lives.
        self._callback = self._abi.callbacks["LLMResultCallback"](self._on_result)
        self._callbacks: Any = None
        self._strings: tuple[bytes, ...] = ()

    @property
    def loaded(self) -> bool:
        """Whether there is a handle."""
        return self._handle.value is not None

    def init(self, params: InitParams) -> None:
        """
        Make the handle; blocks for the whole load.

        Raises:
            StatusError: the library refused. Returning is no proof that a model was loaded.
        """
        if self.loaded:
            raise AssertionError("destroy the handle before making another")
        param = self._init_param(params)
        if self.library.family >= Family.V1_3_0:
            self._callbacks = self._abi.make("RKLLMCallback")
            self._callbacks.result_callback = self._callback
            given: Any = byref(self._callbacks)
        else:
            given = self._callback
        # On failure the library leaves the handle as it was: NULL.
        handle = LLMHandle()
        _check("rkllm_init", self._functions.rkllm_init(byref(handle), byref(param), given))
        self._handle = handle

    def destroy(self) -> None:
        """Give the handle back; nothing happens without one. A second destroy would be fatal."""
        handle, self._handle = self._handle, LLMHandle()
        if handle.value is not None:
            self._functions.rkllm_destroy(handle)

    def run(self, params: RunParams, sink: Sink) -> None:
        """
        Run, calling *sink* for everything that comes; returns when the library is done.

        Raises:
            StatusError: the library refused or failed.
        """
        given, held = self._input(params)
        infer, more = self._infer(params)
        self._serial += 1
        self._sink = sink
        with self._between:
            self._running = True
        try:
            status = self._functions.rkllm_run(
                self._handle, byref(given), byref(infer), self._serial
            )
        finally:
            # Waits for an abort that is under way: it must not meet the next run, nor a handle
            # that is gone.
            with self._between:
                self._running = False
            self._sink = None
            del held, more  # the call is over: C reads none of it any more
        defect, self._defect = self._defect, None
        if defect is not None:
            raise defect
        _check("rkllm_run", status)

    def abort(self) -> None:
        """
        Ask the run to end, from any thread; nothing happens when nothing runs.

        The library may take its time over it, or not return at all; then neither does `run`.
        """
        with self._between:
            if self._running:
                self._functions.rkllm_abort(self._handle)

    def load_lora(self, name: str, path: str, scale: float) -> None:
        """
        Load an adapter under *name*.

        Raises:
            StatusError: the library refused it.
        """
        adapter = self._abi.make("RKLLMLoraAdapter", path.encode(), name.encode(), scale)
        _check("rkllm_load_lora", self._functions.rkllm_load_lora(self._handle, byref(adapter)))

    def load_prompt_cache(self, path: str) -> None:
        """
        Read a prompt cache saved by an earlier run.

        Raises:
            StatusError: the library refused it.
        """
        status = self._functions.rkllm_load_prompt_cache(self._handle, path.encode())
        _check("rkllm_load_prompt_cache", status)

    def release_prompt_cache(self) -> None:
        """
        Forget the prompt cache read before.

        Raises:
            StatusError: the library refused.
        """
        status = self._functions.rkllm_release_prompt_cache(self._handle)
        _check("rkllm_release_prompt_cache", status)

    def silence_template(self) -> None:
        """
        Stop the runtime from putting its template around prompts, until the next `init`.

        Before 1.2.0 there is none to stop.

        Raises:
            StatusError: the library refused.
        """
        if self.library.family >= Family.V1_2_0:
            status = self._functions.rkllm_set_chat_template(self._handle, b"", b"", b"")
            _check("rkllm_set_chat_template", status)

    def set_tools(self, system: str, tools_json: str) -> None:
        """
        Tell the runtime's own template which tools there are, until the next `init`.

        Raises:
            StatusError: the library refused.
        """
        # The vendor's example marks results with this word, as models of the Qwen family do.
        status = self._functions.rkllm_set_function_tools(
            self._handle, system.encode(), tools_json.encode(), b"tool_response"
        )
        _check("rkllm_set_function_tools", status)

    def _init_param(self, params: InitParams) -> Any:
        """A zeroed structure with every field set: the library's defaults leave some unset."""
        param = self._abi.make("RKLLMParam")
        tags = tuple(tag.encode() for tag in astuple(params.tags))
        self._strings = (params.weights.encode(), *tags)
        param.model_path = self._strings[0]
        param.max_context_len = params.context_tokens
        param.max_new_tokens = -1
        _set_sampling(param, params.sampling)
        param.skip_special_token = params.skip_special_tokens
        param.is_async = False
        extend = param.extend_param
        extend.base_domain_id = params.domain
        if self.library.family >= Family.V1_2_0:
            param.n_keep = -1
            extend.embed_flash = 1
            extend.enabled_cpus_num = params.cpu_mask.bit_count()
            extend.enabled_cpus_mask = params.cpu_mask
        if self.library.family >= Family.V1_2_1:
            extend.n_batch = 1
            extend.use_cross_attn = 0
        if self.library.family >= Family.V1_3_0:
            param.ignore_eos_token = False
        else:
            param.img_start, param.img_end, param.img_content = tags
        return param

    def _input(self, params: RunParams) -> tuple[Any, object]:
        """The input, and what must live as long as it."""
        given = self._abi.make("RKLLMInput")
        if self.library.family >= Family.V1_2_1:
            given.role = b"user"
            given.enable_thinking = params.thinking
        if params.pictures is not None:
            return given, fill(given, params.text, params.pictures)
        if params.tokens is None:
            text = params.text.encode("utf-8").replace(b"\0", b"")
            given.input_type = RKLLMInputType.RKLLM_INPUT_PROMPT
            given.prompt_input = text
            return given, text
        ids = array("i", params.tokens)
        address, _ = ids.buffer_info()
        given.input_type = RKLLMInputType.RKLLM_INPUT_TOKEN
        given.token_input.input_ids = cast(address, POINTER(c_int32))
        given.token_input.n_tokens = len(ids)
        return given, ids

    def _infer(self, params: RunParams) -> tuple[Any, object]:
        infer = self._abi.make("RKLLMInferParam")
        held: list[object] = []
        infer.mode = params.mode
        if params.lora:
            lora = self._abi.make("RKLLMLoraParam", params.lora.encode())
            infer.lora_params = pointer(lora)
            held.append(lora)
        if params.save_cache:
            cache = self._abi.make("RKLLMPromptCacheParam", 1, params.save_cache.encode())
            infer.prompt_cache_params = pointer(cache)
            held.append(cache)
        if self.library.family >= Family.V1_2_0:
            infer.keep_history = 0
        if self.library.family >= Family.V1_3_0:
            infer.max_new_tokens = params.max_tokens
            if params.sampling is not None:
                sampling = self._abi.make("RKLLMSamplingParam", *astuple(params.sampling))
                infer.sampling_params = pointer(sampling)
                held.append(sampling)
        return infer, held

    def _on_result(self, result: Any, userdata: int | None, state: int) -> int:
        """Called by C, on any thread: an exception here would return garbage to it."""
        sink = self._sink
        # A callback of a run that is over would put its tokens into the next one's answer.
        if sink is None or (userdata is not None and userdata != self._serial):
            return _CONTINUE
        try:
            sink(result.contents, state)
        except BaseException as error:  # noqa: BLE001 - nothing may pass through C; `run` raises it
            self._defect = self._defect or error
        return _CONTINUE


def _set_sampling(param: Any, sampling: EngineSampling) -> None:
    for name in EngineSampling.__dataclass_fields__:
        setattr(param, name, getattr(sampling, name))


def _check(call: str, status: int) -> None:
    if status != 0:
        raise StatusError(call, status)
