"""Findings from facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary, Telemetry
from rkd.board.read import read_board
from rkd.board.telemetry import read_telemetry
from rkd.errors import PreconditionError, Reason
from rkd.setting import Listen
from rkd.telemetry.answering import AnsweringClocks
from rkd.telemetry.doctor import CHECKS, Condition, examine
from rkd.telemetry.finding import Finding, Severity, Trouble

TREES = Path(__file__).resolve().parents[2] / "data" / "board"
BROKEN = PreconditionError(Reason.RUNTIME_MISMATCH, "/usr/lib is broken", remedy="Mend it.")


def facts(tree: str = "rock-5b") -> Condition:
    """A board on which all is well."""
    root = TREES / tree
    library = RuntimeLibrary(Path("/usr/lib/librkllmrt.so"), "1.2.3")
    return Condition(
        board=read_board(root, (library,), architecture="aarch64", access=lambda _: True),
        telemetry=read_telemetry(root),
        backend="auto",
        groups=("rkd", "render", "video"),
        models=Path("/var/lib/rkd/models"),
        models_writable=True,
        models_free_bytes=100 << 30,
        disk_reserve_bytes=512 << 20,
        listen=(Listen(socket="/run/rkd/rkd.sock"), Listen(host="127.0.0.1", port=7588)),
        tokens=1,
        has_tls=False,
        has_client_ca=False,
        insecure=False,
        native_engine=True,
        open_files=65536,
        now=datetime(2026, 11, 21, tzinfo=UTC),
    )


GOOD = facts()


def capped(name: str, *, cooled: bool = False) -> Telemetry:
    """The good board with a clock that may go up to 600 MHz."""
    clocks = (
        replace(one, limit_hz=600_000_000, cooled=cooled) if one.name == name else one
        for one in GOOD.telemetry.clocks
    )
    return replace(GOOD.telemetry, clocks=tuple(clocks))


CLOSED = replace(
    GOOD.board,
    npu_nodes=tuple(replace(node, accessible=False) for node in GOOD.board.npu_nodes),
)
OPEN = Listen(host="0.0.0.0", port=7588)  # noqa: S104 - what is warned of


def finding(given: Condition, check: str) -> Finding:
    """Return what *check* found."""
    return next(one for one in examine(given) if one.check == check)


def test_a_good_board_has_nothing_to_mend() -> None:
    """Every check is fine and says so without a remedy."""
    findings = examine(GOOD)

    assert {one.severity for one in findings} == {Severity.OK}
    assert {one.remedy for one in findings} == {""}
    assert len(findings) == len(CHECKS)


@pytest.mark.parametrize(
    ("given", "check", "severity", "words"),
    [
        (replace(GOOD, board=replace(GOOD.board, soc="")), "soc", Severity.NOTE, "CPU"),
        (
            replace(GOOD, backend="npu", board=replace(GOOD.board, soc="rk3399")),
            "soc",
            Severity.ERROR,
            "rk3399",
        ),
        (facts("mainline"), "npu-driver", Severity.ERROR, "rocket"),
        (facts("orange-pi-5"), "npu-driver", Severity.ERROR, "0.8.2"),
        (
            replace(GOOD, board=replace(GOOD.board, npu_driver="0.9.2")),
            "npu-driver",
            Severity.WARNING,
            "0.9.2",
        ),
        (
            replace(GOOD, board=replace(GOOD.board, npu_driver="0.9.7")),
            "npu-driver",
            Severity.WARNING,
            "0.9.7",
        ),
        (
            replace(GOOD, board=replace(GOOD.board, npu_driver="")),
            "npu-driver",
            Severity.NOTE,
            "not known",
        ),
        (facts("mainline"), "npu-device", Severity.ERROR, "/dev/rknpu"),
        (replace(GOOD, board=CLOSED), "npu-device", Severity.ERROR, "renderD129"),
        (
            replace(GOOD, board=replace(GOOD.board, runtimes=())),
            "npu-library",
            Severity.ERROR,
            "not found",
        ),
        (
            replace(
                GOOD,
                board=replace(GOOD.board, runtimes=(RuntimeLibrary(Path("/x"), "", BROKEN),)),
            ),
            "npu-library",
            Severity.ERROR,
            "broken",
        ),
        (
            replace(GOOD, board=CLOSED, groups=("render",)),
            "groups",
            Severity.WARNING,
            "not in video",
        ),
        (
            replace(GOOD, telemetry=replace(GOOD.telemetry, cpu_governor="powersave")),
            "governor",
            Severity.WARNING,
            "CPU powersave",
        ),
        (
            replace(GOOD, telemetry=replace(GOOD.telemetry, ddr_governor="powersave")),
            "governor",
            Severity.WARNING,
            "DDR powersave",
        ),
        (
            replace(GOOD, seen=AnsweringClocks({"ddr": 528_000_000})),
            "clock-ddr",
            Severity.WARNING,
            "ddr was at 528 of 2112 MHz",
        ),
        (replace(GOOD, telemetry=capped("cpu4-5")), "clock-cpu", Severity.WARNING, "cpu4-5 may"),
        (replace(GOOD, telemetry=capped("npu")), "clock-npu", Severity.WARNING, "npu may"),
        (
            replace(GOOD, telemetry=capped("npu", cooled=True)),
            "clock-heat",
            Severity.WARNING,
            "heat holds back npu at 600 of 1000 MHz",
        ),
        (
            replace(GOOD, telemetry=replace(GOOD.telemetry, temperatures_c=(("npu", 91.0),))),
            "temperature",
            Severity.WARNING,
            "npu is at 91",
        ),
        (
            replace(GOOD, telemetry=replace(GOOD.telemetry, memory_available_bytes=500 << 20)),
            "memory",
            Severity.WARNING,
            "524 MB",
        ),
        (replace(GOOD, models_writable=False), "disk", Severity.ERROR, "cannot be written"),
        (replace(GOOD, models_free_bytes=100 << 20), "disk", Severity.ERROR, "105 MB"),
        (replace(GOOD, models_free_bytes=2 << 30), "disk", Severity.WARNING, "2.1 GB"),
        (
            replace(GOOD, listen=(OPEN,), insecure=True),
            "listeners",
            Severity.WARNING,
            "without TLS",
        ),
        (replace(GOOD, tokens=None), "tokens", Severity.ERROR, "cannot be read"),
        (replace(GOOD, tokens=0), "tokens", Severity.NOTE, "every user"),
        (replace(GOOD, tokens=0, wants_tokens=True), "tokens", Severity.NOTE, "file is empty"),
        (
            replace(GOOD, now=datetime(1970, 1, 2, tzinfo=UTC)),
            "clock",
            Severity.ERROR,
            "1970-01-02",
        ),
        (replace(GOOD, open_files=1024), "open-files", Severity.NOTE, "1024"),
        (
            replace(GOOD, engine_trouble=Trouble("libgomp.so.1 is missing", "install it")),
            "cpu-engine",
            Severity.ERROR,
            "libgomp.so.1 is missing",
        ),
        (replace(GOOD, native_engine=False), "cpu-engine", Severity.NOTE, "dot products"),
    ],
)
def test_what_is_wrong_is_named_with_one_remedy(
    given: Condition, check: str, severity: Severity, words: str
) -> None:
    """The message says what was found, the remedy what to do, each in one line."""
    found = finding(given, check)

    assert found.severity is severity
    assert words in found.message
    assert found.remedy
    assert "\n" not in found.message + found.remedy


def test_off_a_board_nothing_about_the_npu_is_an_error(tmp_path: Path) -> None:
    """A laptop is told once that models run on the CPU."""
    board = replace(read_board(tmp_path, ()), architecture="x86_64")
    bad = [one for one in examine(replace(GOOD, board=board)) if one.severity > Severity.OK]

    assert [(one.check, one.severity) for one in bad] == [("soc", Severity.NOTE)]


def test_tls_and_tokens_make_an_open_listener_safe() -> None:
    """Nothing is warned of where insecure is written but not needed."""
    safe = replace(GOOD, listen=(OPEN,), insecure=True, has_tls=True)

    assert finding(safe, "listeners").severity is Severity.OK


def test_models_no_library_gets_on_with() -> None:
    """Another library that serves is a note, none at all a warning; five are named at most."""
    note = finding(replace(GOOD, unfit=("a is loaded with 1.2.3: 1.3.1 garbage",)), "npu-models")
    bad = finding(
        replace(GOOD, stuck=tuple(f"m{at}: 1.3.1 crashed" for at in range(7))), "npu-models"
    )

    assert (note.severity, bad.severity) == (Severity.NOTE, Severity.WARNING)
    assert "1.3.1 garbage" in note.message
    assert bad.message.endswith("m4: 1.3.1 crashed; and 2 more")


@pytest.mark.parametrize(
    ("tree", "severity", "words"),
    [
        ("rock-4d", Severity.OK, "w4a16"),
        ("rk3562-evb", Severity.OK, "w8a8"),
        ("rv1126b-evb", Severity.OK, "rv1126b"),
        ("container", Severity.OK, "the device tree is masked"),
        ("rock-3a", Severity.NOTE, "vision models alone"),
    ],
)
def test_each_chip_is_told_with_what_runs_on_it(tree: str, severity: Severity, words: str) -> None:
    """What its library takes, or that the CPU it is; and how it was recognised."""
    found = finding(facts(tree), "soc")

    assert found.severity is severity
    assert words in found.message
