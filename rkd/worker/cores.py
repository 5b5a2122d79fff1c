"""What the kernel tells of cores and of the threads on them, and where threads may run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rkd.worker.contention import NS, Times

_TICK_NS = NS // os.sysconf("SC_CLK_TCK")
_BUSY_WORDS = (1, 3, 6, 7)
"""user, system, irq, softirq of a line of /proc/stat. **Source:** proc_stat(5); a guest's time is
in user's already. Whoever is nice gives way, and time that was stolen is nobody's here."""


def thread_times(process: Path = Path("/proc/self")) -> dict[int, Times]:
    """
    Read the times of every thread of *process*.

    Empty where the kernel keeps none (CONFIG_SCHED_INFO).
    """
    times = {}
    with suppress(OSError):
        for name in os.listdir(process / "task"):  # noqa: PTH208 - five times a second
            with suppress(OSError, ValueError, IndexError):  # it has ended
                words = (process / "task" / name / "schedstat").read_bytes().split()
                times[int(name)] = Times(int(words[0]), int(words[1]))
    return times


def busy_times(cores: Iterable[int], proc: Path = Path("/proc")) -> dict[int, int]:
    """Read what was done on each of *cores* since the start, in ns; empty where nobody tells."""
    wanted = {b"cpu%d" % core: core for core in cores}
    busy = {}
    with suppress(OSError, ValueError, IndexError), (proc / "stat").open("rb") as file:
        for line in file:
            words = line.split()
            if not words[0].startswith(b"cpu"):
                break  # the long lines are behind
            if words[0] in wanted:
                busy[wanted[words[0]]] = sum(int(words[at]) for at in _BUSY_WORDS) * _TICK_NS
    return busy


def fastest_first(cores: Iterable[int], sys: Path = Path("/sys")) -> tuple[tuple[int, ...], int]:
    """Put *cores* in order, and say how many are fast: those nearer to the fastest than not."""
    speeds = {core: _capacity(core, sys) for core in cores}
    ranked = sorted(speeds, key=lambda core: (-speeds[core], core))
    middle = (min(speeds.values()) + max(speeds.values())) / 2
    return tuple(ranked), sum(speed >= middle for speed in speeds.values())


def _capacity(core: int, sys: Path) -> int:
    with suppress(OSError, ValueError):
        return int((sys / f"devices/system/cpu/cpu{core}/cpu_capacity").read_bytes())
    return 0  # all are of one kind, or nobody tells


class Affinity:
    """
    Keeps threads of *process* on some of its cores, and lets them go; used by one thread.

    Args:
        process: its folder in /proc.
        whole: the cores it may use.
    """

    def __init__(self, process: Path, whole: Iterable[int]) -> None:
        self._process = process
        self._whole = frozenset(whole)
        self._home: frozenset[int] = frozenset()
        self._kept: set[int] = set()

    def keep(self, threads: Iterable[int], home: Iterable[int]) -> bool:
        """Keep *threads* on the cores *home*, wherever they were; False if we may not."""
        if self._home != frozenset(home):
            self._home, self._kept = frozenset(home), set()
        for thread in threads:
            if thread in self._kept:
                continue
            try:
                os.sched_setaffinity(thread, self._home)
            except ProcessLookupError:
                continue
            except OSError:
                self.release()
                return False
            self._kept.add(thread)
        return True

    def release(self) -> None:
        """Let all of them run anywhere again, those too that were begun at home."""
        home, self._home, self._kept = self._home, frozenset(), set()
        if not home:
            return
        with suppress(OSError):
            for name in os.listdir(self._process / "task"):  # noqa: PTH208 - as above
                with suppress(OSError):
                    if os.sched_getaffinity(int(name)) == home:
                        os.sched_setaffinity(int(name), self._whole)
