"""Signing in, the frame, languages and looks, in a real browser."""

from __future__ import annotations

import pytest
from rkd_console.pages import PAGES

from tests.browser.chromium import Chromium


def test_a_page_asks_who_you_are_and_brings_you_back(browser: Chromium) -> None:
    """Without a session a page leads to the form, and the form back to the page."""
    browser.driver.get(f"{browser.url}/operations")
    browser.wait(lambda: browser.path == "/signin", "the form")
    browser.click("#without")
    browser.wait(lambda: browser.path == "/operations", "the page asked for")


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_every_page_is_alive_and_breaks_no_rule(signed_in: Chromium, path: str) -> None:
    """Each opens, with its place in the navigation marked, and the browser complains of nothing."""
    signed_in.open(path)

    here = signed_in.find("nav a[aria-current=page]")
    assert here.get_attribute("href") == f"{signed_in.url}{path}"
