"""Signing in, the frame, languages and looks, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rkd_console.pages import PAGES
from selenium.webdriver.common.keys import Keys

from rkd.access.role import Role
from rkd.access.tokens import new_token, write_tokens
from tests.browser.chromium import PHONE, Chromium
from tests.browser.console_process import console
from tests.integration.daemon_process import DaemonProcess

PATHS = [page.path for page in PAGES]


def test_a_page_asks_who_you_are_and_brings_you_back(browser: Chromium) -> None:
    """Without a session a page leads to the form, and the form back to the page."""
    browser.driver.get(f"{browser.url}/operations")
    browser.wait(lambda: browser.path == "/signin", "the form")
    browser.click("#without")
    browser.wait(lambda: browser.path == "/operations", "the page asked for")


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_alive_and_breaks_no_rule(signed_in: Chromium, path: str) -> None:
    """Each opens, with its place in the navigation marked, and the browser complains of nothing."""
    signed_in.open(path)

    here = signed_in.find("nav a[aria-current=page]")
    assert here.get_attribute("href") == f"{signed_in.url}{path}"


@pytest.mark.parametrize("path", ["/", "/operations", "/access"])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_nothing_serious_is_found_by_axe(signed_in: Chromium, path: str, look: str) -> None:
    """Who does not see, or has no mouse, can use it; wide and on a phone."""
    signed_in.script(f"document.cookie = 'rkd_dark={look}; path=/; samesite=strict'")
    for size in ((1280, 800), PHONE):
        signed_in.size(size)
        signed_in.open(path)
        assert signed_in.serious() == []


def test_the_settings_have_nothing_serious_when_open(signed_in: Chromium) -> None:
    """The menu of languages and looks says what it is and what is chosen."""
    signed_in.click("header button:last-of-type")
    signed_in.wait_text("Sign out")
    assert signed_in.serious() == []


def test_the_form_has_nothing_serious_either(browser: Chromium) -> None:
    """Signing in is for everybody."""
    browser.driver.get(f"{browser.url}/signin")
    browser.wait(lambda: browser.find("#without").is_displayed(), "the way without a token")
    assert browser.serious() == []


@pytest.mark.parametrize(
    ("said", "nav", "lang"),
    [("Français", "Modèles", "fr"), ("中文", "模型", "zh-CN"), ("English", "Models", "en-US")],
)
def test_a_language_is_chosen_and_kept(signed_in: Chromium, said: str, nav: str, lang: str) -> None:
    """Every page speaks it, and says so to a screen reader."""
    signed_in.click("header button:last-of-type")
    signed_in.click_named(said)
    signed_in.wait(
        lambda: signed_in.script("return document.documentElement.lang") == lang, "the language"
    )
    signed_in.open("/operations")
    signed_in.wait_text(nav)


def test_dark_and_light_are_chosen_and_the_system_is_followed(signed_in: Chromium) -> None:
    """Without a choice a page looks as the system does."""

    def is_dark() -> bool:
        return bool(signed_in.script("return document.body.classList.contains('body--dark')"))

    signed_in.system_dark(on=True)
    signed_in.open("/")
    signed_in.wait(is_dark, "the dark of the system")
    signed_in.click("header button:last-of-type")
    signed_in.click_named("Light")
    signed_in.wait(lambda: not is_dark(), "the light that was chosen")


def test_on_a_phone_the_menu_opens_and_closes_by_keyboard(signed_in: Chromium) -> None:
    """It takes the focus and gives it back; the page is not wider than the screen."""
    signed_in.size(PHONE)
    signed_in.open("/")
    assert not signed_in.find("nav").is_displayed()
    signed_in.find(".rkd-menu").send_keys(Keys.ENTER)
    signed_in.wait(lambda: signed_in.find("nav").is_displayed(), "the menu")
    signed_in.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    signed_in.wait(lambda: not signed_in.find("nav").is_displayed(), "the menu to close")

    width = signed_in.script("return document.documentElement.scrollWidth")
    assert width <= PHONE[0]


def test_signing_out_ends_every_page(signed_in: Chromium) -> None:
    """A second tab is signed out with the first; the way back leads to the form."""
    driver = signed_in.driver
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    second = driver.current_window_handle
    try:
        signed_in.open("/operations")
        signed_in.click("header button:last-of-type")
        signed_in.click_named("Sign out")
        signed_in.wait(lambda: signed_in.path == "/signin", "the form")
        driver.switch_to.window(first)
        signed_in.wait(lambda: signed_in.path == "/signin", "the form in the other tab")
    finally:
        driver.switch_to.window(second)
        driver.close()
        driver.switch_to.window(first)
    signed_in.driver.get(f"{signed_in.url}/")
    signed_in.wait(lambda: signed_in.path == "/signin", "the form, again")
    signed_in.complaints()  # the sockets were closed, and that is said


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A console before a daemon with a token for each role; its address and the tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    made = {role.word: new_token(role.word, role, datetime.now(UTC)) for role in Role}
    write_tokens(folder / "tokens", tuple(kept for kept, _ in made.values()))
    settings = {"RKD_TOKEN_FILE": str(folder / "tokens")}
    with (
        DaemonProcess(folder, settings) as daemon,
        console(daemon.environment, Path(folder)) as address,
    ):
        yield address, {word: text for word, (_, text) in made.items()}


def test_a_wrong_token_is_told_and_a_right_one_lets_in(
    chrome: Chromium, guarded: tuple[str, dict[str, str]]
) -> None:
    """There is no way without one; what is wrong stays at the form, in words."""
    url, tokens = guarded
    chrome.fresh(url)
    chrome.driver.get(f"{url}/signin?next=//elsewhere.example/")
    chrome.type("#token", tokens["read"][:-1] + "x")
    chrome.click("#form button")
    chrome.wait(lambda: chrome.find("#error").text, "the reason")
    assert not chrome.find("#without").is_displayed()
    chrome.find("#token").clear()
    chrome.type("#token", tokens["read"])
    chrome.click("#form button")
    chrome.wait(lambda: chrome.path == "/", "the board, and nothing elsewhere")
    assert chrome.driver.current_url == f"{url}/"
    assert chrome.driver.get_cookie("rkd_console")["httpOnly"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("role", "seen"), [("read", 4), ("generate", 5), ("manage", 5), ("admin", 6)]
)
def test_each_role_sees_what_it_may_use(
    chrome: Chromium, guarded: tuple[str, dict[str, str]], role: str, seen: int
) -> None:
    """A page that is no use to somebody is not offered to him."""
    url, tokens = guarded
    chrome.fresh(url)
    chrome.sign_in(tokens[role])
    assert len(chrome.all("nav a")) == seen
    chrome.click("header button:last-of-type")
    chrome.wait_text(f"Role: {role}")
