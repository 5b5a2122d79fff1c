"""The sentences with which the pool says no: each typed, with its numbers and what to do."""

from __future__ import annotations

from rkd.errors import (
    AbortedError,
    ExhaustedError,
    PreconditionError,
    Reason,
    RkdError,
    TimedOutError,
    UnavailableError,
)
from rkd.inference import Loaded
from rkd.pool.deciding.budget import Shortfall
from rkd.pool.deciding.state import Death, FailedWay, LoadPlan
from rkd.words import size

LEAST_RETRY_S = 1.0
MOST_RETRY_S = 60.0


def retry_after(estimate_s: float | None) -> float:
    """Keep an estimate of when to try again within sense."""
    if estimate_s is None:
        return LEAST_RETRY_S
    return min(max(estimate_s, LEAST_RETRY_S), MOST_RETRY_S)


def queue_full(model: str, limit: int, estimate_s: float | None) -> RkdError:
    """QUEUE_FULL: as many wait as may wait."""
    return ExhaustedError(
        Reason.QUEUE_FULL,
        f"{limit} requests wait already, no further one may wait for {model}",
        remedy="Try again after the delay given, or raise RKD_MAX_QUEUE.",
        metadata={"model": model, "limit": str(limit)},
        retry_after_s=retry_after(estimate_s),
    )


def too_large(model: str, short: Shortfall, total: str) -> RkdError:
    """MODEL_TOO_LARGE: not even an empty board of this capacity has room."""
    shown = f" ({total})" if total else ""
    return PreconditionError(
        Reason.MODEL_TOO_LARGE,
        f"{model} {short}, even with nothing else in memory{shown}",
        remedy="Use a smaller quantization or context (num_ctx), or raise RKD_MEMORY_FRACTION.",
        metadata=_numbers(model, short),
    )


def no_evictable(model: str, short: Shortfall, why: str, estimate_s: float | None) -> RkdError:
    """NO_EVICTABLE_MODEL: room would have to come from who may not leave."""
    return ExhaustedError(
        Reason.NO_EVICTABLE_MODEL,
        f"{model} {short}, and {why}",
        remedy="Unpin or stop a resident model (`rkctl ps`), or try again later.",
        metadata=_numbers(model, short),
        retry_after_s=retry_after(estimate_s),
    )


def failed(model: str, failure: FailedWay, now_s: float) -> RkdError:
    """MODEL_FAILED: it failed before and is left alone for a while."""
    left_s = max(0.0, failure.retry_s - now_s)
    return PreconditionError(
        Reason.MODEL_FAILED,
        f"{model} failed before and rests for another {left_s:.0f} s: {failure.error.message}",
        remedy=failure.error.remedy or f"Mend the cause, then `rkctl load {model}`.",
        metadata={
            "model": model,
            "cause": str(failure.error.reason),
            "retry_s": f"{left_s:.0f}",
        },
        retry_after_s=retry_after(left_s),
    )


def waited_too_long(model: str, waited_s: float) -> RkdError:
    """LOAD_TIMEOUT: the deadline passed in the queue."""
    return TimedOutError(
        Reason.LOAD_TIMEOUT,
        f"the request for {model} waited {waited_s:.1f} s in the queue, its deadline has passed",
        remedy="Allow it more time, or ask when less is going on.",
        metadata={"model": model, "waited_s": f"{waited_s:.1f}"},
    )


def load_stalled(model: str, silence_s: float) -> RkdError:
    """LOAD_TIMEOUT: a load gave no sign of progress."""
    return TimedOutError(
        Reason.LOAD_TIMEOUT,
        f"loading {model} made no progress for {silence_s:.0f} s and was ended",
        remedy="See `rkctl doctor` and the log; a slow disk may need a longer RKD_LOAD_TIMEOUT.",
        metadata={"model": model, "silence_s": f"{silence_s:.0f}"},
    )


def short_of_memory(error: RkdError, needed: int, available: int) -> RkdError:
    """LOAD_FAILED for memory, with the numbers the engine does not tell."""
    if error.reason is not Reason.LOAD_FAILED:
        return error
    return PreconditionError(
        Reason.LOAD_FAILED,
        f"{error.message.rstrip('.')} (it was thought to need {size(needed)}, {size(available)} "
        "were available, and nothing idle was left to evict)",
        remedy=error.remedy,
        metadata={**error.metadata, "needed": str(needed), "available": str(available)},
    )


