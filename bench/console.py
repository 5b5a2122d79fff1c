"""
What the console costs: time to a page's first paint, the daemon's CPU for an open page, memory.

    python bench/console.py [--runs 5] [--seconds 60]

A real Chromium opens the board's page of a real console before a real daemon with one tiny model;
what it needs is what `./tests/run browser` installs. First paint is what the browser itself
measured (first-contentful-paint), with an empty cache and with a warm one. The daemon's CPU is
its own (and its children's) while one page is open, less what it takes while none is. Goals stand
beside the figures; medians, with the worst named.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.chromium import Chromium, chromium
from tests.browser.console_process import console
from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny

GOAL_PAINT_S, GOAL_CPU_PERCENT = 1.0, 1.0
PAINTED = (
    "const found = performance.getEntriesByName('first-contentful-paint')[0];"
    "return found ? found.startTime / 1000 : 0"
)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(one) for one in fields[11:15]) / TICKS_PER_S


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def child_named(words: str) -> int:
    """Pid of this program's child whose command holds *words*."""
    for pid in Path("/proc/self/task").joinpath(str(os.getpid()), "children").read_text().split():
        if words in Path(f"/proc/{pid}/cmdline").read_text():
            return int(pid)
    raise AssertionError(f"no child is called {words}")


def paints(browser: Chromium, runs: int, *, warm: bool) -> list[float]:
    """Open the board's page *runs* times; seconds to the first paint of each."""
    seen = []
    for _ in range(runs):
        if not warm:
            browser.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.driver.get("about:blank")
        browser.open("/")
        seen.append(float(browser.wait(lambda: browser.script(PAINTED), "the first paint")))
    return seen


def share(pid: int, seconds: float) -> float:
    """Percent of a core that *pid* takes over the next *seconds*."""
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_s(pid) - before) / (time.monotonic() - began)


def show(what: str, values: list[float], unit: str, goal: str) -> None:
    """Print one figure."""
    middle, worst = statistics.median(values), max(values)
    print(f"{what:<42}{middle:8.2f} {unit:<4} worst {worst:8.2f}   {goal}")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=60.0)
    given = arguments.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = DaemonProcess(folder, {"XDG_CONFIG_HOME": str(folder / "config")})
        (daemon.models / "tiny").mkdir()
        tiny.write(daemon.models / "tiny" / "tiny.gguf")
        with daemon, console(daemon.environment, folder) as url, chromium(folder) as browser:
            browser.fresh(url)
            browser.sign_in()
            goal = f"goal {GOAL_PAINT_S} s"
            show("first paint, empty cache", paints(browser, given.runs, warm=False), "s", goal)
            show("first paint, warm cache", paints(browser, given.runs, warm=True), "s", goal)
            ours = child_named("rkd_console")
            open_ = share(daemon.pid, given.seconds)
            page = share(ours, given.seconds / 2)
            browser.driver.get("about:blank")
            time.sleep(35)  # until the console takes the page for closed
            idle = share(daemon.pid, given.seconds)
            goal = f"goal {GOAL_CPU_PERCENT} %"
            show("daemon, of a core for one open page", [open_ - idle], "%", goal)
            show("daemon, of a core while none is open", [idle], "%", "")
            show("console, of a core for one open page", [page], "%", "")
            show("console, resident", [resident_mb(ours)], "MB", "")


if __name__ == "__main__":
    main()
