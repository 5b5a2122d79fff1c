"""The Hub's page: found with every filter, judged, fetched with a bar, over lines that break."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.support.ui import Select

from tests.browser.chromium import PHONE, Chromium
from tests.browser.stock_board import MEBI, board, fill
from tests.hub.server import LocalHub
from tests.hub.store import Fault
from tests.hub.weights import gguf
from tests.integration.daemon_process import DaemonProcess

TINY, SEVEN, NPU = "org/Tiny-1B-GGUF", "other/Tiny-7B-GGUF", "npu/Tiny-1B-rkllm"
FOUND = "return [...document.querySelectorAll('li[data-repository]')].map(e=>e.dataset.repository)"
FAST = 16 * MEBI
BARS = (
    "return [...document.querySelectorAll('main li[data-operation]')].map(e => [e.dataset.state,"
    " e.querySelector('progress').hasAttribute('value') ? e.querySelector('progress').value : -1,"
    " e.innerText])"
)


@pytest.fixture(scope="module")
def hub() -> Iterator[LocalHub]:
    """A hub; tests that look at a download make its line slower."""
    with LocalHub(rate_bytes_per_s=FAST) as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def daemon(hub: LocalHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A board that asks this hub."""
    with board(tmp_path_factory.mktemp("hub"), HF_ENDPOINT=hub.endpoint) as made:
        yield made


@pytest.fixture
def page(signed_in: Chromium) -> Chromium:
    """A browser at the Hub's page."""
    signed_in.open("/hub")
    return signed_in


def search(page: Chromium, words: str = "tiny", **filters: str) -> None:
    """Fill the form as somebody would, and send it."""
    page.script("document.querySelector('main form').reset()")
    page.type("input[name=words]", words)
    for name, value in filters.items():
        field = page.find(f"main [name={name}]")
        if field.tag_name == "select":
            Select(field).select_by_value(value)
        else:
            page.type(f"main [name={name}]", value)
    page.click("main form button[type=submit]")


def found(page: Chromium) -> list[str]:
    """What the page shows, in its order."""
    return list(page.script(FOUND))


def offer(page: Chromium, repository: str) -> None:
    """Open *repository* by its address, and wait for its files."""
    search(page, f"https://hf.co/{repository}")
    page.find("li[data-tag]")


def close(page: Chromium) -> None:
    """Close the dialog."""
    page.click(".stock-dialog button[aria-label=Close]")
    page.wait(lambda: not page.all(".stock-dialog"), "the dialog to close")


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, [TINY, SEVEN, NPU]),
        ({"size": "7B"}, [SEVEN]),
        ({"quantization": "q5_k_m"}, [SEVEN]),
        ({"format": "rkllm"}, [NPU]),
        ({"sort": "likes"}, [SEVEN, TINY, NPU]),
        ({"min_downloads": "1000"}, [TINY]),
        ({"license": "mit"}, [TINY]),
        ({"gated": "gated"}, [SEVEN]),
        ({"gated": "open"}, [TINY, NPU]),
        ({"size": "1B", "format": "gguf", "sort": "updated"}, [TINY]),
    ],
    ids=str,
)
def test_every_filter_finds_what_it_says(
    page: Chromium, filters: dict[str, str], wanted: list[str]
) -> None:
    """As `rkctl search` has it, in the order that is asked for."""
    search(page, **filters)

    page.wait(lambda: found(page) == wanted, f"{wanted}")


def test_more_results_come_behind(page: Chromium) -> None:
    """A page of ten, then the rest; nothing twice."""
    search(page, "small", limit="10")
    page.wait(lambda: len(found(page)) == 10, "ten")
    page.click_named("More")
    page.wait(lambda: len(found(page)) == 12, "all twelve")

    assert len(set(found(page))) == 12


def test_what_narrows_the_search_is_a_click_away(page: Chromium) -> None:
    """A chip sets its filter and searches."""
    search(page)
    page.wait(lambda: len(found(page)) == 3, "three")
    page.click_named("w8a8 (1)")
    page.wait(lambda: found(page) == [NPU], "one")

    assert page.find("input[name=quantization]").get_property("value") == "w8a8"


def test_files_are_judged_and_the_advised_one_is_marked(page: Chromium) -> None:
    """With sizes, the verdict, the sum behind it; nothing serious for axe-core, wide or narrow."""
    search(page)
    page.wait(lambda: len(found(page)) == 3, "three")
    assert page.serious() == []

    def ready() -> bool:
        search(page)
        return bool(page.wait(lambda: len(found(page)) == 3, "three"))

    page.looks("hub", ready)
    ready()
    page.click(f"li[data-repository='{TINY}'] button")
    page.wait_text("Advised for this board")
    advised = page.find(".stock-advised")

    assert advised.get_attribute("data-tag") == "Q4_K_M"
    assert "12.6 MB" in advised.text
    assert "fits" in advised.text
    assert "weights +" in advised.text
    assert page.serious() == []
    page.picture("hub-repository-light-wide")
    page.size(PHONE)
    assert page.script("return document.documentElement.scrollWidth <= window.innerWidth")
    page.picture("hub-repository-light-phone")


def test_a_hostile_card_is_text(page: Chromium) -> None:
    """No script, style, picture or link of it does anything; what turns text is shown."""
    offer(page, TINY)
    page.click_named("Model card")
    page.wait_text("A tiny model.")

    assert page.script("return window.hit") is None
    card = page.find(".stock-card-text")
    assert card.find_elements("css selector", "img,script,style,iframe") == []
    assert all(
        str(link.get_attribute("href")).startswith("https://")
        for link in card.find_elements("css selector", "a[href]")
    )
    assert "\u202e" not in card.text
    assert "202E" in card.text
    assert page.script("return getComputedStyle(document.body).display") != "none"
    assert page.serious() == []


