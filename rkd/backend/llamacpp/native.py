"""
A natively built `llama-server` as the engine: the same API from a child of the worker.

On aarch64 the wheel has no dot-product kernels; a native build does. Source: disassembly of the
aarch64 wheel of xllamacpp 2026.10, no `sdot` anywhere.
"""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rkd import kvcache
from rkd.backend import openmp
from rkd.backend.llamacpp import native_schema
from rkd.backend.llamacpp.http import EngineError, EngineHttp
from rkd.capability.purpose import Purpose
from rkd.errors import PreconditionError, Reason
from rkd.inference import LoadSpec

START_BOUND_S = 600.0
"""Longest a load may take; the daemon's own bound on silence is shorter and kills the worker."""
POLL_S = 0.02
STOP_BOUND_S = 5.0
LOOKUP_WORDS = 4
"""Tokens in a row that have to be the same as before, for what came then to be a guess. Measured
(bench/speculation.py): more finds too little, less guesses wrong."""
MIB = 1024 * 1024
NO_DEVICE = "none"
"""As the server calls computing on the CPU alone."""
HOST = (sys.executable, "-m", "rkd.worker.hosted")
"""Runs the program in a process of ours where it can, so that its threads wait as a worker's do."""
_SPINS = {"x86_64": "1000"}.get(platform.machine(), "30000")
"""
How long its threads spin where it cannot: nobody can change it while they do.

Some tens of microseconds: 0.92 to 1.0 of the best on free cores and a third to a half on busy ones
(`bench/openmp.py` on x86-64, where a round of GNU's OpenMP is a pause of 40 ns; elsewhere it is an
empty one).
"""
UNUSED_TEMPLATE = "chatml"
"""One the engine brings: prompts are rendered before they come to it."""


def prompt_cache_mib(spec: LoadSpec, purpose: Purpose) -> int:
    """
    What the engine may keep of conversations that have no slot; its own default is 8 GiB.

    None for an encoder, which keeps nothing, nor with adapters: the cache does not know with which
    of them a conversation was computed, and gives it to a run without (seen with b11549).
    """
    return 0 if purpose.encoder or spec.adapters else spec.prompt_cache_bytes // MIB


def _guessing(spec: LoadSpec) -> tuple[str, ...]:
    if not spec.lookup_tokens or spec.projector:
        return ()
    words = ("--spec-ngram-simple-size-n", str(LOOKUP_WORDS))
    guesses = ("--spec-ngram-simple-size-m", str(spec.lookup_tokens))
    return ("--spec-type", "ngram-simple", *words, *guesses)


