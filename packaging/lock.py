"""
Writes the lock: which version of every package is installed, with the digests of its files.

    packaging/lock.py              what pyproject.toml newly asks for is added, the rest stays
    packaging/lock.py --upgrade    everything to its newest
    packaging/lock.py --check      changes nothing; fails when the lock does not hold any more

One file an extra in `packaging/lock/`: `client.txt` is what rkctl needs, the others what an extra
needs on top, `build.txt` what makes a wheel of a checkout. One lock for every Python from 3.11 on
and for both architectures: where they differ, the line has a marker. `uv` resolves it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "packaging" / "lock"
OLDEST_PYTHON = "3.11"
OWN_EXTRAS = {"dev", "release"}
"""For work on rkd, not for its use."""
EDITABLE = "editables>=0.5,<1"
"""What hatchling asks for at an editable installation."""
UV = """
[tool.uv]
environments = ["sys_platform == 'linux'"]
required-environments = [
  "sys_platform == 'linux' and platform_machine == 'aarch64'",
  "sys_platform == 'linux' and platform_machine == 'x86_64'",
]
"""
LINUX = re.compile(r" (?:and|;) sys_platform == 'linux'(?= \\$)", re.MULTILINE)
"""What uv says of every package because only Linux was asked for."""
HEAD = "# Written by packaging/lock.py; to change it, run that.\n"
PIN = re.compile(r"^\S.*?==.*?(?:\n[ ].*)*$", re.MULTILINE)


def pins(text: str) -> list[str]:
    """Split a lock file into its packages, each with its digests."""
    return PIN.findall(text)


def resolve(wanted: str, kept: Path, *options: str) -> list[str]:
    """Return the packages *wanted* needs, of the versions in *kept* where they are named there."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(UV)
        command = [
            *("uv", "pip", "compile", "-", "--quiet", "--directory", folder),
            *("--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"),
            *("--no-annotate", "--no-header", "--output-file", str(kept), *options),
        ]
        subprocess.run(command, input=wanted, text=True, check=True, stdout=subprocess.DEVNULL)
    return pins(LINUX.sub("", kept.read_text()))


def write(folder: Path, *, upgrade: bool) -> None:
    """Write the lock into *folder*, which holds the one before."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    client = project["project"]["dependencies"]
    extras = {
        name: needs
        for name, needs in project["project"]["optional-dependencies"].items()
        if name not in OWN_EXTRAS
    }
    build = [*project["build-system"]["requires"], EDITABLE]
    with tempfile.TemporaryDirectory() as scratch:
        # all together first, so that one version of a package serves every extra
        everything = Path(scratch, "all.txt")
        before = {pin for file in sorted(folder.glob("*.txt")) for pin in pins(file.read_text())}
        if not upgrade:
            everything.write_text("\n".join(sorted(before)))
        wanted = [*client, *(need for needs in extras.values() for need in needs), *build]
        resolve("\n".join(wanted), everything)
        bound = ("--constraints", str(everything))

        def alone(needs: Sequence[str]) -> list[str]:
            return resolve("\n".join(needs), Path(scratch, "one.txt"), "--upgrade", *bound)

        base = alone(client)
        files = {"client": base, "build": alone(build)}
        for name, needs in extras.items():
            files[name] = [pin for pin in alone([*client, *needs]) if pin not in base]
    for old in folder.glob("*.txt"):
        old.unlink()
    for name, packages in files.items():
        (folder / f"{name}.txt").write_text(HEAD + "\n".join(packages) + "\n")


def check() -> int:
    """Write the lock somewhere else, and tell what would be different."""
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        for file in LOCK.glob("*.txt"):
            (fresh / file.name).write_text(file.read_text())
        write(fresh, upgrade=False)
        code = subprocess.run(["diff", "-ru", str(LOCK), str(fresh)], check=False).returncode
    if code:
        print("the lock does not hold any more: run packaging/lock.py", file=sys.stderr)
    return code


def main() -> int:
    """Do as asked."""
    asked = argparse.ArgumentParser(description="Write packaging/lock/ from pyproject.toml.")
    asked.add_argument("--upgrade", action="store_true", help="everything to its newest version")
    asked.add_argument("--check", action="store_true", help="change nothing, fail if it is old")
    options = asked.parse_args()
    if options.check:
        return check()
    LOCK.mkdir(exist_ok=True)
    write(LOCK, upgrade=options.upgrade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
