"""Rows about the library itself and the board under it."""

from __future__ import annotations

import re

from rkctl.verify.heard import reason_of
from rkctl.verify.probe import NotApplicableError, Probe
from rkctl.verify.row import Found, differs, holds, not_applicable

_SAYS = re.compile(r"rkllm-runtime version: (\d[0-9A-Za-z.]*)")
_BAD = re.compile(r"E (?:rkllm|RKNN)")
_FAST = 4


def marker(board: Probe) -> Found:
    """Row 1: the file tells its version."""
    libraries = board.status.npu.runtimes
    if not libraries:
        return not_applicable("no librkllmrt.so was found")
    versions = [one.partition(" ")[0] for one in libraries]
    if "unknown" in versions:
        return differs("a library does not tell its version")
    return holds(", ".join(versions))


def same_version(board: Probe) -> Found:
    """Row 2: loaded, it says the same."""
    error = board.base.error
    if error is not None and "says it is" in error.message:
        return differs(reason_of(error))
    load = board.need()
    lines = [found.group(1) for line in load.lines if (found := _SAYS.search(line))]
    if not load.version:
        return not_applicable("the file does not tell its version")
    if not any("rkllm" in line for line in load.lines):
        return not_applicable("it printed nothing")
    if not lines:
        return differs("it printed lines, none with its version")
    same = lines[-1] == load.version
    return holds(lines[-1]) if same else differs(f"{lines[-1]}, the file {load.version}")


def exported(board: Probe) -> Found:
    """Row 3: every function is there."""
    error = board.base.error
    if error is None:
        return holds("it was loaded")
    if error.reason == "RUNTIME_MISMATCH" and "cannot be loaded" in error.message:
        return differs(reason_of(error))
    board.need()
    return holds("it was loaded")


def prints(board: Probe) -> Found:
    """Row 5: it prints lines to stdout."""
    count = sum("I rkllm" in line for line in board.need().lines)
    return holds(f"{count} lines") if count else differs("no line that begins with I rkllm")


def says_of_device(board: Probe) -> Found:
    """Row 5b: what it says of a missing device can be read."""
    error = board.base.error
    if error is None:
        return not_applicable("the device is there")
    if error.reason == "NPU_UNAVAILABLE":
        return holds(reason_of(error))
    if error.reason == "LOAD_FAILED" and "printed nothing" in error.message:
        return differs(reason_of(error))
    return not_applicable(reason_of(error))


def quiet_load(board: Probe) -> Found:
    """Row 6: a good load prints no error."""
    error = board.base.error
    if error is None:
        return holds("it was loaded")
    unknown = error.metadata.get("cause") == "unknown"
    if error.reason == "LOAD_FAILED" and unknown and _BAD.search(error.message):
        return differs(reason_of(error))
    board.need()
    return holds("it was loaded")


def threads(board: Probe) -> Found:
    """Row 7: callbacks come on whatever thread."""
    pid = board.need().resident.pid
    counts: list[int] = []
    heard = board.ask(
        board.main,
        "Name three colours of threads.",
        at_first=lambda: counts.append(board.threads(pid)),
    )
    if heard.error is not None:
        return differs(reason_of(heard.error))
    seen = f"{counts[0]} threads" if counts and counts[0] else "its threads cannot be seen"
    return holds(f"it answers; {seen}")


def fast_cores(board: Probe) -> Found:
    """Row 14: the highest cores are the fast ones."""
    speeds = {}
    for file in board.root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq"):
        try:
            text = file.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
        if text.isdigit():
            speeds[int(file.parts[-3].removeprefix("cpu"))] = int(text)
    if len(speeds) <= _FAST:
        raise NotApplicableError("there are no more than four cores to see")
    highest = [speeds[core] for core in sorted(speeds)[-_FAST:]]
    others = [speeds[core] for core in sorted(speeds)[:-_FAST]]
    seen = f"{min(highest) // 1000} MHz and more, the others up to {max(others) // 1000} MHz"
    return holds(seen) if min(highest) >= max(others) else differs(seen)


def magic(board: Probe) -> Found:
    """Row 17: how a .rkllm begins."""
    found = {board.show(one).metadata.get("rkllm.magic", "") for one in board.candidates} - {""}
    if not found:
        return not_applicable("there is no .rkllm model")
    shown = ", ".join(sorted(found))
    return holds(shown) if found == {"daeeb336"} else differs(shown)
