"""How much memory there is: the machine's, or the control group's where that is less."""

from __future__ import annotations

import os
import re
from pathlib import Path

from rkd.board import tree


def total_and_available(root: Path) -> tuple[int, int]:
    """Return (total, available) in bytes; of the running kernel where *root* holds no meminfo."""
    text = tree.read_text(root, "proc/meminfo") or tree.read_text(Path("/"), "proc/meminfo")
    info = dict(re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE))
    total = int(info.get("MemTotal", 0)) * 1024
    available = int(info.get("MemAvailable", 0)) * 1024
    for limit, left in _groups(root):
        total, available = min(total, limit), min(available, left)
    return total, available


def own_bytes() -> int:
    """Return the resident memory of this process; 0 when the kernel does not tell."""
    pages = tree.read_text(Path("/"), "proc/self/statm").split()[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages else 0


def _groups(root: Path) -> list[tuple[int, int]]:
    """
    Return (limit, left) of our control group and each above it that has a limit.

    Pages of files count as used by the group but are given back under pressure: mapped weights
    are such pages, so they count as left. **Source:** cgroup-v2.rst, memory.stat.
    """
    unified = re.search(r"^0::/(.*)$", tree.read_text(root, "proc/self/cgroup"), re.MULTILINE)
    found: list[tuple[int, int]] = []
    at = Path("sys/fs/cgroup") / (unified.group(1) if unified else "")
    while at.name != "fs":
        limit = tree.read_int(root, f"{at}/memory.max")
        used = tree.read_int(root, f"{at}/memory.current")
        if limit is not None and used is not None:
            stat = dict(
                re.findall(
                    r"^(\w+) (\d+)$", tree.read_text(root, f"{at}/memory.stat"), re.MULTILINE
                )
            )
            files = int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))
            found.append((limit, max(0, limit - used + files)))
        at = at.parent
    return found
