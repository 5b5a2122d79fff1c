"""
Streams through the daemon against the engine's own server called directly, in one run.

    python bench/stream.py MODEL.gguf [--rounds 9] [--tokens 64]

Both hold the same model with the same slots, threads and context; rounds are interleaved and the
order inside a round changes. The server is there twice: with its threads waiting for each other as
the engine's own default has it, and as rkd's workers do. Printed are medians, spreads and ratios
(daemon / direct).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients")]

from bench.engine import AUTO, DEFAULT, EngineProcess  # noqa: E402 - after the path
from bench.figures import tell  # noqa: E402 - the same
from rkd.v1 import inference_pb2 as pb  # noqa: E402 - the same
from rkd.v1 import types_pb2  # noqa: E402 - the same
from rkd.v1.inference_pb2_grpc import InferenceServiceStub  # noqa: E402 - the same

PROMPT = "Write a long story about a lighthouse keeper and the sea. Question number {}."
CONTEXT = 512
EOS_IDS = (0, 2)
"""Tokens that would end SmolLM2's answer early; biased away on both sides."""


class Direct:
    """The engine's own server, asked over HTTP on a unix socket; its threads wait as *waiting*."""

    def __init__(self, model: Path, folder: Path, slots: int, threads: int, waiting: str) -> None:
        self._path = folder / f"{waiting}.sock"
        self._process = EngineProcess(
            model, self._path, threads, slots=slots, context=CONTEXT, waiting=waiting
        )
        self._answering = self._process.answering()
        self._answering.__enter__()

    def ask(self, question: int, tokens: int) -> tuple[int, float, float]:
        """Tokens, seconds to the first, seconds in all."""
        prompt = f"<|im_start|>user\n{PROMPT.format(question)}<|im_end|>\n<|im_start|>assistant\n"
        body = {
            "prompt": prompt,
            "stream": True,
            "n_predict": tokens,
            "temperature": 0,
            "cache_prompt": True,
            "logit_bias": [[one, -100] for one in EOS_IDS],
        }
        began, first, last = time.perf_counter(), 0.0, {}
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self._path))
        connection.request("POST", "/completion", json.dumps(body))
        response = connection.getresponse()
        while line := response.readline():
            if line.startswith(b"data: "):
                last = json.loads(line[6:])
                if not first and last["content"]:
                    first = time.perf_counter() - began
        connection.close()
        return last["tokens_predicted"], first, time.perf_counter() - began

    def close(self) -> None:
        """End it."""
        self._process.close()


class Daemon:
    """A daemon of our own, asked over gRPC on its unix socket."""

    def __init__(self, model: Path, folder: Path, slots: int, threads: int) -> None:
        (folder / "models" / "smol").mkdir(parents=True)
        shutil.copy(model, folder / "models" / "smol" / "smol.gguf")
        ready = folder / "ready"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RKD_")}
        environment = {
            **clean,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'clients'}",
            "RKD_MODELS": str(folder / "models"),
            "RKD_STATE_DIR": str(folder / "state"),
            "RKD_LISTEN": f"unix:{folder / 's'}",
            "RKD_READY_FILE": str(ready),
            "RKD_PARALLEL": str(slots),
            "RKD_MAX_CONTEXT": str(CONTEXT),
            "RKD_THREADS": str(threads),
            "HOME": str(folder),
        }
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rkd"], env=environment, stderr=subprocess.DEVNULL
        )
        while not ready.exists():
            time.sleep(0.002)
        self.start_s = time.perf_counter() - began
        time.sleep(1)
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.idle_kb = int(status.split("VmRSS:")[1].split()[0])
        self._channel = grpc.insecure_channel(f"unix:{folder / 's'}")
        self._stub = InferenceServiceStub(self._channel)

    def ask(self, question: int, tokens: int) -> tuple[int, float, float]:
        """Tokens, seconds to the first, seconds in all."""
        sampling = types_pb2.SamplingOptions(
            temperature=0,
            max_tokens=tokens,
            logit_bias=[types_pb2.LogitBias(token_id=one, bias=-100) for one in EOS_IDS],
        )
        prompt = f"<|im_start|>user\n{PROMPT.format(question)}<|im_end|>\n<|im_start|>assistant\n"
        request = pb.GenerateRequest(
            model="smol",
            prompt=prompt,
            raw=True,
            options=types_pb2.InferenceOptions(sampling=sampling),
        )
        began, first, counted = time.perf_counter(), 0.0, 0
        for event in self._stub.Generate(request):
            if not first and event.HasField("delta"):
                first = time.perf_counter() - began
            if event.HasField("finished"):
                counted = event.finished.usage.completion_tokens
        return counted, first, time.perf_counter() - began

    def close(self) -> None:
        """End it."""
        self._channel.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


