"""
The model as the library holds it, and what of it outlives a run.

The library keeps state between runs that a request must not inherit: sampling before 1.3.0, the
silenced template, the tools. What it cannot unset is undone by making the handle anew inside the
worker: costly, and never wrong.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TypeVar

from rkd.backend.beside import Beside
from rkd.backend.rkllm import evidence
from rkd.backend.rkllm.foreign import ForeignThreads
from rkd.backend.rkllm.prompt import Prompt
from rkd.backend.rkllm.runtime import InitParams, RunParams, Runtime, Sink, StatusError
from rkd.backend.rkllm.sampling import EngineSampling
from rkd.backend.rkllm.tap import Tap
from rkd.errors import PreconditionError, Reason
from rkd.librkllmrt import FAMILIES, Family

_T = TypeVar("_T")

CONTEXT_STEP_TOKENS = 32
"""Contexts are multiples of this. **Source:** the vendor's guide to 1.3.0."""

PRINTED_LINES = 40
PRINTED_CHARACTERS = 300

CONTEXT_TRIES = 2
"""How often a refused context is made shorter."""


class LoadedModel:
    """
    One loaded model; used by one thread at a time.

    Args:
        runtime: the library.
        tap: what it prints.
        params: what to make handles with.
        adapters: (name, path, scale) to load into every handle.
    """

    def __init__(
        self,
        runtime: Runtime,
        tap: Tap,
        params: InitParams,
        adapters: tuple[tuple[str, str, float], ...],
    ) -> None:
        self._runtime = runtime
        self._tap = tap
        self._params = params
        self._adapters = adapters
        self._threads = ForeignThreads()
        self._spoilt = False
        self._silenced = False
        self._tools = ("", "")
        self._recalled = False
        self.last = ""
        """What the prompt of the last run was called, if it went well."""
        self.warnings: tuple[str, ...] = ()
        """What the library warned of at the last load."""
        self.printed: tuple[str, ...] = ()
        """What it printed at the last load, refused tries included; no more than is looked at."""

    @property
    def context_tokens(self) -> int:
        """The context it was really made with."""
        return self._params.context_tokens

    def load(self) -> None:
        """
        Make the handle; a context over the model's limit is made as long as the limit.

        Raises:
            PreconditionError: what the library's words say is wrong.
        """
        status, lines = self._init()
        printed = lines
        for _ in range(CONTEXT_TRIES):
            limit = evidence.context_limit_in(lines)
            if limit is None:
                break
            self._runtime.destroy()
            self._shorten(limit)
            status, lines = self._init()
            printed += lines
        if status or evidence.errors_in(lines):
            raise evidence.load_failure(lines, weights=self._params.weights, status=status)
        self._check_version(evidence.version_in(lines))
        self.warnings = evidence.warnings_in(lines)
        self.printed = tuple(line[:PRINTED_CHARACTERS] for line in printed[-PRINTED_LINES:])
        for name, path, scale in self._adapters:
            self._load_adapter(name, path, scale)
        self._spoilt = self._silenced = False
        self._tools = ("", "")
        self._recalled = False
        self.last = ""

    def with_beside(self, reading: Beside[_T]) -> _T:
        """What was read beside the load; when that cannot be used the handle is given back."""
        try:
            return reading.result()
        except BaseException:
            self.close()
            raise

    def prepare(self, prompt: Prompt, sampling: EngineSampling | None) -> tuple[str, ...]:
        """
        Bring the handle into the state a run needs; a warning when it had to be made anew.

        Args:
            prompt: what is to be read.
            sampling: what is to be sampled with; None where nothing is.

        Raises:
            PreconditionError: loading it anew failed.
        """
        warnings: tuple[str, ...] = ()
        cause = self._stale(prompt, sampling)
        if cause:
            began = time.monotonic()
            self._runtime.destroy()
            if sampling is not None:
                self._params = replace(self._params, sampling=sampling)
            self.load()
            took_ms = (time.monotonic() - began) * 1e3
            warnings = (f"the model was loaded anew in {took_ms:.0f} ms: {cause}",)
        if prompt.tokens is None and prompt.silent and not self._silenced:
            self._runtime.silence_template()
            self._silenced = True
        tools = (prompt.system, prompt.tools_json)
        if prompt.tools_json and tools != self._tools:
            self._runtime.set_tools(*tools)
            self._tools = tools
        return warnings

    @property
    def finds_last(self) -> bool:
        """Whether the library itself finds what it read for the run before."""
        return self._runtime.library.family >= Family.V1_2_0

    def recall(self, path: str) -> None:
        """
        Read the prompt cache at *path*, for the run to come.

        Raises:
            StatusError: the library refused.
        """
        if self._recalled:
            self._recalled = False
            self._runtime.release_prompt_cache()
        self._runtime.load_prompt_cache(path)
        self._recalled = True

    def run(self, params: RunParams, sink: Sink, *, read: str = "") -> None:
        """
        Run once, a prompt that is called *read*.

        The handle is made anew before the next one when this one failed.

        Raises:
            RkdError: what the library's words say is wrong.
            StatusError: it returned an error and was asked to end: the caller knows which.
        """
        self._tap.forget()
        self.last = ""
        try:
            self._runtime.run(params, self._threads.around(sink))
        except StatusError:
            self._spoilt = True
            raise
        self.last = read

    def failure(self, status: int) -> Exception:
        """Explain the failure of the last run by what the library printed."""
        self._spoilt = True
        return evidence.run_failure(self._tap.take(), status=status)

    def close(self) -> None:
        """Give the handle back."""
        self._runtime.destroy()

    def _init(self) -> tuple[int, tuple[str, ...]]:
        self._tap.forget()
        try:
            self._runtime.init(self._params)
        except StatusError as error:
            return error.status, self._tap.take()
        return 0, self._tap.take()

    def _shorten(self, limit_tokens: int) -> None:
        # The words are "must be less than"; boards take the limit itself (rkllama #60), and should
        # one not, the next try is a step below.
        wanted = self._params.context_tokens
        shorter = limit_tokens if limit_tokens < wanted else wanted - CONTEXT_STEP_TOKENS
        self._params = replace(
            self._params,
            context_tokens=max(shorter // CONTEXT_STEP_TOKENS, 1) * CONTEXT_STEP_TOKENS,
        )

    def _check_version(self, said: str) -> None:
        library = self._runtime.library
        if said and not library.overridden and FAMILIES.get(said) != library.family:
            self._runtime.destroy()
            raise PreconditionError(
                Reason.RUNTIME_MISMATCH,
                f"{library.path} is marked {library.version} but says it is {said}",
                remedy="Install an unaltered librkllmrt.so.",
                metadata={"library": str(library.path), "version": said},
            )

    def _load_adapter(self, name: str, path: str, scale: float) -> None:
        try:
            self._runtime.load_lora(name, path, scale)
        except StatusError as error:
            raise evidence.load_failure(
                self._tap.take(), weights=path, status=error.status
            ) from error

    def _stale(self, prompt: Prompt, sampling: EngineSampling | None) -> str:
        """Why the handle cannot serve this run as it is, or ""."""
        family = self._runtime.library.family
        if self._spoilt or not self._runtime.loaded:
            return "the run before it failed"
        if family < Family.V1_3_0 and sampling not in {None, self._params.sampling}:
            return f"RKLLM {self._runtime.library.version} fixes sampling at load"
        for_template = prompt.tokens is None and not prompt.silent
        if for_template and self._silenced:
            return "its own template had been switched off"
        if for_template and self._tools != ("", "") and not prompt.tools_json:
            return "tools of another request were set"
        return ""
