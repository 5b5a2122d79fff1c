"""
What rkd costs on top of an RKLLM runtime, over the stand-in: speed, CPU, memory, first token.

    python bench/npu.py [--runs 5]

The peers, in the same run, are the bare library, a ctypes callback that does nothing but count,
and a bare grpc.aio server that streams the same messages at the same pace and does nothing else.
CPU a token is measured in rounds that alternate between them and rkd; figures are medians; they
are of this machine, and say so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import large_tokenizer
from bench.figures import tell
from rkd.backend.rkllm.runtime import InitParams, RunParams, Runtime
from rkd.librkllmrt import identify
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2
from rkd.v1.inference_pb2_grpc import InferenceServiceStub
from tests.integration.npu_daemon import NpuDaemon, add_model, running
from tests.native import standin

ROOT = Path(__file__).resolve().parents[1]
VERSION = "1.3.0"
TOKENS = 16_000
SLOW_TOKENS = 90
SLOW_US = 66_667
MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 16384\n"

STREAM = """
import asyncio, sys
import grpc.aio
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2
from rkd.v1 import inference_pb2_grpc as services
address, tokens, pause_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1e6

class Bare(services.InferenceServiceServicer):
    async def Generate(self, request, context):
        for at in range(tokens):
            await asyncio.sleep(pause_s)
            delta = types_pb2.Delta(text=f"t{at} ")
            yield pb.GenerateResponse(sequence=at, delta=delta)

async def main():
    server = grpc.aio.server()
    services.add_InferenceServiceServicer_to_server(Bare(), server)
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""


def rounds_of(runs: int, measure: Callable[[], float]) -> list[float]:
    """*runs* measurements."""
    return [measure() for _ in range(runs)]


def bare(folder: Path, runs: int) -> float:
    """Tokens a second of the library itself, counted in a callback."""
    path = standin.weights(folder / "bare.rkllm", answer="count", tokens=TOKENS)
    runtime = Runtime(identify(standin.build(VERSION)))
    runtime.init(InitParams(str(path), 16384, 0xF0))
    seen = 0

    def count(_result: object, _state: int) -> None:
        nonlocal seen
        seen += 1

    def once() -> float:
        nonlocal seen
        seen = 0
        began = time.perf_counter()
        runtime.run(RunParams(text="x"), count)
        return seen / (time.perf_counter() - began)

    rate = statistics.median(rounds_of(runs, once))
    runtime.destroy()
    return rate


def cpu_s(pid: int) -> float:
    """CPU seconds of *pid*, threads that have ended included: its process clock."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_mb(pid: int, key: str = "Pss") -> float:
    """Proportional (or resident) memory of *pid*."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {key} in smaps_rollup")


def worker_of(daemon: NpuDaemon, model: str) -> int:
    """The worker that holds *model*: the newest child after unloading and loading it."""
    daemon.unload(model)
    before = set(daemon.children())
    daemon.ask(model, "x")
    (fresh,) = set(daemon.children()) - before
    return fresh


def flat_out(daemon: NpuDaemon, runs: int) -> list[float]:
    """Tokens a second over gRPC, the whole request."""

    def once() -> float:
        began = time.perf_counter()
        _, finished = daemon.ask("fast", "x")
        return finished.usage.completion_tokens / (time.perf_counter() - began)

    once()
    return rounds_of(runs, once)


def cpu_per_token_ms(daemon: NpuDaemon) -> tuple[float, float]:
    """CPU of daemon and of worker for one token, at 15 tokens a second."""
    pids = (daemon.process.pid, worker_of(daemon, "slow"))
    before = [cpu_s(pid) for pid in pids]
    _, finished = daemon.ask("slow", "x")
    tokens = finished.usage.completion_tokens
    ours, theirs = (
        (cpu_s(pid) - then) / tokens * 1e3 for pid, then in zip(pids, before, strict=True)
    )
    return ours, theirs


def bare_library_ms(folder: Path) -> float:
    """CPU of the library and a counting callback for one token at that pace, in this process."""
    settings = {"answer": "count", "tokens": SLOW_TOKENS, "token_us": SLOW_US}
    path = standin.weights(folder / "bare-slow.rkllm", **settings)
    runtime = Runtime(identify(standin.build(VERSION)))
    runtime.init(InitParams(str(path), 16384, 0xF0))
    before = time.process_time()
    runtime.run(RunParams(text="x"), lambda _result, _state: None)
    taken_s = time.process_time() - before
    runtime.destroy()
    return taken_s / SLOW_TOKENS * 1e3


