"""
What the runtime's own lines mean: from its log to the error a user can act on. Pure.

**Source** of the patterns: strings of the released libraries and logs of boards in the vendor's
issue tracker; where one is an inference it says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rkd.backend.prompt.fitting import SHORTER
from rkd.errors import BeyondRangeError, PreconditionError, Reason, RkdError, UnavailableError

_ERROR = re.compile(r"^\s*E (?:rkllm|RKNN)\b|^Platform error|^Query platform error")
_WARNING = re.compile(r"^\s*W (?:rkllm|RKNN)\b")
_NO_DEVICE = re.compile(
    r"failed to open rknpu module|failed to open rknn device|Device is not available"
    r"|Get device properties failed"
)
_CONTEXT_LIMIT = re.compile(
    r"max_context\[(\d+)\] must be less than the model's max_context_limit\[(\d+)\]"
)
_PROMPT_TOO_LONG = re.compile(r"\(prompt: (\d+) tokens, max context: (\d+)\)")
_VERSION = re.compile(r"rkllm-runtime version: ([0-9][0-9A-Za-z.]*)")


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why loads fail, told by a pattern in the log."""

    name: str
    pattern: re.Pattern[str]
    reason: Reason
    what: str
    remedy: str


_CAUSES = (
    _Cause(
        "device",
        _NO_DEVICE,
        Reason.NPU_UNAVAILABLE,
        "the NPU cannot be opened",
        "See `rkctl doctor`: a vendor kernel with the rknpu driver is needed, and this user must "
        "be allowed to open its device node (group render for /dev/dri/renderD*).",
    ),
    _Cause(
        "platform",
        re.compile(r"[Pp]latform error|Your platform"),
        Reason.PLATFORM_MISMATCH,
        "the model is not made for this board",
        "Get the model converted for this SoC, or use a GGUF on the CPU.",
    ),
    _Cause(
        "runtime",
        re.compile(r"rkllm-runtime version is lower than the rkllm-toolkit version"),
        Reason.RUNTIME_MISMATCH,
        "the runtime is older than the model",
        "Install a newer librkllmrt.so, or name one in RKD_RKLLM_LIBRARY.",
    ),
    _Cause(
        "memory",
        re.compile(r"failed to (?:malloc npu memory|allocate handle)"),
        Reason.LOAD_FAILED,
        "the NPU has no memory for this model",
        "Unload another model (`rkctl stop`), or ask for a shorter context (`num_ctx`).",
    ),
    _Cause(
        "file",
        re.compile(r"invalid rkllm model|invalid magic|invalid rknn llm model|failed to read"),
        Reason.LOAD_FAILED,
        "the runtime does not take this file for a model",
        "Fetch it again, or convert it with the toolkit of this runtime's version.",
    ),
    _Cause(
        "cpus",
        re.compile(r"[Nn]umber of enabled CPUs|enabled_cpus"),
        Reason.LOAD_FAILED,
        "the model wants more CPU cores than it was given",
        "Give the worker at least as many cores as the model uses of the NPU.",
    ),
)
"""In the order they are looked for: the first that fits explains the others."""

_UNKNOWN = _Cause(
    "unknown",
    re.compile(""),
    Reason.LOAD_FAILED,
    "the runtime did not load the model",
    "See `rkctl doctor`.",
)


def errors_in(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that say something failed; some of the real ones carry no `E`."""
    return tuple(line for line in lines if _ERROR.search(line) or _NO_DEVICE.search(line))


def warnings_in(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that warn, each once."""
    return tuple(dict.fromkeys(line.strip() for line in lines if _WARNING.search(line)))


def context_limit_in(lines: Sequence[str]) -> int | None:
    """The longest context the model allows, when the runtime refused one for being longer."""
    found = _first(_CONTEXT_LIMIT, lines)
    return int(found[2]) if found else None


def version_in(lines: Sequence[str]) -> str:
    """The version the loaded library says it is, or "" when it said nothing."""
    found = _first(_VERSION, lines)
    return found[1] if found else ""


def load_failure(lines: Sequence[str], *, weights: str, status: int) -> RkdError:
    """
    Explain why a load failed.

    Args:
        lines: what the library printed meanwhile.
        weights: the file that was to be loaded.
        status: what `rkllm_init` returned; 0 where only the lines tell that it failed.
    """
    cause = next((one for one in _CAUSES if _first(one.pattern, lines)), _UNKNOWN)
    words = _last_words(lines) or f"rkllm_init returned {status} and printed nothing"
    return PreconditionError(
        cause.reason,
        f"{cause.what}: {words}",
        remedy=cause.remedy,
        metadata={"weights": weights, "status": str(status), "cause": cause.name},
    )


def run_failure(lines: Sequence[str], *, status: int) -> RkdError:
    """
    Explain why a run failed.

    A failure nobody can name is UNAVAILABLE: the handle is made anew and the same may be tried
    again.
    """
    found = _first(_PROMPT_TOO_LONG, lines)
    if found:
        return prompt_too_long(int(found[1]), int(found[2]))
    words = _last_words(lines) or f"rkllm_run returned {status} and printed nothing"
    return UnavailableError(
        Reason.WORKER_CRASHED,
        f"the NPU runtime gave up on the run: {words}",
        remedy="Try again; the model is loaded anew.",
        metadata={"status": str(status)},
    )


def prompt_too_long(prompt_tokens: int, limit_tokens: int) -> BeyondRangeError:
    """Make the error for a prompt that does not fit the context."""
    return BeyondRangeError(
        Reason.CONTEXT_LENGTH_EXCEEDED,
        f"the prompt has {prompt_tokens} tokens, the context has room for {limit_tokens}",
        remedy=SHORTER,
        metadata={"prompt_tokens": str(prompt_tokens), "limit": str(limit_tokens)},
    )


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> re.Match[str] | None:
    return next((found for line in lines if (found := pattern.search(line))), None)


def _last_words(lines: Sequence[str]) -> str:
    chosen = errors_in(lines) or tuple(line for line in lines if line.strip())[-1:]
    return "; ".join(line.strip() for line in chosen[:4])
