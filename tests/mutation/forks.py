"""
Tries the mutants of one file fast: the tests are collected once, each mutant lives in a fork.

    python -m tests.mutation.forks SOURCE FUNCTIONS JOBS TEST…

In the fork the wrong function takes the place of the right one, then the tests that enter it run
until the first that fails; whichever killed most so far go first. Says a line of JSON for each
mutant: its index and `killed`, `survived` or `unswapped` (one that only another file on disk can
show). Property tests are left out: they take longer than all the others together.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import Mutant, mutants
from tests.mutation.reach import Reach

HANGS_S = 20.0
PATIENCE = 10
"""A test that takes so many times as long as with the right file, and HANGS_S, hangs: noticed."""
WHOLE_S = 600.0
"""The right file has so long for each test."""
MEMORY = Path("/dev/shm")
"""Where there is one, the tests' files lie there: most of their time they wait for a disk."""
_REACH = "reach.json"
_SURVIVED, _KILLED, _UNSWAPPED = range(3)
_WORDS = ("survived", "killed", "unswapped")


class Forks:
    """
    The plugin that runs the tests once for each mutant.

    Args:
        source: the file whose mutants are tried.
        functions: how the names of those begin that are; "" for all.
        jobs: how many at a time.
    """

    def __init__(self, source: Path, functions: str, jobs: int) -> None:
        self._source = source
        self._functions = functions
        self._jobs = jobs
        self._killers: Counter[int] = Counter()
        self._said = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what pytest says itself is no verdict
        self._forks: dict[int, tuple[int, int, str]] = {}
        self._reach = Reach()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the file as it is, which has to pass, then every mutant."""
        if session.testsfailed:
            raise session.Failed("collection failed")
        self._begin(session, -1, None)
        self._end_one()
        text = self._source.read_text(encoding="utf-8")
        for index, mutant in enumerate(mutants(text, self._functions)):
            while len(self._forks) >= self._jobs:
                self._end_one()
            self._begin(session, index, mutant)
        while self._forks:
            self._end_one()
        return True

    def _begin(self, session: pytest.Session, index: int, mutant: Mutant | None) -> None:
        folder = tempfile.mkdtemp(prefix="mutant-", dir=MEMORY if MEMORY.is_dir() else None)
        read, write = os.pipe()
        child = os.fork()
        if child:
            os.close(write)
            self._forks[child] = (index, read, folder)
            return
        verdict = _KILLED
        with contextlib.suppress(BaseException):
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nowhere, stream)
            session.config._tmp_path_factory._given_basetemp = Path(folder, "t")  # type: ignore[attr-defined]
            if mutant is None:
                killer = self._measure(session, Path(folder))
            elif swap(self._source, mutant):
                killer = self._first_failing(session, mutant)
            else:
                os._exit(_UNSWAPPED)
            verdict = _SURVIVED if killer is None else _KILLED
            os.write(write, b"" if killer is None else str(killer).encode())
        os._exit(verdict)

    def _measure(self, session: pytest.Session, folder: Path) -> int | None:
        """Run all plain tests with the right file; the index of one that fails."""
        for index, item in enumerate(session.items):
            if not _is_property(item):
                with self._reach.watching(index, self._source):
                    passed = _passes(session, index, WHOLE_S)
                if not passed:
                    return index
        self._reach.write(folder / _REACH)
        return None

    def _first_failing(self, session: pytest.Session, mutant: Mutant) -> int | None:
        """Run the tests that come there, the likeliest first; the index of the one that noticed."""
        first = [index for index, _ in self._killers.most_common()]
        order = list(dict.fromkeys([*first, *self._reach.took_s]))
        for index in self._reach.of(mutant.function, order):
            hangs_s = max(HANGS_S, PATIENCE * self._reach.took_s[index])
            if not _passes(session, index, hangs_s):
                return index
        return None

    def _end_one(self) -> None:
        child, status = os.wait()
        index, read, folder = self._forks.pop(child)
        with os.fdopen(read) as pipe:
            killer = pipe.read()
        code = os.waitstatus_to_exitcode(status)
        if index < 0:
            if code != _SURVIVED:
                raise pytest.Session.Failed(f"the tests fail without a mutant (test {killer})")
            self._reach = Reach.read(Path(folder, _REACH))
        shutil.rmtree(folder, ignore_errors=True)
        if killer:
            self._killers[int(killer)] += 1
        if index >= 0:
            verdict = _WORDS[code] if code in range(3) else "killed"
            print(json.dumps([index, verdict]), file=self._said, flush=True)


def _passes(session: pytest.Session, index: int, hangs_s: float) -> bool:
    """Run one test, alone; who takes *hangs_s* ends the process with 1, which is _KILLED."""
    faulthandler.dump_traceback_later(hangs_s, exit=True)
    # Fixtures of a module are made anew for each: any test may be the next.
    reports = runtestprotocol(session.items[index], log=False, nextitem=None)
    faulthandler.cancel_dump_traceback_later()
    return not any(one.failed for one in reports)


def _is_property(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def swap(source: Path, mutant: Mutant) -> bool:
    """Put the mutant's code into the functions that live; False when it cannot be."""
    wrong = list(_codes(compile(mutant.source, str(source), "exec"), mutant.function))
    right = [
        one
        for one in gc.get_objects()
        if isinstance(one, FunctionType)
        and one.__code__.co_filename == str(source)
        and one.__code__.co_qualname == mutant.function
    ]
    right.sort(key=lambda one: one.__code__.co_firstlineno)
    if not wrong or len(wrong) != len(right):
        return False
    try:
        for function, code in zip(right, wrong, strict=True):
            function.__code__ = code
    except ValueError:  # it closes over less than the right one
        return False
    return True


def _codes(code: CodeType, name: str) -> Iterator[CodeType]:
    """The codes of that qualified name, in the order of the file."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == name:
                yield constant
            yield from _codes(constant, name)


def main(source: str, functions: str, jobs: str, *tests: str) -> int:
    """Run pytest with the plugin; its exit code."""
    options: Sequence[str] = ("-s", "-q", "-p", "no:cacheprovider")
    chosen = ("-m", "not slow and not fuzz")
    forks = Forks(Path(source).resolve(), functions, int(jobs))
    return pytest.main([*options, *chosen, *tests], plugins=[forks])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