def test_a_download_over_a_broken_line_is_watched_to_its_end(page: Chromium, hub: LocalHub) -> None:
    """The bar grows, stands nowhere at its end while work goes on, and the model is imported."""
    file = "tiny-1b-Q4_K_M.gguf"
    hub.rate_bytes_per_s = MEBI
    hub.break_with(Fault("cdn", "reset", at_bytes=3 * MEBI, path=file))
    offer(page, TINY)
    page.click("li[data-tag=Q4_K_M] button")
    seen: list[tuple[str, float, str]] = []

    def ended() -> bool:
        for state, value, text in page.script(BARS):
            if file.partition("-Q")[2].removesuffix(".gguf") in text.upper() or TINY in text:
                seen.append((state, value, text))
        return bool(seen) and seen[-1][0] == "succeeded"

    page.wait(ended, "the download to end")
    hub.rate_bytes_per_s = FAST
    running = [one for one in seen if one[0] == "running"]
    values = [value for _, value, _ in running if value >= 0]

    assert values == sorted(values)
    assert any("of 12.6 MB" in text and "/s" in text and "left" in text for _, _, text in running)
    assert all(value < 1000 for value in values)
    assert len(hub.served("cdn", file)) >= 2
    close(page)
    page.picture("hub-download-light-wide")
    page.open("/models")
    page.find("tr[data-model='tiny-1b-q4_k_m'][data-state='disk.ready']")


def test_several_downloads_pause_go_on_and_are_cancelled(
    page: Chromium, hub: LocalHub, daemon: DaemonProcess
) -> None:
    """Each on its own; what is cancelled leaves nothing, what is paused goes on where it was."""
    hub.rate_bytes_per_s = MEBI // 3
    offer(page, TINY)
    page.click("li[data-tag=Q8_0] button")
    page.click("li[data-tag=Q2_K] button")
    close(page)
    eight, two = f"{TINY}:Q8_0", f"{TINY}:Q2_K"
    page.click_named(f"Pause: {eight}")
    page.wait(lambda: _state(page, eight) == "paused", "a pause")
    page.click_named(f"Go on: {eight}")
    page.wait(lambda: _state(page, eight) == "running", "to go on")
    page.click_named(f"Cancel: {eight}")
    page.wait(lambda: _state(page, eight) == "cancelled", "the end")
    page.wait(lambda: _state(page, two) == "succeeded", "the other one")
    hub.rate_bytes_per_s = FAST

    assert not (daemon.models / "tiny-1b-q8_0").exists()
    assert (daemon.models / "tiny-1b-q2_k").is_dir()


def test_a_link_to_a_file_is_fetched_and_its_end_is_told(page: Chromium) -> None:
    """A link pasted is enough; a page nobody looks at rings by a notification of the browser."""
    page.script(
        "window.rung = []; window.Notification = class { constructor(title, more) {"
        " rung.push([title, more.tag]); } static permission = 'granted'; };"
        "Object.defineProperty(document, 'hidden', {get: () => true})"
    )
    search(page, f"https://huggingface.co/{NPU}/blob/main/tiny-1b-w8a8-rk3588.rkllm")
    page.click(".stock-column > .stock-row > .q-btn")
    page.wait(lambda: page.script("return rung.length") > 0, "a notification")
    title, tag = page.script("return rung[0]")

    assert "is on the board" in title or "failed" in title
    assert tag.startswith("pull-")


def test_what_fails_says_why_and_what_to_do(page: Chromium) -> None:
    """A gated repository: the page to visit; it can be tried again, or put away."""
    offer(page, SEVEN)
    page.click("li[data-tag] button")
    page.wait(lambda: _state(page, SEVEN) == "failed", "the failure")
    close(page)
    assert SEVEN in page.find("main .stock-transfer .rkd-bad").text
    page.click_named(f"Hide: {SEVEN}:Q5_K_M")
    page.wait(lambda: _state(page, SEVEN) == "", "it to go")


def test_a_name_that_is_taken_asks(page: Chromium, hub: LocalHub, daemon: DaemonProcess) -> None:
    """What is there already is done at once; of another origin it wants another name."""
    offer(page, TINY)
    page.click("li[data-tag=Q2_K] button")
    page.wait(lambda: _state(page, f"{TINY}:Q2_K") == "succeeded", "the first")
    close(page)
    hub.add("else/Tiny-1B-GGUF", {"tiny-1b-Q2_K.gguf": gguf(MEBI)}, tags=["gguf"])
    offer(page, "else/Tiny-1B-GGUF")
    page.click("li[data-tag=Q2_K] button")
    close(page)
    page.click_named("Another name, or replace: else/Tiny-1B-GGUF:Q2_K")
    page.type(".stock-ask input[name=name]", "elsewhere")
    page.click(".stock-ask button[type=submit]")
    page.wait((daemon.models / "elsewhere").is_dir, "the second")


def _state(page: Chromium, title: str) -> str:
    states = page.script(BARS)
    return next((state for state, _, text in states if title in text), "")


def test_what_cannot_be_shown_says_why(page: Chromium) -> None:
    """In the dialog itself, and there it stays."""
    search(page, "https://hf.co/no/where")
    page.wait(lambda: "no/where" in page.find(".stock-dialog p").text, "the reason")