Ask = Callable[[int, int], tuple[int, float, float]]


def rate(ask: Ask, streams: int, tokens: int, base: int) -> float:
    """Tokens a second over *streams* at once, whole requests."""
    counts = [0] * streams

    def one(at: int) -> None:
        counts[at] = ask(base + at, tokens)[0]

    began = time.perf_counter()
    threads = [threading.Thread(target=one, args=(at,)) for at in range(streams)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def shown(name: str, ours: list[float], theirs: list[float], unit: str) -> None:
    """Print medians, spreads and the ratio."""
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"{name:18} daemon {statistics.median(ours):8.2f} [{min(ours):.2f}..{max(ours):.2f}] {unit}"
        f"  direct {statistics.median(theirs):8.2f} [{min(theirs):.2f}..{max(theirs):.2f}] {unit}"
        f"  ratio of medians {statistics.median(ours) / statistics.median(theirs):.3f},"
        f" median of ratios {statistics.median(ratios):.3f} [{ratios[0]:.3f}..{ratios[-1]:.3f}]"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name:
        folder = Path(name)
        for slots in (1, 8):
            (folder / str(slots)).mkdir()
            place = folder / str(slots)
            directs = [
                Direct(given.model, place, slots, given.threads, waiting)
                for waiting in (DEFAULT, AUTO)
            ]
            daemon = Daemon(given.model, place, slots, given.threads)
            try:
                measure(daemon, directs, slots, given)
            finally:
                daemon.close()
                for direct in directs:
                    direct.close()


def measure(daemon: Daemon, directs: list[Direct], slots: int, given: argparse.Namespace) -> None:
    """One number of slots."""
    asks: list[Ask] = [daemon.ask, *(direct.ask for direct in directs)]
    rates: list[list[float]] = [[] for _ in asks]
    firsts: list[list[float]] = [[] for _ in asks]
    for ask in asks:
        rate(ask, slots, 8, 0)
    for round_ in range(given.rounds):
        for turn in range(len(asks)):
            at = (turn + round_) % len(asks)
            rates[at].append(rate(asks[at], slots, given.tokens, 100 * round_))
            if slots == 1:
                asks[at](7, 2)  # its prompt is in the cache now: what is left is overhead
                took = statistics.median(asks[at](7, 2)[1] for _ in range(5))
                firsts[at].append(took * 1000)
    ours, default, same = rates
    print(f"load average {os.getloadavg()[0]:.1f}")
    shown(f"{slots} stream(s), engine waiting as ours", ours, same, "tok/s")
    shown(f"{slots} stream(s), engine's own default", ours, default, "tok/s")
    name = "one" if slots == 1 else "eight"
    tell(f"stream.{name}", [a / b for a, b in zip(ours, same, strict=True)])
    tell(f"stream.{name}.default", [a / b for a, b in zip(ours, default, strict=True)])
    if slots == 1:
        shown("first token", firsts[0], firsts[2], "ms")
        added = statistics.median(a - b for a, b in zip(firsts[0], firsts[2], strict=True))
        print(f"first token, added by the daemon: {added:.2f} ms (median of rounds)")
        print(f"start to ready {daemon.start_s:.3f} s, idle memory {daemon.idle_kb / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
