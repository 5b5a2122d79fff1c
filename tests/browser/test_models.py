"""The page of models: looked through, loaded, mended, brought by drop, deleted when asked twice."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.browser.chromium import PHONE, Chromium
from tests.browser.stock_board import MODELFILE, board, model
from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny

MANY = 120
DROP = """
const [name, text] = arguments;
const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([bytes], name));
for (const kind of ["dragover", "drop"])
  document.querySelector("main").dispatchEvent(
    new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
"""
SENT_FROM = (
    "return performance.getEntriesByType('resource').map((one) => one.name)"
    ".filter((one) => one.includes('offset=')).map((one) => Number(one.split('offset=')[1]))"
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A board with models in every state, and more than a page of them."""
    made = board(tmp_path_factory.mktemp("models"))
    for number in range(MANY):
        home = made.models / f"many-{number:03}"
        home.mkdir()
        os.link(made.models / "tiny" / "tiny.gguf", home / "m.gguf")
        (home / "Modelfile").write_text("FROM ./m.gguf\n", encoding="utf-8")
    with made:
        yield made


@pytest.fixture
def page(signed_in: Chromium) -> Chromium:
    """A browser at the list of models."""
    signed_in.open("/models")
    signed_in.find("tbody tr")
    return signed_in


def row(name: str, state: str = "") -> str:
    """The selector of a model's row."""
    wanted = f"[data-state='{state}']" if state else ""
    return f"tr[data-model='{name}']{wanted}"


def about(page: Chromium, name: str) -> None:
    """Open the dialog of *name*."""
    page.open(f"/models?model={name}")
    page.find(".stock-dialog pre")


def filter_by(page: Chromium, words: str) -> None:
    """Show only what *words* name."""
    field = page.find("input[name=filter]")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.BACKSPACE, words)


def test_the_library_is_listed_with_its_states(page: Chromium) -> None:
    """Ready, bare, wrong with its reason; axe finds nothing serious; a phone shows it all."""
    filter_by(page, "wrong")
    page.wait_text("unknown parameter 'temprature'")
    page.find(row("wrong", "disk.invalid"))
    filter_by(page, "bare")
    page.find(row("bare", "disk.needs_modelfile"))
    filter_by(page, "")
    page.find(row("bare"))

    assert page.serious() == []
    page.size(PHONE)
    assert page.script("return document.documentElement.scrollWidth <= window.innerWidth")
    assert page.serious() == []
    page.looks("models", lambda: bool(page.all(row("bare"))))


def test_a_long_list_comes_a_page_at_a_time(page: Chromium) -> None:
    """The browser holds one page of rows; filter, order and pages reach all of them."""
    rows = lambda: len(page.all("tbody tr"))  # noqa: E731 - looked at again and again
    assert page.wait(lambda: rows() == 50, "a full page")
    page.click_named("Next page")
    page.wait(lambda: page.all(row("many-060")), "the second page")
    assert rows() == 50
    filter_by(page, "many-119")
    page.wait(lambda: rows() == 1, "the one")
    assert page.find("input[name=filter]").get_property("value") == "many-119"
    filter_by(page, "")
    Select(page.find("select[name=keep]")).select_by_value("mend")
    page.wait(lambda: rows() == 2, "those to be mended")

    assert page.all(row("bare"))
    assert page.all(row("wrong"))


def test_a_model_is_loaded_pinned_and_unloaded_in_every_tab(page: Chromium) -> None:
    """What one tab does, another shows."""
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    second = page.driver.current_window_handle
    try:
        page.open("/models?model=nobody")
        filter_by(page, "tiny")
        page.find(row("tiny", "disk.ready"))
        page.driver.switch_to.window(first)
        filter_by(page, "tiny")
        page.click(f"{row('tiny')} [data-act=pin]")
        page.find(row("tiny", "memory.ready"))
        page.wait_text("pinned")
        page.driver.switch_to.window(second)
        page.find(row("tiny", "memory.ready"))
        page.click(f"{row('tiny')} [data-act=unload]")
        page.find(row("tiny", "disk.ready"))
    finally:
        page.driver.switch_to.window(second)
        page.driver.close()
        page.driver.switch_to.window(first)
    page.find(row("tiny", "disk.ready"))


def test_a_modelfile_is_mended_where_it_is_wrong(page: Chromium, daemon: DaemonProcess) -> None:
    """Marked at line and column while it is written, saved when it is right, ready at once."""
    filter_by(page, "wrong")
    page.click(f"{row('wrong')} [data-act=mend]")
    page.wait(lambda: "line 2, column 1" in page.find(".stock-problems").text, "the problem")
    assert page.find(".stock-code .stock-error").text == "PARAMETER temprature 1"
    assert page.find(".stock-code .cm-content").get_attribute("aria-label") == "Modelfile of wrong"
    assert page.named("Save").get_attribute("disabled") is not None
    assert page.serious() == []
    page.picture("modelfile-light-wide")
    text = page.find(".stock-code .cm-content")
    page.click(text)
    text.send_keys(Keys.CONTROL, "a")
    text.send_keys("FROM ./w.gguf\nPARAMETER temperature 0.25")
    page.wait(lambda: not page.all(".stock-problem"), "no problem")
    page.click_named("Save")
    page.find(row("wrong", "disk.ready"))

    text_now = (daemon.models / "wrong" / "Modelfile").read_text(encoding="utf-8")
    assert text_now == "FROM ./w.gguf\nPARAMETER temperature 0.25"


