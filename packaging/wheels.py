"""
Fetches the wheels the lock names, for other machines than this one.

    packaging/wheels.py DIR [--arch aarch64] [--python 3.11] [--extra daemon]…

Each option may be given several times; without one: both architectures, every Python and every
extra. rkd's own wheel is not among them: `pip wheel --no-deps -w DIR .`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from lock import LOCK, pins
from packaging.requirements import Requirement

ARCHITECTURES = ("aarch64", "x86_64")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_27", "manylinux_2_28")
"""What the wheels may want of the system: glibc 2.28 at most, older than any board's system."""


def extras() -> list[str]:
    """Return the names of the lock's files."""
    return sorted(file.stem for file in LOCK.glob("*.txt"))


def wanted(names: Iterable[str], python: str, architecture: str) -> list[str]:
    """Return the pins of the extras *names* that hold on such a machine, without their markers."""
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": architecture,
        "sys_platform": "linux",
        "implementation_name": "cpython",
    }
    chosen = {}
    for name in names:
        for pin in pins((LOCK / f"{name}.txt").read_text()):
            line, _, digests = pin.partition("\\\n")
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(machine):
                requirement.marker = None
                chosen[requirement.name] = f"{requirement} \\\n{digests}"
    return list(chosen.values())


def fetch(
    folder: Path,
    names: Sequence[str],
    python: str,
    architecture: str,
    house: Path | None = None,
) -> None:
    """
    Put the wheels such a machine wants into *folder*, each checked against its digest.

    With *house* they are taken from that folder, and no index is asked.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as chosen:
        chosen.write("\n".join(wanted(names, python, architecture)) + "\n")
        chosen.flush()
        abis = (f"cp{python.replace('.', '')}", "abi3", "none")
        command = [
            *(sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check"),
            *("--dest", str(folder), "--no-deps", "--require-hashes", "--only-binary=:all:"),
            *(f"--platform={level}_{architecture}" for level in GLIBC),
            *("--implementation=cp", f"--python-version={python}"),
            *(f"--abi={abi}" for abi in abis),
            *("--requirement", chosen.name),
            *(("--no-index", f"--find-links={house}") if house else ()),
        ]
        subprocess.run(command, check=True)


def main() -> None:
    """Do as asked."""
    asked = argparse.ArgumentParser(description="Fetch the wheels of packaging/lock/.")
    asked.add_argument("folder", type=Path)
    asked.add_argument("--arch", action="append", choices=ARCHITECTURES)
    asked.add_argument("--python", action="append", choices=PYTHONS)
    asked.add_argument("--extra", action="append", choices=extras())
    options = asked.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for architecture in options.arch or ARCHITECTURES:
        for python in options.python or PYTHONS:
            fetch(options.folder, options.extra or extras(), python, architecture)


if __name__ == "__main__":
    main()
