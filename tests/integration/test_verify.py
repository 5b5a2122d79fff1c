"""`rkctl verify`: every row holds on the good stand-ins, and one that is broken differs, alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet
from rkctl.verify.table import ROWS

from tests.integration.npu_daemon import NpuDaemon, running
from tests.integration.verify_board import (
    GOOD,
    LOAD_BOUND_S,
    RUN_BOUND_S,
    Scenario,
    Verified,
    board,
    environment,
    verify,
    write_models,
)
from tests.native import standin

pytestmark = pytest.mark.timeout(2 * RUN_BOUND_S)
"""A test waits for its board, and for those before it; the board itself is bounded."""

BY_HAND = {"16", "21", "24b", "30", "37"}
OLD_ONLY = {"11"}
AT_ONCE = 4

BROKEN = (
    Scenario("1", defines=("NO_MARKER",), variables={"RKD_RKLLM_VERSION": "1.3.1"}),
    Scenario("2", control="no_version_line=1"),
    Scenario("3", defines=("LACKS_LORA",)),
    Scenario("4", control="answer?Count to five=&&&&&&&&&&&&"),
    Scenario("5", control="mute=1"),
    Scenario("5b", control="device=none\ndevice_stderr=1"),
    Scenario("6", control="init_line=E rkllm: a harmless remark"),
    Scenario("7", control="run_crash?colours of threads=segv"),
    Scenario("8", control="limit_refused=96"),
    Scenario("9", control="refused_init_crash=segv"),
    Scenario("10", control="context_step=64"),
    Scenario("11", version="1.2.3", control="leak_mb=64"),
    Scenario("12", control="domain_fails=1"),
    Scenario("13", control="run_rc?Two at once=-1\nrun_line?Two at once=E RKNN: failed to submit"),
    Scenario("14", fast=(0, 1, 2, 3)),
    Scenario("15", alien={"target": "RK3588", "init_rc": -1, "init_line": "E rkllm: wrong chip"}),
    Scenario("17", control="any_magic=1", magic=b"RKNN"[::-1]),
    Scenario("18", control="utf8?Repeat these=drop"),
    Scenario("19", control="utf8?Repeat these=bytes\nanswer?Repeat these=天 \\xf0\\x9f ok"),
    Scenario("20", other={"answer": "&&&&&&&&&&&&"}),
    Scenario("22", control="answer?1, 2, 3,=Hello! How can I help?"),
    Scenario("23", other={"counts_all": 1}),
    Scenario("24", main={"no_reuse": 1}),
    Scenario("25", control="answer?What is my name=Your name is Adalbertus."),
    Scenario("26", control="counter?Count to five=1"),
    Scenario("27", control="answer?weather in Paris=It is warm."),
    Scenario(
        "28", control='answer?A plain question=<tool_call>{"name": "get_weather"}</tool_call>'
    ),
    Scenario("29", control="embd_turn=1"),
    Scenario("31", control="abort_hang?ten thousand=1"),
    Scenario("32", control="abort_hang?Read all of this=1"),
    Scenario("33", control="answer?Say yes=\\n"),
    Scenario("34", control="abort_hang?to a hundred=1"),
    Scenario("35", main={"unclean": "{folder}/unclean"}),
    Scenario("36", other={"answer": "Hi <|im_end|>", "piece": 3}),
)
"""For each row a program judges, a board on which it is otherwise."""

GOOD_ONES = tuple(Scenario("", version=one) for one in standin.VERSIONS)
SCENARIOS = (*GOOD_ONES, *BROKEN)
QUICK = {"1.2.0", "1.3.1", "row-3", "row-6", "row-25"}
"""What the default tier has time for; every board takes some seconds."""


def _id(scenario: Scenario) -> str:
    return f"row-{scenario.breaks}" if scenario.breaks else scenario.version


def _marked(scenarios: tuple[Scenario, ...]) -> list[ParameterSet]:
    """All of them as parameters, those that take the slow tier's time marked."""
    return [
        pytest.param(one, id=_id(one), marks=() if _id(one) in QUICK else pytest.mark.slow)
        for one in scenarios
    ]


