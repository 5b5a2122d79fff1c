"""
What the gateway costs on top of gRPC, over the stand-in: first token, rate, memory.

    python bench/gateway.py [--runs 5]

The peer, in the same run and in alternating rounds, is the daemon asked over gRPC by the client
library. Both sides are asked by one program each, so that what reading JSON costs an app counts
against the gateway. Goals stand beside the figures; medians, with the worst round named.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.integration.npu_daemon import NpuDaemon, add_model, running

VERSION = "1.3.0"
TOKENS = 16_000
FIRST = 40
MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 16384\n"
GOAL_FIRST_MS, GOAL_RATE, GOAL_MB = 3.0, 0.8, 60.0


class Gateway:
    """A gateway before the daemon of *folder*, asked over one connection that stays."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "RKD_GATEWAY_LISTEN": "127.0.0.1:0"}
        environment |= {"RKD_ENDPOINT": f"unix:{folder}/rkd.sock", "HOME": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rkd_gateway"], env=environment, stderr=subprocess.PIPE
        )
        assert self.process.stderr is not None
        said = self.process.stderr.readline().decode()
        self._connection = HTTPConnection(said.rpartition("//")[2].strip(), timeout=60)

    def ask(self, model: str) -> tuple[int, float, float]:
        """Ask OpenAI's way; return the tokens, when the first came and when the last, seconds."""
        body = {"model": model, "prompt": "x", "stream": True, "max_tokens": TOKENS}
        body["stream_options"] = {"include_usage": True}
        began = time.perf_counter()
        headers = {"content-type": "application/json"}
        self._connection.request("POST", "/v1/completions", json.dumps(body), headers)
        answer = self._connection.getresponse()
        assert answer.status == HTTPStatus.OK, answer.read()
        first_s, tokens = 0.0, 0
        for line in answer:
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if not first_s and event["choices"] and event["choices"][0]["text"]:
                    first_s = time.perf_counter() - began
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        took_s = time.perf_counter() - began
        answer.read()  # the end of the last chunk
        return tokens, first_s, took_s

    def resident_mb(self) -> float:
        """Memory of it."""
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no Rss in smaps_rollup")

    def stop(self) -> None:
        """End it."""
        self._connection.close()
        self.process.terminate()
        self.process.wait(30)


def over_grpc(daemon: NpuDaemon, model: str) -> tuple[int, float, float]:
    """Ask over gRPC; return as `Gateway.ask`."""
    began, first_s, tokens = time.perf_counter(), 0.0, 0
    for event in daemon.generate(model, "x"):
        if event.HasField("delta") and not first_s:
            first_s = time.perf_counter() - began
        if event.HasField("finished"):
            tokens = event.finished.usage.completion_tokens
    return tokens, first_s, time.perf_counter() - began


def rounds(
    runs: int, peer: Callable[[], float], ours: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Measure both, one after the other, *runs* times after a first that does not count."""
    peer()
    ours()
    pairs = [(peer(), ours()) for _ in range(runs)]
    return [one for one, _ in pairs], [one for _, one in pairs]


def told(held: bool) -> str:  # noqa: FBT001 - what it says
    """Say whether a goal is met."""
    return "met" if held else "MISSED"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name:
        folder = Path(name)
        add_model(folder, "fast", MODELFILE, answer="count", tokens=TOKENS)
        add_model(folder, "short", MODELFILE, answer="count", tokens=1)
        with running(folder, [VERSION], RKD_BACKEND="npu") as daemon:
            gateway = Gateway(folder)
            try:
                idle_mb = gateway.resident_mb()

                def rate(asked: tuple[int, float, float]) -> float:
                    return asked[0] / asked[2]

                rates = rounds(
                    runs,
                    lambda: rate(over_grpc(daemon, "fast")),
                    lambda: rate(gateway.ask("fast")),
                )
                firsts = rounds(
                    runs * FIRST // 5,
                    lambda: over_grpc(daemon, "short")[1] * 1e3,
                    lambda: gateway.ask("short")[1] * 1e3,
                )
                used_mb = gateway.resident_mb()
            finally:
                gateway.stop()
    ratios = [ours / peer for peer, ours in zip(*rates, strict=True)]
    beyond = [ours - peer for peer, ours in zip(*firsts, strict=True)]
    ratio, more = statistics.median(ratios), statistics.median(beyond)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"stand-in {VERSION}, medians of {runs}"
    )
    print(f"gRPC, whole request         {statistics.median(rates[0]):>10.0f} tokens/s")
    print(
        f"gateway, whole request      {statistics.median(rates[1]):>10.0f} tokens/s   "
        f"{ratio:.2f} of it, worst {min(ratios):.2f} (goal {GOAL_RATE}: {told(ratio >= GOAL_RATE)})"
    )
    print(f"gRPC, first token           {statistics.median(firsts[0]):>10.2f} ms")
    print(
        f"gateway, first token        {statistics.median(firsts[1]):>10.2f} ms         "
        f"+{more:.2f}, worst +{max(beyond):.2f} "
        f"(goal {GOAL_FIRST_MS:.0f}: {told(more <= GOAL_FIRST_MS)})"
    )
    print(
        f"gateway, memory             {used_mb:>10.1f} MB resident, {idle_mb:.1f} before the "
        f"first call (goal {GOAL_MB:.0f}: {told(used_mb <= GOAL_MB)})"
    )


if __name__ == "__main__":
    main()
