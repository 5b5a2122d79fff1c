"""The board and the log in a real browser, also when the daemon dies under them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.console_process import console
from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny

TREE = Path(__file__).resolve().parents[1] / "data" / "board" / "orange-pi-5"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon that reads the facts of an Orange Pi 5."""
    folder = tmp_path_factory.mktemp("board")
    settings = {"XDG_CONFIG_HOME": str(folder / "config"), "RKD_SYSROOT": str(TREE)}
    made = DaemonProcess(folder, {**settings, "RKD_LISTEN": f"unix:{folder}/s,127.0.0.1:0"})
    (made.models / "tiny").mkdir()
    tiny.write(made.models / "tiny" / "tiny.gguf")
    with made:
        yield made


@pytest.fixture(scope="module")
def url(daemon: DaemonProcess) -> Iterator[str]:
    """Address of a console before it."""
    with console(daemon.environment, daemon.folder) as address:
        yield address


def test_the_board_shows_what_it_is_and_what_is_wrong(signed_in: Chromium) -> None:
    """NPU, every clock with its limits, memory, and the doctor's findings with what to do."""
    for text in ("Orange Pi 5", "Core 2", "cpu4-5", "408 MHz to", "In use", "Error"):
        signed_in.wait_text(text)
    signed_in.looks("board")


def test_a_model_in_memory_is_seen_at_once(signed_in: Chromium, daemon: DaemonProcess) -> None:
    """What another client loads stands on the open page without a reload, in every tab."""
    with daemon.stubs() as stubs:
        from rkd.v1 import pool_pb2  # noqa: PLC0415 - for this test alone

        list(stubs.pool.Load(pool_pb2.LoadRequest(model="tiny")))
    signed_in.wait_text("tiny")
    signed_in.wait(lambda: "ready" in signed_in.text, "the model to be ready")


def test_a_line_is_drawn_with_every_status(signed_in: Chromium) -> None:
    """The plots go on while the page is open."""

    def points() -> int:
        drawn = signed_in.script(
            "return [...document.querySelectorAll('.rkd-plot path')]"
            ".map(p => p.getAttribute('d') || '').join('')"
        )
        return str(drawn).count("L")

    signed_in.wait(lambda: points() >= 2, "two more statuses")


def test_the_log_tells_what_happened_before_and_now(
    signed_in: Chromium, daemon: DaemonProcess
) -> None:
    """What the daemon still holds stands there, and what happens comes to it; words narrow it."""
    signed_in.open("/operations")
    signed_in.wait_text("model added tiny")
    tiny.write(daemon.models / "dropped.gguf")
    signed_in.wait_text("dropped")
    signed_in.type("input[maxlength='100']", "dropped")
    signed_in.wait(lambda: "added tiny" not in signed_in.text, "the log to be narrowed")
    signed_in.looks("operations")


def test_the_daemon_dies_and_comes_back_under_the_open_page(
    signed_in: Chromium, daemon: DaemonProcess
) -> None:
    """The page says so, stays, and goes on by itself."""
    mark = "window.stayed = true; return true"
    assert signed_in.script(mark)
    daemon.kill()
    signed_in.wait_text("The daemon does not answer")
    assert signed_in.find(".rkd-main").is_displayed()
    daemon.start()
    signed_in.wait(
        lambda: "The daemon does not answer" not in signed_in.text, "the banner to leave"
    )
    signed_in.wait_text("The daemon is back.")
    assert signed_in.script("return window.stayed === true")