def _waiting(environment: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """What runs the program, and what it inherits."""
    if openmp.is_chosen(environment):
        return (), {**environment}
    kept = {name: value for name, value in environment.items() if name != "OMP_WAIT_POLICY"}
    return HOST, {**kept, "GOMP_SPINCOUNT": _SPINS}


class OpenAnswers:
    """Tells when the first of several answers begins, and when the last of them ends."""

    def __init__(self, tell: Callable[[bytes], object]) -> None:
        self._tell = tell
        self._answers = 0
        self._changing = threading.Lock()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around one answer; several threads at once."""
        with self._changing:
            self._answers += 1
            if self._answers == 1:
                self._tell(openmp.ANSWERS_BEGIN)
        try:
            yield
        finally:
            with self._changing:
                self._answers -= 1
                if not self._answers:
                    self._tell(openmp.ANSWERS_END)


class NativeEngine:
    """
    Runs *program* on a private socket in *folder*.

    Args:
        program: the llama-server.
        folder: private to this worker; the socket is made there.
        before_exec: called in the child before it becomes the server (ties its life to ours).
    """

    def __init__(self, program: Path, folder: Path, before_exec: Callable[[], None]) -> None:
        self._program = program
        self._before_exec = before_exec
        self._child: subprocess.Popen[bytes] | None = None
        self.watched = OpenAnswers(self._tell).watched
        self.socket = folder / "engine.sock"
        self.name = f"llama-server {program}"
        self.json_options: dict[str, Any] = {}

    def start(self, spec: LoadSpec, threads: int, batch_tokens: int, purpose: Purpose) -> None:
        """
        Start it and wait until the model is loaded.

        Raises:
            PreconditionError: LOAD_FAILED; the server's own words are in the worker's log.
        """
        command = [
            *(str(self._program), "--model", spec.weights, "--host", str(self.socket)),
            *("--ctx-size", str(spec.context_tokens * spec.slots), "--parallel", str(spec.slots)),
            *("--threads", str(threads), "--batch-size", str(batch_tokens)),
            *("--no-warmup", "--slots", "--no-webui"),
            *("--cache-ram", str(prompt_cache_mib(spec, purpose))),
            *("--slot-save-path", f"{self.socket.parent}/"),
            *("--chat-template", UNUSED_TEMPLATE),
            *_guessing(spec),
        ]
        if spec.llama_device:
            # The NPU's backends convert the weights as they are; in another layout they stay away.
            on_npu = spec.llama_device != NO_DEVICE
            command += ["--no-repack"] if on_npu else ["--device", NO_DEVICE]
        if spec.kv_cache_type in kvcache.QUANTIZED:
            kind = spec.kv_cache_type
            command += ["--cache-type-k", kind, "--cache-type-v", kind, "--flash-attn", "on"]
        if spec.embeddings:
            command += ["--embeddings", "--pooling", purpose.pooling.name.lower()]
        if purpose.whole:
            command += ["--ubatch-size", str(batch_tokens)]
        if spec.projector:
            command += ["--mmproj", spec.projector]
            if spec.image_tokens:
                command += ["--image-max-tokens", str(spec.image_tokens)]
        for _name, path, scale in spec.adapters:
            command += ["--lora-scaled", path, str(scale)]
        try:
            self._child = self._spawned(command)
        except OSError as error:
            raise PreconditionError(
                Reason.LOAD_FAILED,
                f"The native engine {self._program} cannot be started: {error.strerror}.",
                remedy="Correct or unset RKD_LLAMA_SERVER.",
            ) from error
        if spec.llama_device not in {"", NO_DEVICE}:
            self.name += f" ({spec.llama_device})"
        self._await_ready(spec)

    def _spawned(self, command: list[str]) -> subprocess.Popen[bytes]:
        host, environment = _waiting(os.environ)
        if host and not os.access(self._program, os.X_OK):
            self._program.open("rb").close()  # says what else is wrong with it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        child = subprocess.Popen(
            [*host, *command],
            stdin=subprocess.PIPE,
            bufsize=0,
            env=environment,
            # A prctl alone, in a process of few threads.
            preexec_fn=self._before_exec,  # noqa: PLW1509 - see above
        )
        assert child.stdin is not None  # noqa: S101 - piped above
        os.set_blocking(child.stdin.fileno(), False)
        return child

    def _await_ready(self, spec: LoadSpec) -> None:
        http = EngineHttp(self.socket)
        child = self._child
        until_s = time.monotonic() + START_BOUND_S
        while child is not None and time.monotonic() < until_s:
            if child.poll() is not None:
                self.close()
                raise PreconditionError(
                    Reason.LOAD_FAILED,
                    f"llama-server ended with code {child.returncode} while loading "
                    f"{Path(spec.weights).name}.",
                )
            try:
                http.get("/health")
            except EngineError:
                time.sleep(POLL_S)  # the server has no way to call us: it answers 503, then 200
            else:
                return
        self.close()
        raise PreconditionError(Reason.LOAD_FAILED, "llama-server did not become ready in time.")

    def _tell(self, word: bytes) -> None:
        child = self._child
        if child is not None and child.stdin is not None:
            with suppress(OSError, ValueError):  # it has ended, or nobody reads
                child.stdin.write(word)

    def refuses(self, schema: dict[str, Any]) -> str:
        """Say what of *schema* its converter would pass over, or ""."""
        return native_schema.refuses(schema)

    def refuses_grammar(self, _lark: str) -> str:
        """Say that it reads no Lark: whether it was built with a reader of it, nothing tells."""
        return "a native llama-server may not read it"

    def close(self) -> None:
        """End the server and reap it."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        child.terminate()
        try:
            child.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
