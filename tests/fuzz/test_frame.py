"""The frame finds what it should find, keeps it, and makes the same cases again."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from rkd.errors import InternalError, InvalidInputError, Reason
from tests.fuzz.frame import Target, fuzz
from tests.fuzz.mutate import MAX_BYTES, mutate

EXAMPLES = (b"FROM x\nSYSTEM hi\n", b"FROM y\n")


def found(target: Target, corpus: Path, cases: int = 300) -> str:
    """Return what the frame says of *target*."""
    with pytest.raises(pytest.fail.Exception) as caught:
        fuzz(target, seed=1, cases=cases, corpus=corpus)
    return str(caught.value)


def test_finds_and_keeps(tmp_path: Path) -> None:
    """An exception nobody documents fails; the smallest such input is kept and tried first."""

    def read(data: bytes) -> None:
        if b"\0" in data:
            raise KeyError("NUL")

    target = Target("nul", read, EXAMPLES)
    said = found(target, tmp_path)
    kept = list((tmp_path / "nul").iterdir())

    assert "of seed 1" in said
    assert [file.read_bytes() for file in kept] == [b"\0"]
    assert kept[0].name.startswith("KeyError-")
    assert "fails again" in found(target, tmp_path, cases=1)


def test_documented_errors_pass_and_internal_does_not(tmp_path: Path) -> None:
    """A typed refusal is an answer; INTERNAL is a defect."""

    def refuse(data: bytes) -> None:
        raise InvalidInputError(Reason.INVALID_MODELFILE, f"{len(data)} bytes")

    def defect(data: bytes) -> None:
        raise InternalError(Reason.INTERNAL, f"{len(data)} bytes")

    fuzz(Target("refuse", refuse, EXAMPLES), seed=1, cases=50, corpus=tmp_path)
    assert "INTERNAL" in found(Target("defect", defect, EXAMPLES, memory_bytes=None), tmp_path)


def test_bounds(tmp_path: Path) -> None:
    """A case that never ends and one that wants all memory are found, not waited for."""

    def spin(_: bytes) -> None:
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: BLE001, S110 - the reader that swallows everything
                pass

    def grow(_: bytes) -> None:
        bytearray(1 << 33)

    assert "CaseTooSlowError" in found(Target("spin", spin, EXAMPLES, cpu_s=0.05), tmp_path)
    assert "MemoryError" in found(Target("grow", grow, EXAMPLES), tmp_path)


def test_the_same_seed_makes_the_same_cases() -> None:
    """Mutants depend on the seed alone, differ among themselves and are bounded."""
    once = [mutate(Random(number), EXAMPLES) for number in range(200)]  # noqa: S311 - repeatable

    assert once == [mutate(Random(number), EXAMPLES) for number in range(200)]  # noqa: S311
    assert len(set(once)) > 150
    assert max(map(len, once)) <= MAX_BYTES
