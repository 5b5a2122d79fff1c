"""
What a library of thousands of models costs: start, one file dropped in, one model deleted, List.

    python bench/library_many.py [--models 5000] [--rounds 5] [--no-calls]

CPU is that of the daemon's threads (`/proc/PID/task/*/schedstat`), so that a busy machine changes
it little; what looks at a file (stat, open, listing a folder, watching it) is counted by strace
in a run of its own. Medians; the goal stands beside, and what misses it says so.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients")]

from bench.figures import LIBRARY, tell  # noqa: E402 - after the path
from rkd.v1 import models_pb2 as pb  # noqa: E402 - the same
from tests.integration.daemon_process import DaemonProcess, Stubs, wait_for  # noqa: E402
from tests.unit.library.folders import put  # noqa: E402 - the same
from tests.unit.weights.gguf_bytes import build  # noqa: E402 - the same

LONG_S = 600.0
QUIET_S = 1.5
"""So long the consequences of a change are counted in; a dropped file waits 0.5 s for its move."""

CALLS = "%%stat,%file,getdents64,inotify_add_watch"
_CALL = re.compile(r"^\s*\d+\s+([\d.]+) (\w+)\(")


class Told:
    """What was measured, by row."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def __call__(self, what: str, value: float) -> None:
        """Take down one value of a row."""
        if what not in {goal.what for goal in LIBRARY}:
            raise KeyError(what)
        self._values[what].append(value)

    def show(self) -> None:
        """Print every row that has values, in order."""
        for goal in LIBRARY:
            values = self._values.get(goal.what)
            if not values:
                continue
            middle = statistics.median(values)
            wanted = "" if goal.at_most is None else f"at most {goal.at_most:g}"
            kept = "" if goal.at_most is None else "holds" if middle <= goal.at_most else "MISSED"
            spread = f"{min(values):.4g} to {max(values):.4g}"
            value = f"{middle:.4g} {goal.unit}"
            print(f"{goal.what:52} {value:>14}  {spread:>20}  {wanted:14} {kept}".rstrip())
            tell(goal.key, values)


def fill(root: Path, models: int) -> None:
    """Make folders as a pull leaves them, with weights small enough for any disk."""
    weights = build()
    for number in range(models):
        name = f"model-{number:05}"
        put(root / name / f"{name}-Q4_K_M.gguf", weights)
        put(root / name / "Modelfile", f"FROM ./{name}-Q4_K_M.gguf\nPARAMETER temperature 0.7\n")
        put(root / name / "tokenizer_config.json", '{"chat_template": "{{ messages }}"}')


def cpu_s(pid: int) -> float:
    """CPU seconds of the process, of all its threads that still are."""
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def resident_mb(pid: int) -> float:
    """Resident memory of the process, in thousands of the kernel's kB, as figures before were."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(told.partition("\nRss:")[2].split()[0]) / 1000


def unread(stubs: Stubs) -> int:
    """How many folders the daemon has not looked at yet."""
    return stubs.models.List(pb.ListRequest(page_size=1)).unread_folders


def everything(stubs: Stubs) -> int:
    """List all models, page by page; returns how many."""
    count, token = 0, ""
    while True:
        answer = stubs.models.List(pb.ListRequest(page_size=1000, page_token=token))
        count += len(answer.models)
        token = answer.next_page_token
        if not token:
            return count


@contextlib.contextmanager
def started(folder: Path) -> Iterator[tuple[DaemonProcess, float]]:
    """A daemon that is ready, and how long that took."""
    daemon = DaemonProcess(folder, {"RKD_LOG_LEVEL": "warning"})
    began = time.monotonic()
    daemon.launch()
    try:
        wait_for((folder / "ready").exists, "the daemon to be ready", LONG_S)
        yield daemon, time.monotonic() - began
    finally:
        daemon.stop()


def changes(daemon: DaemonProcess, stubs: Stubs, number: int) -> dict[str, Callable[[], None]]:
    """What is done to a library that is at rest, by the beginning of its rows."""
    flat = daemon.models / f"dropped-{number}.gguf"
    folder = flat.with_suffix("")

    def drop() -> None:
        flat.write_bytes(build())
        wait_for((folder / flat.name).exists, "the file to be moved", LONG_S)
        time.sleep(QUIET_S)

    def delete() -> None:
        shutil.rmtree(folder)
        time.sleep(QUIET_S)

    return {
        "one file dropped in": drop,
        "one model deleted": delete,
        "List of all models": lambda: print(f"   {everything(stubs)} models listed"),
        "nothing happens for 5 s": lambda: time.sleep(5),
    }


def measure(folder: Path, told: Told, rounds: int) -> None:
    """CPU of one start and of every change."""
    with started(folder) as (daemon, ready_s), daemon.stubs() as stubs:
        told("start to ready, wall clock", ready_s)
        told("start to ready, CPU", cpu_s(daemon.pid))
        wait_for(lambda: not unread(stubs), "every model to be read", LONG_S)
        told("start to every model read, CPU", cpu_s(daemon.pid))
        time.sleep(QUIET_S)
        for number in range(rounds):
            for what, act in changes(daemon, stubs, number).items():
                before_s = cpu_s(daemon.pid)
                act()
                told(f"{what}, CPU", (cpu_s(daemon.pid) - before_s) * 1000)


def count_calls(folder: Path, told: Told, models: int) -> None:
    """Calls that look at a file below the models folder, from the start on and for each change."""
    log = folder / "calls"
    daemon = DaemonProcess(folder, {"RKD_LOG_LEVEL": "warning"})
    daemon.launch()
    told_of = ["strace", "-f", "-ttt", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o", str(log)]
    tracer = subprocess.Popen([*told_of, "-p", str(daemon.pid)], stderr=subprocess.DEVNULL)
    phases: list[tuple[str, float, float]] = []
    try:
        began = time.time()
        wait_for((folder / "ready").exists, "the daemon to be ready", LONG_S)
        with daemon.stubs() as stubs:
            wait_for(lambda: not unread(stubs), "every model to be read", LONG_S)
            time.sleep(QUIET_S)
            phases.append(("start to every model read", began, time.time()))
            for what, act in changes(daemon, stubs, 0).items():
                began = time.time()
                act()
                phases.append((what, began, time.time()))
    finally:
        daemon.stop()
        tracer.wait(LONG_S)
    times = looks(log, daemon.models)
    for what, begin, end in phases[:-1]:
        count = sum(begin <= at <= end for at in times)
        if what.startswith("start"):
            told(f"{what}, looks at files a model", count / models)
        else:
            told(f"{what}, looks at files", count)


def looks(log: Path, models: Path) -> list[float]:
    """When each traced call that names a place in *models* was made."""
    place = str(models)
    times = []
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = _CALL.match(line)
            if found and place in line:
                times.append(float(found[1]))
    return times


def main() -> int:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-calls", action="store_true", help="count no system calls")
    given = parser.parse_args()
    told = Told()
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as place:
        for number in range(3):
            with started(Path(place) / f"empty{number}") as (daemon, _):
                told("start without a model, CPU", cpu_s(daemon.pid))
                time.sleep(QUIET_S)
                told("idle without a model, resident", resident_mb(daemon.pid))
        folder = Path(place) / "many"
        fill(folder / "models", given.models)
        for _ in range(3):
            measure(folder, told, given.rounds)
        if given.no_calls:
            print("system calls were not asked for")
        elif shutil.which("strace") is None:
            print("system calls are not counted: there is no strace")
        else:
            count_calls(folder, told, given.models)
    told.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
