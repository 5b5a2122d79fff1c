"""What `rkctl verify` prints and writes; the boards themselves are in the integration tests."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from rkctl.verify.answering import prefix
from rkctl.verify.before import READY, again, changed
from rkctl.verify.heard import Heard, garbled
from rkctl.verify.probe import Probe
from rkctl.verify.report import MOST_SEEN_CHARACTERS, scrubbed
from rkctl.verify.row import Result
from rkctl.verify.table import LAST, ROWS, SECTIONS

from rkd.v1 import pool_pb2, types_pb2
from tests.board_page import with_tables

PAGE = Path(__file__).resolve().parents[3] / "docs" / "board.md"


def test_the_page_is_made_of_the_rows() -> None:
    """Every row of the table is on the page, in the same words."""
    text = PAGE.read_text(encoding="utf-8")

    assert with_tables(text) == text, "python -m tests.board_page docs/board.md"
    assert with_tables(text.replace("| 26 |", "| 99 |")) == text


def test_rows_have_numbers_of_their_own() -> None:
    """In the order of the sections."""
    numbers = [row.number for row in ROWS]

    assert len(set(numbers)) == len(numbers)
    assert LAST in numbers
    assert sorted(ROWS, key=lambda row: SECTIONS.index(row.section)) == list(ROWS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("failed to open '/home/ada/m.rkllm': no", "failed to open '(path)': no"),
        ("~/models/x, /etc/rkd", "(path), (path)"),
        ("at 192.168.1.7:7588 or fe80::1:2:3", "at (address) or (address)"),
        ("ada@board.lan wrote", "(address) wrote"),
        ("https://hub.lan/x?y and unix:/run/rkd", "(address) and (address)"),
        ("my-qwen and qwen and qwen2 are here", "my-qwen and model 1 and qwen2 are here"),
        ("the worker of big.model died", "the worker of model 2 died"),
        ("62 ms, then 5 ms; 1783 of 1784 tokens", "62 ms, then 5 ms; 1783 of 1784 tokens"),
        ("domains 0 and 1", "domains 0 and 1"),
        ("failed to open '/home/ada/My Models/m.rkllm': no", "failed to open '(path)': no"),
        ("from /mnt/My Disk/my-secret.rkllm: bad", "from (path) (file): bad"),
        ("my-secret-7b.Q4_K_M.gguf is no .rkllm", "(file) is no .rkllm"),
        ("at ada-board.local:7588, or rock.lan", "at (address), or (address)"),
        ("connect to board7:7588 failed", "connect to (address) failed"),
        ("link d8:3a:dd:00:11:22 or d8-3a-dd-00-11-22", "link (address) or (address)"),
        ("token 1f2e3d4c.Zm9vYmFyMTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3A", "token 1f2e3d4c.(secret)"),
        ("ADAS-BOARD said so to ada", "(name) said so to (name)"),
        ("rockchip and adamant stay", "rockchip and adamant stay"),
        ("the file librkllmrt.so 1.3.1", "the file librkllmrt.so 1.3.1"),
        ("1.2.1b1, 1.3.1", "1.2.1b1, 1.3.1"),
    ],
)
def test_what_is_seen_names_nobody(text: str, expected: str) -> None:
    """No path, address, host or model; figures and versions stay."""
    assert scrubbed(text, ("qwen", "big.model"), ("ada", "adas-board")) == expected


def test_what_is_seen_is_short() -> None:
    """And on one line."""
    assert len(scrubbed("a b\n" * 1000)) == MOST_SEEN_CHARACTERS
    assert "\n" not in scrubbed("a\nb")


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("", True),
        (" \n", True),
        ("&&&&", True),
        ("\ufffd\ufffda", True),
        ("ab", False),
        ("&&&", False),
    ],
)
def test_garbage(text: str, *, bad: bool) -> None:
    """One sign over and over, nothing, or no text."""
    assert bool(garbled(text)) is bad


def test_what_was_in_memory_comes_back_as_it_was() -> None:
    """What left, is elsewhere, shorter, unpinned or not ready; what is the same stays alone."""

    def resident(model: str, **fields: object) -> pool_pb2.Resident:
        known = {"state": READY, "backend": types_pb2.BACKEND_NPU, "context_tokens": 2048}
        return pool_pb2.Resident(model=model, **{**known, **fields})  # type: ignore[arg-type]

    before = [resident(name, pinned=name == "pin") for name in ("gone", "cpu", "short", "pin", "a")]
    now = [
        resident("cpu", backend=types_pb2.BACKEND_CPU),
        resident("short", context_tokens=1024),
        resident("pin"),
        resident("a", pid=7),
        resident("gone", state=pool_pb2.RESIDENT_STATE_FAILED),
    ]
    asked = again(before[1]).request

    assert [one.model for one in changed(before, now)] == ["gone", "cpu", "short", "pin"]
    assert asked == pool_pb2.LoadRequest(
        model="cpu", backend=types_pb2.BACKEND_NPU, context_tokens=2048
    )


class Busy:
    """A board whose first tokens take as long as it is told, one run after the other."""

    main = "qwen"

    def __init__(self, *waits_ms: int) -> None:
        self._waits_ms = list(waits_ms)

    def need(self) -> None:
        """The model is there."""

    def ask(self, model: str, prompt: str, *, max_tokens: int) -> Heard:
        """Answer; nothing is said."""
        assert (model, max_tokens) == (self.main, 4)
        assert prompt
        heard = Heard()
        heard.finished.timings.first_token.FromMilliseconds(self._waits_ms.pop(0))
        return heard


@pytest.mark.parametrize(
    ("waits_ms", "result"),
    [
        ((100, 20, 100, 20, 100, 20), Result.HOLDS),
        ((100, 90, 100, 300, 100, 20), Result.HOLDS),
        ((300, 100, 110, 100, 100, 105), Result.DIFFERS),
        ((900, 100, 100, 100, 900, 100), Result.DIFFERS),
        ((10, 2, 300, 2, 300, 2), Result.NOT_APPLICABLE),
    ],
)
def test_a_busy_moment_says_nothing_of_the_cache(waits_ms: tuple[int, ...], result: Result) -> None:
    """Neither a first look that was slow by chance nor a second one."""
    assert prefix(cast("Probe", Busy(*waits_ms))).result is result
