"""Tokens in a real browser: made, shown once, used, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium
from tests.browser.console_process import console
from tests.integration.daemon_process import DaemonProcess


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A console before a daemon on which no token was ever made."""
    settings = {"RKD_TOKEN_FILE": str(tmp_path / "tokens")}
    with (
        DaemonProcess(tmp_path, settings) as daemon,
        console(daemon.environment, tmp_path) as address,
    ):
        yield address


def make(browser: Chromium, name: str) -> str:
    """Fill the form in and return the token it shows."""
    browser.type("input[maxlength='64']", name)
    browser.click_named("Make")

    def shown() -> str:
        found = browser.all(".rkd-token")
        return found[0].text if found else ""

    return browser.wait(shown, "the token")


def test_the_first_token_closes_the_board_and_opens_it_for_its_bearer(browser: Chromium) -> None:
    """It is told beforehand and afterwards; who made it goes on with it, and makes another."""
    browser.sign_in(path="/access")
    browser.wait_text("From the first one on everybody needs one")
    browser.looks("access")
    first = make(browser, "me")
    browser.wait_text("The board wants tokens now")
    browser.wait_text("never shown again")
    browser.wait_text("admin: everything · ")
    assert browser.complaints() == []
    browser.driver.delete_all_cookies()
    browser.sign_in(first, path="/access")
    second = make(browser, "x phone")
    browser.wait_text("x phone")
    assert browser.serious() == []

    browser.open("/access")
    browser.wait_text("x phone")
    assert second not in browser.driver.page_source
    browser.click_named("Revoke x phone")
    browser.wait_text("Calls with it are refused")
    assert browser.serious() == []
    browser.click_named("Revoke")
    browser.wait(lambda: "x phone" not in browser.text, "the token to be gone")

    browser.driver.delete_all_cookies()
    browser.driver.get(f"{browser.url}/signin")
    browser.type("#token", second)
    browser.click("#form button")
    browser.wait(lambda: browser.find("#error").text, "the refusal")


def test_the_log_tells_who_made_a_token(browser: Chromium) -> None:
    """What was done by whom, and no secret."""
    browser.sign_in(path="/access")
    token = make(browser, "me")
    browser.driver.delete_all_cookies()
    browser.sign_in(token, path="/operations")
    browser.wait_text("by=open listener")
    assert token not in browser.text


def test_a_token_that_is_revoked_ends_its_pages(browser: Chromium) -> None:
    """Who came with it is asked for another, wherever he is."""
    browser.sign_in(path="/access")
    make(browser, "me")
    browser.click_named("Revoke me")
    browser.click_named("Revoke")
    browser.wait(lambda: browser.path == "/signin", "the form")


def test_a_token_is_copied_also_without_https(browser: Chromium) -> None:
    """The clipboard has it."""
    browser.sign_in(path="/access")
    token = make(browser, "me")
    browser.script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    browser.script("document.addEventListener('copy', () => {window.copied = `${getSelection()}`})")
    browser.click_named("Copy the token")
    browser.wait(lambda: browser.script("return window.copied") == token, "the token to be copied")