@pytest.fixture(scope="module")
def verified(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Verified]]]:
    """Every board that is asked for, verified; some at once, since they mostly wait."""
    chosen = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    threads = ThreadPoolExecutor(AT_ONCE)
    yield {
        _id(one): threads.submit(verify, tmp_path_factory.mktemp(_id(one)), one)
        for one in SCENARIOS
        if _id(one) in chosen
    }
    threads.shutdown(cancel_futures=True)


@pytest.mark.parametrize("scenario", _marked(GOOD_ONES))
def test_every_row_holds(verified: dict[str, Future[Verified]], scenario: Scenario) -> None:
    """On each version of the stand-in; what its version lacks is not applicable, and said so."""
    it = verified[_id(scenario)].result()

    assert [row for row, said in it.results.items() if said == "differs"] == [], it.output
    assert len(it.results) == len(ROWS)
    assert it.code == 0
    if scenario.version == "1.3.1":
        open_ = {row for row, said in it.results.items() if said != "holds"}
        assert open_ == BY_HAND | OLD_ONLY | {"5b"}, it.output


@pytest.mark.parametrize("scenario", _marked(BROKEN))
def test_exactly_that_row_differs(
    verified: dict[str, Future[Verified]], scenario: Scenario
) -> None:
    """A board that breaks one assumption is told by that row alone, with what was seen."""
    it = verified[_id(scenario)].result()

    assert [row for row, said in it.results.items() if said == "differs"] == [scenario.breaks], (
        it.output
    )
    assert it.seen[scenario.breaks]
    assert it.code == 1


def test_every_row_a_program_judges_can_be_broken() -> None:
    """None that could not fail."""
    assert [one.breaks for one in BROKEN] == [r.number for r in ROWS if r.number not in BY_HAND]


def test_the_report_tells_nothing_of_whose_board_it_is(
    verified: dict[str, Future[Verified]], tmp_path: Path
) -> None:
    """No path, no model, no prompt; the facts of the board and each row, as text and as JSON."""
    for it in (verified["1.3.1"].result(), verified["row-6"].result(), verified["row-3"].result()):
        text = it.report
        data = json.loads(text.partition("```json\n")[2].partition("```")[0])
        assert [row["row"] for row in data["rows"]] == list(it.results)
        assert data["board"]["soc"] == "rk3588"
        assert data["whole"]
        for secret in (
            "/tmp",
            str(tmp_path.parent),
            "qwen",
            "alien",
            "rkd.sock",
            "Adalbertus",
            "lighthouse",
        ):
            assert secret not in text.replace("rkctl run qwen", ""), secret


