"""
Tries mutants of the rooms whose mistakes are the dearest; fails on a survivor nobody judged.

    python tests/mutation/run.py [--sample N] [--seed S] [--only PATH] [--jobs J]

Each mutant lives in a copy of the tree of its own; the tests of its room run against it until one
fails. A survivor stands in `judged.toml` with the reason why no test can or need see it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
JUDGED = Path(__file__).with_name("judged.toml")
BOUND_S = 120.0
"""A mutant that hangs is noticed, too."""

ROOMS: dict[str, Sequence[str]] = {
    "rkd/pool/deciding": ("tests/unit/pool",),
    "rkd/operations": ("tests/unit/operations",),
    "rkd/library/staging.py": ("tests/unit/library/test_staging.py", "tests/unit/library"),
    "rkd/hub/mover.py": ("tests/unit/hub/test_mover.py", "tests/unit/hub"),
}
"""Sources, and the tests that have to notice, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One mutant of one file, and the tests to try it with."""

    path: str
    mutant: Mutant
    tests: Sequence[str]

    def __str__(self) -> str:
        return f"{self.path}:{self.mutant.line} {self.mutant.name}"


def trials(only: str) -> Iterable[Trial]:
    """Every mutant there is, of files below *only*."""
    for room, tests in ROOMS.items():
        place = ROOT / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            name = str(path.relative_to(ROOT))
            if name.startswith(only):
                for mutant in mutants(path.read_text(encoding="utf-8")):
                    yield Trial(name, mutant, tests)


def judged() -> dict[str, str]:
    """Survivors that were looked at: `path: name` and the reason."""
    if not JUDGED.exists():
        return {}
    held = tomllib.loads(JUDGED.read_text(encoding="utf-8"))
    return {
        f"{path}: {name}": reason for path, rows in held.items() for name, reason in rows.items()
    }


def nest(folder: Path, number: int) -> Path:
    """A copy of the tree for one trial at a time."""
    home = folder / str(number)
    home.mkdir()
    shutil.copytree(ROOT / "rkd", home / "rkd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("tests", "clients", "docs", "proto", "pyproject.toml", "README.md", "systemd"):
        (home / name).symlink_to(ROOT / name)
    return home


def killed(trial: Trial, home: Path) -> bool:
    """Whether a test notices."""
    path = home / trial.path
    whole = path.read_text(encoding="utf-8")
    path.write_text(trial.mutant.source, encoding="utf-8")
    try:
        command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "--no-header"]
        command += ["-p", "no:cacheprovider", "-m", "not slow and not fuzz", *trial.tests]
        done = subprocess.run(
            command,
            cwd=home,
            env={**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{home / 'clients'}"},
            capture_output=True,
            timeout=BOUND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    else:
        return done.returncode != 0
    finally:
        path.write_text(whole, encoding="utf-8")


def main() -> int:
    """Try them and tell; 1 when one survived that nobody judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="how many by the dice; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="files whose path begins so")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    every = list(trials(given.only))
    if given.sample and given.sample < len(every):
        every = random.Random(given.seed).sample(every, given.sample)  # noqa: S311 - a choice
    known = judged()
    unjudged: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        nests: SimpleQueue[Path] = SimpleQueue()
        for number in range(given.jobs):
            nests.put(nest(Path(folder), number))

        def attempt(trial: Trial) -> tuple[Trial, bool]:
            home = nests.get()
            try:
                return trial, killed(trial, home)
            finally:
                nests.put(home)

        with ThreadPoolExecutor(given.jobs) as threads:
            survivors = 0
            for trial, noticed in threads.map(attempt, every):
                if noticed:
                    continue
                survivors += 1
                reason = known.get(f"{trial.path}: {trial.mutant.name}")
                print(f"survived: {trial}" + (f" ({reason})" if reason else ""), flush=True)
                if reason is None:
                    unjudged.append(str(trial))
    print(f"{len(every)} mutants, {survivors} survived, {len(unjudged)} of them not judged")
    return 1 if unjudged else 0


if __name__ == "__main__":
    sys.exit(main())
