"""What the runtime prints decides what is told."""

from __future__ import annotations

import pytest

from rkd.backend.rkllm import evidence
from rkd.errors import BeyondRangeError, PreconditionError, Reason, UnavailableError

VERSION = "I rkllm: rkllm-runtime version: 1.2.1, rknpu driver version: 0.9.7, platform: RK3588"


@pytest.mark.parametrize(
    ("lines", "reason", "cause"),
    [
        (
            [
                "failed to open rknpu module, need to insmod rknpu dirver!",
                "failed to open rknn device!",
            ],
            Reason.NPU_UNAVAILABLE,
            "device",
        ),
        (
            ["Platform error: must be either RK3588, RK3576.", "Your platform is lite."],
            Reason.PLATFORM_MISMATCH,
            "platform",
        ),
        (
            ["E rkllm: rkllm-runtime version is lower than the rkllm-toolkit version"],
            Reason.RUNTIME_MISMATCH,
            "runtime",
        ),
        (
            [VERSION, "E RKNN: failed to malloc npu memory, size: 4022272000, flags: 0x2"],
            Reason.LOAD_FAILED,
            "memory",
        ),
        (
            ["E RKNN: failed to allocate handle, ret: -1, errno: 14, errstr: Bad address"],
            Reason.LOAD_FAILED,
            "memory",
        ),
        (["E rkllm: invalid rkllm model!"], Reason.LOAD_FAILED, "file"),
        (
            ["E rkllm: The number of enabled CPUs must be greater than or equal to the number"],
            Reason.LOAD_FAILED,
            "cpus",
        ),
        (["E rkllm: something new"], Reason.LOAD_FAILED, "unknown"),
        ([], Reason.LOAD_FAILED, "unknown"),
    ],
)
def test_load_failures_are_told_apart(lines: list[str], reason: Reason, cause: str) -> None:
    """Each known way to fail has its reason, and the library's own words."""
    error = evidence.load_failure(lines, weights="m.rkllm", status=-1)

    assert isinstance(error, PreconditionError)
    assert (error.reason, error.metadata["cause"]) == (reason, cause)
    assert error.remedy
    assert all(word in error.message for word in evidence.errors_in(lines))


def test_lines_are_sorted_by_weight() -> None:
    """Errors are those marked E and the unmarked ones of a missing device; warnings come once."""
    lines = [VERSION, "W rkllm: old", "W rkllm: old", "E RKNN: bad", "failed to open rknn device!"]

    assert evidence.errors_in(lines) == ("E RKNN: bad", "failed to open rknn device!")
    assert evidence.warnings_in(lines) == ("W rkllm: old",)


def test_the_context_limit_is_understood() -> None:
    """The limit stands behind the context that was refused."""
    line = "E rkllm: max_context[16384] must be less than the model's max_context_limit[4096]"

    assert evidence.context_limit_in([VERSION, line]) == 4096
    assert evidence.context_limit_in([VERSION]) is None


def test_the_version_is_understood() -> None:
    """The library says its version while it loads."""
    assert evidence.version_in([VERSION]) == "1.2.1"
    assert evidence.version_in(["nothing"]) == ""


def test_a_long_prompt_is_told_with_its_numbers() -> None:
    """The runtime's own count and limit reach the user."""
    line = "E rkllm: the length of prompt is greater than max context (prompt: 900 tokens, max "
    error = evidence.run_failure([line + "context: 512)"], status=-1)

    assert isinstance(error, BeyondRangeError)
    assert error.metadata == {"prompt_tokens": "900", "limit": "512"}


def test_any_other_failed_run_may_be_tried_again() -> None:
    """A run the runtime gave up on is worth another try on a fresh handle."""
    error = evidence.run_failure(["E RKNN: failed to submit!, op id: 1"], status=-1)

    assert isinstance(error, UnavailableError)
    assert "failed to submit" in error.message
