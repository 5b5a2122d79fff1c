"""
Conversations that come back: what is computed anew when several take turns on one slot.

    python bench/conversations.py MODEL.gguf [--tokens 600]

Two conversations of so many tokens and a request for a title take turns through the daemon, and
through the engine's own server at its own defaults (its prompt cache may take 8 GiB; ours has
256 MiB). Printed are cached tokens and the time to the first token of every turn, one run each.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients")]

from rkd.v1 import inference_pb2 as pb  # noqa: E402 - after the path
from rkd.v1 import types_pb2 as types  # noqa: E402 - the same
from rkd.v1.inference_pb2_grpc import InferenceServiceStub  # noqa: E402 - the same
from tests.integration.daemon_process import DaemonProcess  # noqa: E402 - the same

CONTEXT = 4096
STORIES = ("The keeper of lighthouse {} lit the lamp. ", "Ship {} left the harbour at dawn. ")
TITLE = "Make a title of three words for a talk about the sea."
ENGINE = """
import os, signal, sys
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import xllamacpp as x
model, path, context = sys.argv[1:]
p = x.CommonParams()
p.model.path, p.hostnames, p.n_ctx, p.n_parallel = model, [path], int(context), 1
p.ui, p.verbosity = False, -1
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
server = x.Server(p)
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one request cost."""

    prompt_tokens: int
    cached_tokens: int
    first_token_s: float


Ask = Callable[[str], Turn]


def of_daemon(stub: InferenceServiceStub, model: str, **options: Any) -> Ask:
    """Ask the daemon, raw."""

    def ask(prompt: str) -> Turn:
        sampling = types.SamplingOptions(temperature=0, max_tokens=8)
        asked = types.InferenceOptions(sampling=sampling, **options)
        began, first = time.perf_counter(), 0.0
        for event in stub.Generate(
            pb.GenerateRequest(model=model, prompt=prompt, raw=True, options=asked)
        ):
            if not first and event.HasField("delta"):
                first = time.perf_counter() - began
            if event.HasField("finished"):
                usage = event.finished.usage
        return Turn(usage.prompt_tokens, usage.cached_tokens, first)

    return ask


def of_engine(path: Path) -> Ask:
    """Ask the engine's own server over its socket."""

    def ask(prompt: str) -> Turn:
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(path))
        body = {"prompt": prompt, "n_predict": 8, "temperature": 0, "stream": True}
        began, first, last = time.perf_counter(), 0.0, {}
        connection.request("POST", "/completion", json.dumps(body))
        response = connection.getresponse()
        while line := response.readline():
            if line.startswith(b"data: "):
                last = json.loads(line[6:])
                first = first or time.perf_counter() - began
        connection.close()
        return Turn(last["tokens_evaluated"], last["timings"]["cache_n"], first)

    return ask


def prompts(tokens: int) -> list[tuple[str, str]]:
    """Who speaks and what is sent: two conversations by turns, a title between them."""
    texts = ["".join(story.format(at) for at in range(tokens // 11)) for story in STORIES]
    sent = []
    for turn in range(3):
        for name, text in zip("AB", texts, strict=True):
            sent.append((f"{name}, turn {turn + 1}", text + " And then?" * turn))
            if turn:
                sent.append(("title", TITLE))
    return sent


def taking_turns(asks: dict[str, Ask], tokens: int) -> None:
    """Print each turn of each way, side by side."""
    for ask in asks.values():
        ask("Hello")  # loaded, and computed with once
    print(f"{'':12}" + "".join(f"{name:>34}" for name in asks))
    for name, prompt in prompts(tokens):
        cells = []
        for ask in asks.values():
            turn = ask(prompt)
            cached = f"{turn.cached_tokens:5} of {turn.prompt_tokens:5} cached"
            cells.append(f"{cached}, {turn.first_token_s * 1000:7.0f} ms")
        print(f"{name:12}" + "".join(f"{cell:>34}" for cell in cells), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name:
        folder = Path(name)
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        engine = subprocess.Popen(
            [
                sys.executable,
                "-c",
                ENGINE,
                str(given.model),
                str(folder / "engine.sock"),
                str(CONTEXT),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean,
        )
        assert engine.stdout is not None
        engine.stdout.readline()
        settings = {"RKD_BACKEND": "cpu", "RKD_MAX_CONTEXT": str(CONTEXT)}
        try:
            with DaemonProcess(folder / "d", settings) as daemon, daemon.stubs() as stubs:
                (daemon.models / "m").mkdir()
                shutil.copy(given.model, daemon.models / "m" / "m.gguf")
                asks = {
                    "daemon": of_daemon(stubs.inference, "m"),
                    "engine": of_engine(folder / "engine.sock"),
                }
                taking_turns(asks, given.tokens)
        finally:
            engine.send_signal(signal.SIGTERM)
            engine.wait()


if __name__ == "__main__":
    main()