@contextlib.contextmanager
def bare_stream(folder: Path) -> Iterator[Callable[[], float]]:
    """Yield what measures the CPU of a bare grpc.aio server for one token at that pace."""
    address = f"unix:{folder / 'bare'}"
    command = [sys.executable, "-c", STREAM, address, str(SLOW_TOKENS), str(SLOW_US)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        process.stdout.readline()
        channel = grpc.insecure_channel(address)
        stub = InferenceServiceStub(channel)

        def once() -> float:
            before = cpu_s(process.pid)
            for _ in stub.Generate(pb.GenerateRequest(model="x", prompt="x")):
                pass
            return (cpu_s(process.pid) - before) / SLOW_TOKENS * 1e3

        try:
            yield once
        finally:
            channel.close()
            process.kill()


def cpu_rounds(
    daemon: NpuDaemon, stream: Callable[[], float], library: Callable[[], float], rounds: int
) -> list[tuple[float, float, float, float]]:
    """Daemon, worker, bare stream and bare library in each round, which measures all of them."""
    return [(*cpu_per_token_ms(daemon), stream(), library()) for _ in range(rounds)]


def first_tokens_ms(daemon: NpuDaemon, runs: int) -> tuple[list[float], list[float]]:
    """
    From sending a request to its first text, of a library that needs no time for it.

    In turns: a prompt without tokenizer, and a chat by template and tokenizer.
    """
    options = types_pb2.InferenceOptions(backend=types_pb2.BACKEND_NPU)
    turn = types_pb2.Message(role="user", content="Why is the sky blue?")

    def once(events: Iterable[pb.GenerateResponse | pb.ChatResponse]) -> float:
        began, took_s = time.perf_counter(), 0.0
        for event in events:
            if event.HasField("delta"):
                took_s = took_s or time.perf_counter() - began
        return took_s * 1e3

    def chat() -> Iterable[pb.ChatResponse]:
        request = pb.ChatRequest(model="large", messages=[turn], options=options)
        events: Iterable[pb.ChatResponse] = daemon.inference.Chat(request)
        return events

    once(daemon.generate("short", "x"))
    once(chat())
    rounds = [(once(daemon.generate("short", "x")), once(chat())) for _ in range(runs * 20)]
    plain, chats = zip(*rounds, strict=True)
    return list(plain), list(chats)


def bare_process_mb() -> float:
    """Memory of an interpreter that has loaded the library and nothing else."""
    code = (
        "import ctypes, sys, time; ctypes.CDLL(sys.argv[1]); print('ready', flush=True); "
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(standin.build(VERSION))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = resident_mb(process.pid, "Rss")
        process.kill()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name:
        folder = Path(name)
        peer = bare(folder, runs)
        add_model(folder, "fast", MODELFILE, answer="count", tokens=TOKENS)
        add_model(folder, "slow", MODELFILE, answer="count", tokens=SLOW_TOKENS, token_us=SLOW_US)
        add_model(folder, "short", MODELFILE, answer="count", tokens=1)
        add_model(folder, "large", MODELFILE, answer="count", tokens=1)
        large_tokenizer.write(folder / "models" / "large")
        with running(folder, [VERSION]) as daemon:
            rates = flat_out(daemon, runs)
            firsts, chats = first_tokens_ms(daemon, runs)
            with bare_stream(folder) as stream:
                cpu = cpu_rounds(daemon, stream, lambda: bare_library_ms(folder), runs)
            plain = worker_of(daemon, "short")
            plain_mb, plain_pss = resident_mb(plain, "Rss"), resident_mb(plain)
            large_mbs, large_psss = [], []
            for _ in range(runs):
                large = worker_of(daemon, "large")
                large_mbs.append(resident_mb(large, "Rss"))
                large_psss.append(resident_mb(large))
    alone = bare_process_mb()
    tell("npu.rate", rates)
    tell("npu.first", firsts)
    tell("npu.first.chat", chats)
    tell("npu.cpu", [(ours + theirs) / (grpc_ + lib) for ours, theirs, grpc_, lib in cpu])
    tell("npu.memory", large_mbs)
    rate, first, chat = map(statistics.median, (rates, firsts, chats))
    large_mb, large_pss = map(statistics.median, (large_mbs, large_psss))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"stand-in {VERSION}, medians of {runs}, load average {os.getloadavg()[0]:.1f}"
    )
    print(f"bare library, ctypes callback       {peer:>10.0f} tokens/s")
    print(f"rkd over gRPC, whole request        {rate:>10.0f} tokens/s   {rate / peer:.2f} of it")
    print(f"first token, nothing to prefill     {first:>10.2f} ms (best {min(firsts):.2f})")
    print(f"first token of a chat, tokenizer    {chat:>10.2f} ms (best {min(chats):.2f})")
    middle = [statistics.median(one) for one in zip(*cpu, strict=True)]
    ours, bare_cpu = sum(middle[:2]), sum(middle[2:])
    print(
        f"CPU of daemon + worker a token      {ours:>10.3f} ms at 15 tokens/s: "
        f"{middle[0]:.3f} + {middle[1]:.3f}"
    )
    print(
        f"CPU of bare stream + bare library   {bare_cpu:>10.3f} ms: {middle[2]:.3f} + "
        f"{middle[3]:.3f}   {ours / bare_cpu:.2f} of it"
    )
    print(f"interpreter with the library        {alone:>10.1f} MB resident")
    print(f"worker without tokenizer            {plain_mb:>10.1f} MB, {plain_pss:.1f} proportional")
    print(
        f"worker, vocabulary of {large_tokenizer.WORDS:,}     {large_mb:>10.1f} MB, "
        f"{large_pss:.1f} proportional"
    )


if __name__ == "__main__":
    main()