def no_library(why: str) -> RkdError:
    """RUNTIME_MISMATCH: every RKLLM library here was tried with the file, and none will do."""
    return PreconditionError(
        Reason.RUNTIME_MISMATCH,
        why,
        remedy="Install another version of librkllmrt.so, or name one with `PARAMETER "
        "rkllm_version`; `rkctl load` tries those here again.",
    )


def after_others(error: RkdError, tried: tuple[str, ...]) -> RkdError:
    """*error* of the last NPU library, with what came of those *tried* before it."""
    if not tried:
        return error
    before = "; ".join(one[:TRIED_CHARACTERS].rstrip(".") for one in tried)
    return type(error)(
        error.reason,
        f"{error.message.rstrip('.')}; before it: {before}",
        remedy=error.remedy,
        metadata=error.metadata,
        retry_after_s=error.retry_after_s,
        violations=error.violations,
    )


_NOTHING = "it ended at once"
TRIED_CHARACTERS = 200


def garbage(model: str, loaded: Loaded) -> RkdError:
    """LOAD_FAILED: the first tokens heard were no answer, and there is another way to try."""
    return PreconditionError(
        Reason.LOAD_FAILED,
        f"{loaded.runtime} answers {model} with no text: {loaded.first_answer_detail or _NOTHING}",
        remedy="Install another version of librkllmrt.so, or use a GGUF of it on the CPU.",
        metadata={"model": model, "cause": "garbage"},
    )


def died(plan: LoadPlan, death: Death, tokens_emitted: int = 0) -> RkdError:
    """WORKER_CRASHED, see `crashed`, with the NPU libraries that failed before."""
    return after_others(crashed(plan.model, death, tokens_emitted), plan.tried)


def crashed(model: str, death: Death, tokens_emitted: int = 0) -> RkdError:
    """WORKER_CRASHED: ABORTED when part of the answer was seen, UNAVAILABLE when not."""
    kind = AbortedError if tokens_emitted else UnavailableError
    return kind(
        Reason.WORKER_CRASHED,
        f"the worker of {model} was {death.description}"
        if death.signal
        else f"the worker of {model} {death.description}",
        remedy="Ask again; if it happens again, see the log of the daemon and `rkctl doctor`.",
        metadata={
            "model": model,
            "signal": death.signal,
            "tokens_emitted": str(tokens_emitted),
            "engine_log": " | ".join(death.last_lines[-5:]),
        },
    )


def dismissed(model: str) -> RkdError:
    """WORKER_CRASHED, as UNAVAILABLE: it was told to leave, and its worker with what it did."""
    return UnavailableError(
        Reason.WORKER_CRASHED,
        f"{model} was unloaded while it worked on this request",
        remedy="Ask again if it is still wanted: the model is loaded anew.",
        metadata={"model": model, "signal": "", "tokens_emitted": "0"},
    )


def not_ending(model: str) -> RkdError:
    """MODEL_BUSY: its worker was killed and the kernel keeps it."""
    return PreconditionError(
        Reason.MODEL_BUSY,
        f"the worker of {model} was killed, but the kernel does not let it go",
        remedy="See `dmesg`: a driver hangs. Its memory counts until it is gone.",
        metadata={"model": model},
    )


def cut_short(error: RkdError, tokens_emitted: int) -> AbortedError:
    """WORKER_CRASHED, as ABORTED: the engine failed when part of the answer had been seen."""
    return AbortedError(
        Reason.WORKER_CRASHED,
        error.message,
        remedy=error.remedy,
        metadata={**error.metadata, "tokens_emitted": str(tokens_emitted)},
    )


def shutting_down() -> RkdError:
    """SHUTTING_DOWN: nothing new is begun."""
    return UnavailableError(
        Reason.SHUTTING_DOWN,
        "rkd is stopping and begins nothing new",
        remedy="Try again when it has started.",
    )


def _numbers(model: str, short: Shortfall) -> dict[str, str]:
    return {
        "model": model,
        "what": short.what,
        "needed": str(short.needed),
        "available": str(short.available),
    }
