"""
How the engine's threads should wait for each other: tokens a second, idle and beside loads.

    python bench/openmp.py MODEL.gguf [MODEL.gguf …] [--full] [--loads idle,burst] [--rounds 3]

Every policy is an engine of its own, started as the wheel's server is; only one computes at a
time. Counted is what an answer brings within some seconds, from the moment it is asked for. Rounds
are interleaved. A round that is to be idle is tried again while others take more than a tenth of a
core, and what they took in the round that counts is printed. As root, engines and loads come before
everything else that runs, and are to each other what equals are. Printed are medians, the worst,
and how far each is from the best policy beside its load. `auto` is rkd's default, by the very code
that does it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.answer import tokens_within  # noqa: E402 - after the path
from bench.engine import AUTO, DEFAULT, EngineProcess  # noqa: E402 - the same
from bench.figures import tell  # noqa: E402 - the same
from bench.loads import IDLE, LOADS, Load  # noqa: E402 - the same

PREFERRED_NICE = -20
QUIET_CORES = 0.1
QUIET_BOUND_S = 5
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
SHORT_LOADS = ("idle", "a loop a core", "0.1 s bursts", "another worker")


def prefer() -> None:
    """
    Put the engines and the loads beside them before what else runs; for root.

    They share as equals do. Where sessions are groups to the scheduler, a group's share counts.
    """
    with suppress(OSError):
        os.setsid()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PREFERRED_NICE)
        Path("/proc/self/autogroup").write_text(str(PREFERRED_NICE))


@dataclass(frozen=True, slots=True)
class Policy:
    """How threads wait: what is set in the environment, and how many there are."""

    name: str
    threads: int = CORES
    environment: tuple[tuple[str, str], ...] = ()


def passive(threads: int) -> Policy:
    """They sleep at once."""
    name = "one thread" if threads == 1 else "passive"
    return Policy(name, threads, (("OMP_WAIT_POLICY", "passive"),))


def spin(rounds: int) -> Policy:
    """They look so many times before they sleep."""
    return Policy(f"spin {rounds}", CORES, (("GOMP_SPINCOUNT", str(rounds)),))


AUTOMATIC = Policy(AUTO)
SHORT = (AUTOMATIC, Policy(DEFAULT), passive(CORES), passive(1))
FULL = (*SHORT, spin(100), spin(1000))


class Engine:
    """The engine's own server under one policy, asked over HTTP on a unix socket."""

    def __init__(self, model: Path, folder: Path, policy: Policy) -> None:
        self._path = folder / f"{policy.name.replace(' ', '-')}.sock"
        self.process = EngineProcess(
            model,
            self._path,
            policy.threads,
            context=1024,
            waiting=policy.name,
            environment=dict(policy.environment),
        )

    def rate(self, window_s: float) -> float:
        """Tokens a second of one answer that is cut after *window_s*."""
        with self.process.answering():
            return tokens_within(self._path, window_s) / window_s


def busy_s() -> float:
    """CPU seconds of the whole machine since it was started."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return (sum(map(int, words)) - int(words[3]) - int(words[4])) * TICK_S


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: tokens a second, and the cores others took meanwhile."""

    rate: float
    others: float


def sampled(engine: Engine, window_s: float) -> Sample:
    """Measure one answer."""
    began, machine, own = time.monotonic(), busy_s(), engine.process.cpu_s()
    rate = engine.rate(window_s)
    others = busy_s() - machine - (engine.process.cpu_s() - own)
    return Sample(rate, max(others, 0.0) / (time.monotonic() - began))


def quiet(engine: Engine, window_s: float) -> Sample:
    """The first answer without others beside it, or the one with the fewest until the bound."""
    seen = [sampled(engine, window_s)]
    until = time.monotonic() + QUIET_BOUND_S
    while seen[-1].others > QUIET_CORES and time.monotonic() < until:
        seen.append(sampled(engine, window_s))
    return min(seen, key=lambda one: one.others)


Measure = Callable[[Engine, float], Sample]
Table = dict[Policy, list[Sample]]


def measure(engines: dict[Policy, Engine], rounds: int, window_s: float, once: Measure) -> Table:
    """Samples by policy; each round asks all of them, in turning order."""
    samples: Table = {policy: [] for policy in engines}
    order = list(engines)
    for at in range(rounds):
        for policy in order[at % len(order) :] + order[: at % len(order)]:
            samples[policy].append(once(engines[policy], window_s))
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
            f"  {policy.name:12} {middle(samples):8.2f} tokens/s"
            f"  [{min(rates):.2f}..{max(rates):.2f}]  {middle(samples) / best:.2f} of the best"
            f"  others took {others:.2f} cores",
            flush=True,
        )


def of_best(table: Table) -> list[float]:
    """Each round of rkd's default, of the best policy's median."""
    best = max(map(middle, table.values()))
    return [one.rate / best for one in table[AUTOMATIC]]


def grid(
    model: Path, policies: tuple[Policy, ...], loads: list[Load], rounds: int, part: float
) -> dict[Load, Table]:
    """Measure every policy beside every load, for that part of its window."""
    tables = {}
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as name, ExitStack() as stack:
        engines = {}
        for policy in policies:
            engine = engines[policy] = Engine(model, Path(name), policy)
            stack.callback(engine.process.close)
            engine.rate(0.1)
        for load in loads:
            once = quiet if load is IDLE else sampled
            with load.beside(model):
                tables[load] = measure(engines, rounds, load.window_s * part, once)
            shown(f"{model.name}, {load.name}", tables[load])
    return tables


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="every load, more policies")
    parser.add_argument("--loads", default="", help="the ones with one of these words")
    given = parser.parse_args()
    prefer()
    words = given.loads.split(",")
    loads = [
        load
        for load in LOADS
        if any(word in load.name for word in words) and (given.full or load.name in SHORT_LOADS)
    ]
    policies, part = (FULL, 1.0) if given.full else (SHORT, 0.5)
    cells: dict[str, list[float]] = {}
    for model in given.models:
        for load, table in grid(model, policies, loads, given.rounds, part).items():
            cells[f"{model.name}, {load.name}"] = of_best(table)
    print("auto, of the best (goal: 0.95 idle, 0.5 beside others):")
    for name, rounds in cells.items():
        print(f"  {name:60} {statistics.median(rounds):.2f}  worst {min(rounds):.2f}")
    idle = [one for name, rounds in cells.items() if name.endswith("idle") for one in rounds]
    beside = {name: one for name, one in cells.items() if not name.endswith("idle")}
    if idle:
        tell("waiting.idle", idle)
    if beside:
        worst = min(beside, key=lambda name: statistics.median(beside[name]))
        print(f"the worst beside others: {worst}")
        tell("waiting.contended", beside[worst])


if __name__ == "__main__":
    main()
