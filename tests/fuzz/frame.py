"""
Fuzz one reader: kept inputs first, then mutants of good ones; what breaks it is kept.

    def test_modelfile(fuzz: Fuzz) -> None:
        '''Whatever a Modelfile holds, parse answers or raises INVALID_MODELFILE.'''
        fuzz(Target("modelfile", parse, examples=(b"FROM x",)))

A target may let out what it documents (`RkdError` as a rule) and nothing else, and has a bound of
CPU time and memory for each case. `--fuzz-cases N` says how many mutants, `--fuzz-seed S` which.
A failing input is made smaller and written to `tests/fuzz/corpus/<target>/`, where every later
run tries it first: commit it together with the repair.
"""

from __future__ import annotations

import hashlib
import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

import pytest

from rkd.errors import Reason, RkdError
from tests.fuzz.mutate import MAX_BYTES, mutate

CORPUS = Path(__file__).parent / "corpus"
MAX_ERROR_BYTES = 8_000
"""gRPC carries 8 kB of trailers to every client, and an error loses its reason beyond that."""
MAX_VIOLATIONS = 11
"""Ten, and one that says how many more there are."""
ANY_REASON = frozenset(Reason) - {Reason.INTERNAL}
SHRINKING_STEPS = 300
"""A failing input is tried at most so often in smaller form."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    One reader and what it may be fed with.

    Args:
        name: also the folder of its kept inputs.
        run: reads one input; whatever it needs around it is its own affair.
        examples: good inputs to start from; at least one.
        words: tokens of the format, put into mutants now and then.
        allowed: what *run* may raise.
        reasons: of those the reasons an `RkdError` may have.
        make: builds a case instead of the mutator, where bytes are not the right matter.
        most_bytes: mutants are cut there.
        cost: a case costs as much as so many cheap ones: the number of cases is divided by it.
        cpu_s: CPU time one case may take (waits count nothing: they are bounded by *run*).
        memory_bytes: address space one case may add, or None where threads make that no measure.
    """

    name: str
    run: Callable[[bytes], object]
    examples: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    allowed: tuple[type[Exception], ...] = (RkdError,)
    reasons: frozenset[Reason] = ANY_REASON
    make: Callable[[Random], bytes] | None = None
    most_bytes: int = MAX_BYTES
    cost: int = 1
    cpu_s: float = 5.0
    memory_bytes: int | None = 512 * 1024 * 1024


Fuzz = Callable[[Target], None]
"""What the fixture `fuzz` is."""


class CaseTooSlowError(BaseException):
    """A case took more than its CPU time; no `except Exception` of a reader holds it back."""


def fuzz(target: Target, seed: int, cases: int, corpus: Path = CORPUS) -> None:
    """
    Run *target*'s kept inputs, its examples, and *cases* mutants.

    Raises:
        pytest.fail.Exception: something was let out that should not be, or a bound was broken.
    """
    folder = corpus / target.name
    kept = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in kept:
        trouble = _trouble(target, file.read_bytes())
        if trouble is not None:
            pytest.fail(f"{target.name}: kept input {file} fails again\n{_told(trouble)}")
    for number, case in enumerate(_cases(target, seed, cases)):
        trouble = _trouble(target, case)
        if trouble is None:
            continue
        small = _smaller(target, case, trouble)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{type(trouble).__name__}-{hashlib.sha256(small).hexdigest()[:8]}"
        file.write_bytes(small)
        pytest.fail(
            f"{target.name}: case {number} of seed {seed}, {len(small)} bytes, kept as {file}\n"
            f"{small[:300]!r}\n{_told(trouble)}"
        )


def _cases(target: Target, seed: int, cases: int) -> Iterator[bytes]:
    yield from target.examples
    for number in range(max(1, cases // target.cost)):
        random = Random(f"{seed}/{target.name}/{number}")  # noqa: S311 - to be repeated, not secret
        if target.make is not None and random.random() < 0.5:
            made = target.make(random)
            # Half of those are spoilt as well.
            grown = mutate(random, (made,), target.words, target.most_bytes)
            yield random.choice((made, grown))
        else:
            yield mutate(random, target.examples, target.words, target.most_bytes)


def _trouble(target: Target, case: bytes) -> BaseException | None:
    """Return what *case* breaks, or None."""
    try:
        with _cpu_bound(target.cpu_s), _memory_bound(target.memory_bytes):
            target.run(case)
    except target.allowed as error:
        return _unfit(error, target.reasons) if isinstance(error, RkdError) else None
    except (Exception, CaseTooSlowError) as error:  # noqa: BLE001 - anything else is the finding
        return error
    return None


def _unfit(error: RkdError, reasons: frozenset[Reason]) -> BaseException | None:
    """Judge a refusal: its reason is expected, it can be sent, and it says little of the input."""
    if error.reason not in reasons:
        return error
    told = [error.message, error.remedy, *error.metadata, *error.metadata.values()]
    told += [part for one in error.violations for part in (one.field, one.description)]
    try:
        size = sum(len(text.encode()) for text in told)
    except UnicodeEncodeError as cannot_be_sent:
        return cannot_be_sent
    if size > MAX_ERROR_BYTES or len(error.violations) > MAX_VIOLATIONS:
        return AssertionError(f"an error of {size} bytes, {len(error.violations)} violations")
    return None


def _smaller(target: Target, case: bytes, trouble: BaseException) -> bytes:
    """Take pieces out of *case* while it fails in the same way."""
    if isinstance(trouble, CaseTooSlowError | MemoryError):
        return case  # each try would take as long
    step, tries = max(1, len(case) // 2), 0
    while step and tries < SHRINKING_STEPS:
        at = 0
        while at < len(case) and tries < SHRINKING_STEPS:
            tries += 1
            shorter = case[:at] + case[at + step :]
            if type(_trouble(target, shorter)) is type(trouble):
                case = shorter
            else:
                at += step
        step //= 2
    return case


def _told(trouble: BaseException) -> str:
    """Write the end of the traceback: a deep recursion has thousands of lines."""
    lines = traceback.format_exception(trouble, limit=-8)
    return "".join(lines)[-3_000:]


@contextmanager
def _cpu_bound(seconds: float) -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> None:
        raise CaseTooSlowError(f"more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def _memory_bound(more_bytes: int | None) -> Iterator[None]:
    """Let the process grow by *more_bytes* and no more: beyond is a MemoryError in the reader."""
    if more_bytes is None:
        yield
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
