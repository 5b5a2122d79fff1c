"""
A named conversation after a restart: its second turn with and without what was kept of it.

    python bench/sessions.py MODEL.gguf [--tokens 4000]

On the CPU a real model; on the NPU the stand-in runtime, which takes 4 ms for each token it reads
(an RK3588 some 4 s per 1,000: rknn-llm #400). One run each; times are to the first token.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients")]

from bench.conversations import Ask, Turn, of_daemon  # noqa: E402 - after the path
from tests.integration.daemon_process import DaemonProcess  # noqa: E402 - the same
from tests.native import standin  # noqa: E402 - the same
from tests.native.tokenizer import write_tokenizer  # noqa: E402 - the same

CONTEXT = 8192
PREFILL_TOKEN_US = 4000
MORE = " And what came of it?"


def said(name: str, turn: Turn) -> Turn:
    """Print a turn."""
    print(
        f"{name:44} {turn.cached_tokens:5} of {turn.prompt_tokens:5} cached,"
        f" first token after {turn.first_token_s:8.3f} s",
        flush=True,
    )
    return turn


def measure(daemon: DaemonProcess, where: str, text: str) -> None:
    """Turns of one conversation over three lives of the daemon."""

    def lives(session: str, *turns: tuple[str, str]) -> list[Turn]:
        with daemon, daemon.stubs() as stubs:
            of_daemon(stubs.inference, "m")("Hello")  # loaded, and computed with once
            ask: Ask = of_daemon(stubs.inference, "m", session=session)
            return [said(f"{where}: {name}", ask(prompt)) for name, prompt in turns]

    lives("talk", ("first turn", text))
    (warm,) = lives("talk", ("second turn after a restart", text + MORE))
    (cold,) = lives("", ("the same without a session", text + MORE))
    print(f"{where}: {cold.first_token_s / warm.first_token_s:.0f} times as soon")


def on_cpu(folder: Path, model: Path) -> DaemonProcess:
    """A daemon with *model*."""
    settings = {"RKD_BACKEND": "cpu", "RKD_MAX_CONTEXT": str(CONTEXT)}
    daemon = DaemonProcess(folder / "cpu", settings)
    (daemon.models / "m").mkdir()
    shutil.copy(model, daemon.models / "m" / "m.gguf")
    return daemon


def on_npu(folder: Path) -> DaemonProcess:
    """A daemon with a model for the stand-in."""
    settings = {
        "RKD_BACKEND": "npu",
        "RKD_RKLLM_LIBRARY": str(standin.build("1.3.0")),
        "RKD_MAX_CONTEXT": str(CONTEXT),
    }
    daemon = DaemonProcess(folder / "npu", settings)
    own = daemon.models / "m"
    own.mkdir()
    standin.weights(own / "m.rkllm", prefill_token_us=PREFILL_TOKEN_US)
    write_tokenizer(own)
    (own / "Modelfile").write_text("FROM ./m.rkllm\n")
    return daemon


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=4000)
    given = parser.parse_args()
    story = "The keeper of lighthouse {} lit the lamp. "
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name:
        folder = Path(name)
        ways: tuple[tuple[str, Callable[[], DaemonProcess], str], ...] = (
            ("NPU (stand-in)", lambda: on_npu(folder), "x" * given.tokens),
            (
                "CPU",
                lambda: on_cpu(folder, given.model),
                "".join(story.format(at) for at in range(given.tokens // 11)),
            ),
        )
        for where, made, text in ways:
            measure(made(), where, text)


if __name__ == "__main__":
    main()
