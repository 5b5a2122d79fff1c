"""The board and the log in a real browser, also when the daemon dies under them."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.v1 import types_pb2
from rkd.v1.inference_pb2 import GenerateRequest
from rkd.v1.pool_pb2 import LoadRequest
from tests.browser.chromium import Chromium
from tests.browser.console_process import console
from tests.integration.daemon_process import DaemonProcess
from tests.integration.npu_daemon import add_model
from tests.models import tiny
from tests.native import standin

TREE = Path(__file__).resolve().parents[1] / "data" / "board" / "rock-5b"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A place with a name short enough for a picture."""
    with tempfile.TemporaryDirectory(prefix="rkd-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def daemon(folder: Path) -> Iterator[DaemonProcess]:
    """A daemon that reads the facts of a Rock 5B, with a stand-in for the NPU's runtime."""
    library = folder / "librkllmrt.so"
    shutil.copy(standin.build("1.3.0"), library)
    settings = {
        "XDG_CONFIG_HOME": str(folder / "config"),
        "RKD_SYSROOT": str(TREE),
        "RKD_RKLLM_LIBRARY": str(library),
        "RKD_CONFINE": "false",  # the stand-in writes what it was called with
    }
    made = DaemonProcess(folder, {**settings, "RKD_LISTEN": f"unix:{folder}/s,127.0.0.1:0"})
    (made.models / "tiny").mkdir()
    tiny.write(made.models / "tiny" / "tiny.gguf")
    said = "FROM ./m.rkllm\nPARAMETER num_ctx 16384\nPARAMETER num_predict 15000\n"
    add_model(folder, "long", said, answer="count", tokens=14_000, token_us=60_000)
    with made:
        yield made


@pytest.fixture(scope="module")
def url(daemon: DaemonProcess) -> Iterator[str]:
    """Address of a console before it."""
    with console(daemon.environment, daemon.folder) as address:
        yield address


def points(browser: Chromium) -> int:
    """How many pieces the lines have."""
    drawn = browser.script(
        "return [...document.querySelectorAll('.rkd-plot path')]"
        ".map(p => p.getAttribute('d') || '').join('')"
    )
    return str(drawn).count("L")


def test_the_board_shows_what_it_is_and_what_is_wrong(signed_in: Chromium) -> None:
    """NPU, every clock with its limits, memory, and the doctor's findings with what to do."""
    for text in ("ROCK 5", "Core 2", "cpu4-5", "408 MHz", "In use", "ddr", "soc", "Note · tokens"):
        signed_in.wait_text(text)


def test_a_model_in_memory_is_seen_at_once(signed_in: Chromium, daemon: DaemonProcess) -> None:
    """What another client loads stands on the open page without a reload, in every tab."""
    with daemon.stubs() as stubs:
        list(stubs.pool.Load(LoadRequest(model="tiny")))
    signed_in.wait_text("tiny")
    signed_in.wait(lambda: "ready" in signed_in.text, "the model to be ready")


def test_an_answer_is_seen_while_it_is_given_and_can_be_stopped(
    signed_in: Chromium, daemon: DaemonProcess
) -> None:
    """How many tokens, how fast; the button ends it on the board."""
    with daemon.stubs() as stubs:
        answer = stubs.inference.Generate(GenerateRequest(model="long", prompt="x"))
        next(iter(answer))
        signed_in.wait_text("1 answering")
        signed_in.wait_text("long: ")
        signed_in.wait(lambda: points(signed_in) >= 40, "lines to look at")
        signed_in.looks("board", lambda: points(signed_in) >= 20)
        signed_in.click_named("Stop this answer")
        *_, last = answer

    assert last.finished.finish_reason == types_pb2.FINISH_REASON_CANCELLED
    signed_in.wait_text("0 answering")


def test_a_line_is_drawn_with_every_status(signed_in: Chromium) -> None:
    """The plots go on while the page is open."""
    before = points(signed_in)
    signed_in.wait(lambda: points(signed_in) >= before + 2, "two more statuses")


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


def test_a_console_that_is_started_anew_asks_who_it_is(
    chrome: Chromium, daemon: DaemonProcess, tmp_path: Path
) -> None:
    """No page waits for ever: it leads to the form, and back."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = {"RKD_CONSOLE_LISTEN": f"127.0.0.1:{free.getsockname()[1]}"}
    with console(daemon.environment, tmp_path, listen) as url:
        chrome.fresh(url)
        chrome.sign_in()
        chrome.open("/operations")
    with console(daemon.environment, tmp_path, listen):
        chrome.wait(lambda: chrome.path == "/signin", "the form")
        chrome.click("#without")
        chrome.wait(lambda: chrome.path == "/operations", "the page")
    chrome.complaints()
