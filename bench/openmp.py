"""
How the engine's threads should wait for each other: tokens a second, idle and contended.

    python bench/openmp.py MODEL.gguf [MODEL.gguf …] [--rounds 3] [--tokens 48] [--spins 100,1000]

Every policy is an engine of its own, started as the wheel's server is; only one computes at a
time. Rounds are interleaved. Contended means as many busy loops as there are cores beside it. A
round that is to be idle is tried again while others take more than a tenth of a core, and what
they took in the round that counts is printed; root's engines are preferred to everything else
meanwhile (SCHED_RR), so that others take little of their cores. Printed are medians, the worst,
and how far each is from the best policy of its table. `auto` is rkd's default, by the very code
that does it.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.engine import AUTO, DEFAULT, EngineProcess  # noqa: E402 - after the path
from bench.figures import tell  # noqa: E402 - the same

QUIET_CORES = 0.1
QUIET_BOUND_S = 3
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Policy:
    """How threads wait: what is set in the environment, and how many there are."""

    name: str
    environment: tuple[tuple[str, str], ...]
    threads: int


class Engine:
    """The engine's own server under one policy, asked over HTTP on a unix socket."""

    def __init__(self, model: Path, folder: Path, policy: Policy) -> None:
        self._path = folder / f"{policy.name.replace(' ', '-')}-{policy.threads}.sock"
        self.process = EngineProcess(
            model,
            self._path,
            policy.threads,
            waiting=policy.name,
            environment=dict(policy.environment),
        )

    def rate(self, tokens: int) -> float:
        """Tokens a second of one answer, as the engine counts them."""
        body = {"prompt": "hello there", "n_predict": tokens, "temperature": 0, "ignore_eos": True}
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self._path))
        connection.request("POST", "/completion", json.dumps(body))
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return float(answer["timings"]["predicted_per_second"])


def busy_s() -> float:
    """CPU seconds of the whole machine since it was started."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return (sum(map(int, words)) - int(words[3]) - int(words[4])) * TICK_S


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: tokens a second, and the cores others took meanwhile."""

    rate: float
    others: float


def sampled(engine: Engine, tokens: int) -> Sample:
    """Measure one answer."""
    began, machine, own = time.monotonic(), busy_s(), engine.process.cpu_s()
    rate = engine.rate(tokens)
    others = busy_s() - machine - (engine.process.cpu_s() - own)
    return Sample(rate, max(others, 0.0) / (time.monotonic() - began))


@contextmanager
def preferred(engine: Engine) -> Iterator[None]:
    """Its threads before everybody else's, where we may."""
    with suppress(PermissionError):
        engine.process.prefer(realtime=True)
    try:
        yield
    finally:
        with suppress(PermissionError):
            engine.process.prefer(realtime=False)


def quiet(engine: Engine, tokens: int) -> Sample:
    """The first answer without others beside it, or the one with the fewest until the bound."""
    with preferred(engine):
        seen = [sampled(engine, tokens)]
        until = time.monotonic() + QUIET_BOUND_S
        while seen[-1].others > QUIET_CORES and time.monotonic() < until:
            seen.append(sampled(engine, tokens))
    return min(seen, key=lambda one: one.others)


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many busy loops beside."""
    code = "while True: pass"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(loops)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def policies(spins: list[int], threads: list[int]) -> list[Policy]:
    """The engine's own default, passive, and the spins given, for each number of threads."""
    made = []
    for count in threads:
        made.append(Policy(DEFAULT, (), count))
        if count > 1:
            made.append(Policy(AUTO, (), count))
        made.append(Policy("passive", (("OMP_WAIT_POLICY", "passive"),), count))
        if count > 1:
            made += [Policy(f"spin {one}", (("GOMP_SPINCOUNT", str(one)),), count) for one in spins]
    return made


Measure = Callable[[Engine, int], Sample]
Table = dict[Policy, list[Sample]]


def measure(engines: dict[Policy, Engine], rounds: int, tokens: int, once: Measure) -> Table:
    """Samples by policy; each round asks all of them, in turning order."""
    samples: Table = {policy: [] for policy in engines}
    order = list(engines)
    for at in range(rounds):
        for policy in order[at % len(order) :] + order[: at % len(order)]:
            samples[policy].append(once(engines[policy], tokens))
    return samples


def middle(samples: list[Sample]) -> float:
    """The median rate."""
    return statistics.median(one.rate for one in samples)


def shown(title: str, table: Table) -> None:
    """Print one table."""
    best = max(map(middle, table.values()))
    print(f"{title}  (load average {os.getloadavg()[0]:.1f})")
    for policy, samples in table.items():
        rates = [one.rate for one in samples]
        others = statistics.median(one.others for one in samples)
        print(
            f"  {policy.threads} threads {policy.name:12} {middle(samples):8.2f} tokens/s"
            f"  [{min(rates):.2f}..{max(rates):.2f}]  {middle(samples) / best:.2f} of the best"
            f"  others took {others:.2f} cores",
            flush=True,
        )


def of_best(table: Table) -> list[float]:
    """Each round of rkd's default, of the best policy's median."""
    best = max(map(middle, table.values()))
    most = max(policy.threads for policy in table)
    return [one.rate / best for one in table[Policy(AUTO, (), most)]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--spins", default="100,1000,10000")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--contended-tokens", type=int, default=6)
    given = parser.parse_args()
    spins, threads = (
        [int(word) for word in words.split(",")] for words in (given.spins, given.threads)
    )
    told: dict[str, list[float]] = {"waiting.idle": [], "waiting.contended": []}
    for model in given.models:
        with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name, ExitStack() as stack:
            engines = {}
            for policy in policies(spins, threads):
                engine = engines[policy] = Engine(model, Path(name), policy)
                stack.callback(engine.process.close)
                with preferred(engine):  # what it learns of its cores is of idle ones
                    engine.rate(2)
            idle = measure(engines, given.rounds, given.tokens, quiet)
            shown(f"{model.name}, idle", idle)
            with busy(os.cpu_count() or 1):
                contended = measure(engines, given.rounds, given.contended_tokens, sampled)
                shown(f"{model.name}, contended", contended)
        told["waiting.idle"] += of_best(idle)
        told["waiting.contended"] += of_best(contended)
    for key, values in told.items():
        tell(key, values)


if __name__ == "__main__":
    main()