def test_a_folder_without_modelfile_gets_one(page: Chromium, daemon: DaemonProcess) -> None:
    """Rkllama's way, from the page."""
    filter_by(page, "bare")
    page.click(f"{row('bare')} [data-act=mend]")
    page.click_named("Write the Modelfile")
    page.find(row("bare", "disk.ready"))

    assert 'FROM="bare.rkllm"' in (daemon.models / "bare" / "Modelfile").read_text()


def test_a_hostile_modelfile_is_text(page: Chromium) -> None:
    """Shown and edited: no script of it runs, and what turns text is seen."""
    about(page, "hostile")
    shown = page.find(".stock-dialog pre").text
    assert "<script>window.hit=1</script>" in shown
    assert "202E" in shown
    page.click_named("Edit")
    page.wait(lambda: "window.hit" in page.find(".cm-content").text, "the editor")

    assert page.script("return window.hit") is None
    assert "\u202e" not in page.text


def test_a_delete_asks_and_a_copy_goes(page: Chromium, daemon: DaemonProcess) -> None:
    """Keep keeps it; only the second yes removes the folder."""
    about(page, "tiny")
    page.click_named("Copy")
    page.type(".stock-ask input[name=to]", "second")
    page.click(".stock-ask button[type=submit]")
    page.wait((daemon.models / "second").is_dir, "the copy")
    about(page, "second")
    page.click_named("Delete")
    page.wait_text("Delete second?")
    assert page.serious() == []
    page.picture("models-delete-light-wide")
    page.click_named("Keep it")
    page.wait(lambda: not page.all(".stock-ask"), "the question to go")
    assert (daemon.models / "second" / "Modelfile").read_text() == MODELFILE
    page.click_named("Delete")
    page.wait_text("Delete second?")
    page.click(".stock-ask button")
    page.wait(lambda: not (daemon.models / "second").exists(), "the end of it")
    page.wait(lambda: not page.all(".stock-dialog"), "the dialog to close")


def test_a_file_dropped_becomes_a_model(
    page: Chromium, daemon: DaemonProcess, tmp_path: Path
) -> None:
    """Read, sent, made; the daemon has every byte."""
    file = tiny.write(tmp_path / "dropped Model.gguf", seed=7)
    page.script(DROP, file.name, base64.b64encode(file.read_bytes()).decode())
    page.wait_text("Make a model of these files?")
    assert page.find(".stock-ask input[name=name]").get_property("value") == "dropped-Model"
    assert page.serious() == []
    page.picture("models-drop-light-wide")
    page.click(".stock-ask button[type=submit]")
    filter_by(page, "dropped")
    page.find(row("dropped-Model", "disk.ready"))

    kept = next((daemon.models / "dropped-Model").glob("*.gguf"))
    assert kept.read_bytes() == file.read_bytes()


def test_an_upload_broken_off_goes_on_where_it_stopped(page: Chromium, tmp_path: Path) -> None:
    """Cancelled in the middle and dropped again: only the rest is sent."""
    file = tiny.write(tmp_path / "again.gguf", seed=8)
    with file.open("ab") as more:
        more.write(os.urandom(8 << 20))  # what follows the tensors is nobody's
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1 << 19}
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    field = page.driver.find_element("css selector", "input[type=file]")
    field.send_keys(str(file))
    page.click(".stock-ask button[type=submit]")
    page.wait(lambda: _sent_mb(page) >= 2, "some of it to be sent")
    page.click_named("Cancel: again")
    page.wait(lambda: not page.all("li[data-upload]"), "the row to go")
    page.driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1}
    )
    field.send_keys(str(file))
    page.click(".stock-ask button[type=submit]")
    filter_by(page, "again")
    page.find(row("again", "disk.ready"))

    offsets = page.script(SENT_FROM)
    assert offsets[0] == 0
    assert offsets[-1] > 0


def test_what_is_no_model_is_refused_before_it_is_read(page: Chromium) -> None:
    """A picture, an empty file: said at once, nothing is asked of the board."""
    page.script(DROP, "cat.png", base64.b64encode(b"png").decode())
    page.wait_text("cat.png is no model")
    page.script(DROP, "empty.gguf", "")
    page.wait_text("empty.gguf is empty")


def test_a_model_that_appears_is_shown(page: Chromium, daemon: DaemonProcess) -> None:
    """Somebody else puts one on the board: the open page has it without being asked."""
    filter_by(page, "newcomer")
    page.wait_text("No model is like that.")
    model(daemon, "newcomer", MODELFILE)
    page.find(row("newcomer", "disk.ready"))


def _sent_mb(page: Chromium) -> float:
    """How much the page says was sent, in megabytes."""
    said = page.find("li[data-upload]").text
    if "Sending" not in said:
        return 0.0
    number, unit = said.rpartition(" · ")[2].split(" of ")[0].split()
    return float(number) if unit == "MB" else 0.0