@contextmanager
def verifying(
    folder: Path, control: str, *arguments: str, code: str = ""
) -> Iterator[tuple[NpuDaemon, subprocess.Popen[str]]]:
    """A daemon, and `rkctl verify` on its way through the rows; *code* runs it otherwise."""
    write_models(folder, Scenario(""))
    (folder / "control").write_text(f"{GOOD}\n{control}\n", encoding="utf-8")
    root = board(folder / "root", (4, 5, 6, 7))
    with running(folder, ("1.3.1",), sysroot=root, load_timeout_s=LOAD_BOUND_S) as daemon:
        rkctl = ("-c", code) if code else ("-m", "rkctl")
        command = [sys.executable, *rkctl, "verify", "--json", "--report", "report.md", *arguments]
        process = subprocess.Popen(
            command,
            env=environment(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            text=True,
        )
        try:
            yield daemon, process
        finally:
            process.kill()
            process.communicate()


def heard(process: subprocess.Popen[str], rows: int) -> list[str]:
    """The next rows it says."""
    assert process.stdout is not None
    return [json.loads(next(process.stdout))["row"] for _ in range(rows)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_ways_to_end_it(tmp_path: Path, number: signal.Signals) -> None:
    """Its terminal is closed, or it is told to end, twice: as Ctrl-C does."""
    with verifying(tmp_path, "token_us?colours of threads=100000") as (daemon, process):
        heard(process, 6)
        process.send_signal(number)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        left = daemon.children()

    assert process.returncode == 130
    assert "stopped before the end" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert left == []


def test_a_daemon_that_dies_in_a_row(tmp_path: Path) -> None:
    """No row differs for that; the report says how far it came."""
    with verifying(tmp_path, "token_us?colours of threads=100000") as (daemon, process):
        rows = heard(process, 7)  # the eighth takes its time
        daemon.process.kill()
        rest, said = process.communicate(timeout=120)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")

    assert (rest, process.returncode) == ("", 4)
    assert "[UNAVAILABLE]" in said
    assert "stopped before the end" in report
    assert "differs" not in report
    assert [row for row in rows if f"| {row} | " not in report] == []


def test_a_report_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    """Not after all the rows; nothing is loaded."""
    (tmp_path / "report.md").symlink_to("gone/report.md")
    with verifying(tmp_path, "") as (_, process):
        said, error = process.communicate(timeout=120)

    assert said == ""
    assert "[INVALID_FILE]" in error
    assert process.returncode == 1
    assert not standin.calls(tmp_path / "qwen.jsonl", "rkllm_init")


LIMITED = """\
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, resource.RLIM_INFINITY))
runpy.run_module("rkctl", run_name="__main__", alter_sys=True)
"""
"""`rkctl` on a disk where no file grows any further."""


@pytest.mark.parametrize(("limit_bytes", "rows", "left"), [(64, 0, []), (2000, 8, ["report.md"])])
def test_a_report_without_room_is_not_half_written(
    tmp_path: Path, limit_bytes: int, rows: int, left: list[str]
) -> None:
    """At the start nothing is done; at the end what the start wrote stays whole, all is told."""
    numbers = [row.number for row in ROWS[:8]]
    code = LIMITED.format(limit_bytes=limit_bytes)
    with verifying(tmp_path, "", *(f"--row={one}" for one in numbers), code=code) as (it, process):
        said, error = process.communicate(timeout=RUN_BOUND_S)
        stays = it.residents()

    assert len(said.splitlines()) == rows
    assert "[DISK_FULL]" in error
    assert process.returncode == 1
    assert [one.name for one in tmp_path.iterdir() if one.suffix in {".md", ".new"}] == left
    assert stays == []
    for name in left:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert not json.loads(text.partition("```json\n")[2].partition("```")[0])["whole"]


def test_one_broken_model_is_not_the_end(tmp_path: Path) -> None:
    """The smallest cannot be loaded: the rows are judged with the next one."""
    broken = Scenario("", main={"init_rc": -1, "init_line": "E rkllm: invalid rkllm model!"})
    it = verify(tmp_path, broken, *(f"--row={row}" for row in ("2", "3", "4", "5", "6", "7", "12")))

    assert {row: said for row, said in it.results.items() if said != "holds"} == {
        "12": "not applicable"
    }, it.output
    assert "another one is tried" in it.report


def test_it_may_be_stopped_at_any_time(tmp_path: Path) -> None:
    """Ctrl-C in the middle: what it loaded has left, and the report says how far it came."""
    write_models(tmp_path, Scenario(""))
    (tmp_path / "control").write_text(
        f"{GOOD}\ntoken_us?colours of threads=100000\n", encoding="utf-8"
    )
    root = board(tmp_path / "root", (4, 5, 6, 7))
    with running(tmp_path, ("1.3.1",), sysroot=root, load_timeout_s=LOAD_BOUND_S) as daemon:
        command = [sys.executable, "-m", "rkctl", "verify", "--json", "--report", "report.md"]
        process = subprocess.Popen(
            command, env=environment(tmp_path), stdout=subprocess.PIPE, cwd=tmp_path, text=True
        )
        assert process.stdout is not None
        said = [json.loads(next(process.stdout))["row"] for _ in range(6)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        left = daemon.children()
    report = (tmp_path / "report.md").read_text(encoding="utf-8")

    assert said == ["1", "2", "3", "4", "5", "5b"]
    assert "stopped before the end" in report
    assert process.returncode == 130
    assert left == []
