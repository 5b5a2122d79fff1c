"""
Tries mutants of the rooms whose mistakes are the dearest; fails on a survivor nobody judged.

    python tests/mutation/run.py [--only PATH] [--jobs J] [--quick]

Each mutant lives in a fork first (`forks.py`); who survives there, in a copy of the tree of its
own, where the property tests of its room look at it too. Who survives that as well stands in
`judged.toml` with the reason why no test can or need see it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants, names

ROOT = Path(__file__).resolve().parents[2]
JUDGED = Path(__file__).with_name("judged.toml")
BOUND_S = 120.0
"""A mutant that hangs is noticed, too."""

ROOMS: dict[str, Sequence[str]] = {
    "rkd/pool/deciding": ("tests/unit/pool",),
    "rkd/operations": ("tests/unit/operations",),
    "rkd/library/staging.py": ("tests/unit/library/test_staging.py",),
    "rkd/hub/mover.py": ("tests/unit/hub/test_mover.py",),
}
"""Sources, and the tests that have to notice, the likeliest first."""

PLACES: dict[str, tuple[str, Sequence[str]]] = {
    "rkd/daemon/life.py": ("Daemon.reload", ("tests/unit/daemon/test_life.py",)),
    "rkd/service/running.py": ("Running.", ("tests/unit/service/test_running.py",)),
    "rkd/service/gate/calls.py": ("_known", ("tests/unit/service/gate/test_calls.py",)),
    "rkd/library/library.py": ("Library.copy", ("tests/unit/library/test_library.py",)),
    "rkd/worker/loop.py": ("WorkerLoop._close", ("tests/unit/worker/test_loop.py",)),
    "rkd/durable.py": ("sync_tree", ("tests/unit/test_durable.py",)),
    "rkd/backend/rkllm/resident.py": (
        "LoadedModel.run",
        ("tests/unit/backend/rkllm/test_resident.py",),
    ),
}
"""Single functions elsewhere in which mistakes were found, by how their names begin."""


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
                yield from _of(name, "", tests)
    for name, (functions, tests) in PLACES.items():
        if name.startswith(only):
            yield from _of(name, functions, tests)


def _of(name: str, functions: str, tests: Sequence[str]) -> Iterator[Trial]:
    for mutant in mutants((ROOT / name).read_text(encoding="utf-8"), functions):
        yield Trial(name, mutant, tests)


def judged() -> dict[str, str]:
    """Survivors that were looked at: `path: name` and the reason."""
    if not JUDGED.exists():
        return {}
    held = tomllib.loads(JUDGED.read_text(encoding="utf-8"))
    return {
        f"{path}: {name}": reason for path, rows in held.items() for name, reason in rows.items()
    }


def stale(known: Mapping[str, str]) -> list[str]:
    """Judgements of code that is gone: what stands there now was looked at by nobody."""
    files = {name.partition(": ")[0] for name in known}
    there = {
        f"{path}: {name}" for path in files for name in names((ROOT / path).read_text("utf-8"))
    }
    return sorted(known.keys() - there)


def nest(home: Path) -> Path:
    """A copy of the tree for one trial at a time."""
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


def survivors(only: str, jobs: int) -> Iterator[Trial]:
    """Whoever the plain tests let live, file by file."""
    for path, group in groupby(trials(only), key=lambda one: one.path):
        every = list(group)
        tests = existing(path, every[0].tests)
        functions, _ = PLACES.get(path, ("", ()))
        command = [sys.executable, "-B", "-m", "tests.mutation.forks", path, functions, str(jobs)]
        done = subprocess.run(
            [*command, *tests], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        verdicts = dict(json.loads(line) for line in done.stdout.splitlines())
        if len(verdicts) != len(every):
            raise SystemExit(f"{path}: {len(verdicts)} of {len(every)} mutants were tried")
        left = [one for index, one in enumerate(every) if verdicts[index] != "killed"]
        print(f"{path}: {len(every)} mutants, {len(left)} outlive the plain tests", flush=True)
        yield from left


def existing(path: str, tests: Sequence[str]) -> list[str]:
    """The tests that mirror *path* first, then its room's."""
    inner = Path(path).relative_to("rkd")
    mirror = Path("tests/unit", inner.parent, f"test_{inner.name}")
    return [str(mirror), *tests] if (ROOT / mirror).exists() else list(tests)


def main() -> int:
    """Try them and tell; 1 when one survived that nobody judged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="files whose path begins so")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="no second look at survivors")
    given = parser.parse_args()
    known = judged()
    gone = [name for name in stale(known) if name.startswith(given.only)]
    for name in gone:
        print(f"judged, and no mutant any more: {name}")
    unjudged = 0
    with tempfile.TemporaryDirectory() as folder:
        home = nest(Path(folder))
        for trial in survivors(given.only, given.jobs):
            reason = known.get(f"{trial.path}: {trial.mutant.name}")
            if reason is None and (given.quick or not killed(trial, home)):
                unjudged += 1
                print(f"survived: {trial}", flush=True)
    print(f"{unjudged} survived that nobody judged")
    return 1 if unjudged or gone else 0


if __name__ == "__main__":
    sys.exit(main())
