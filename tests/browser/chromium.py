"""
A real Chromium with its driver, as tests use it: facts in the page are waited for, never slept for.

Its profile lives in a folder of the test; nothing of it is shared with anybody's own browser.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures" / "console"
AXE = ROOT / ".cache" / "node-browser" / "node_modules" / "axe-core" / "axe.min.js"
BOUND_S = 60.0
MOST_PICTURE_BYTES = 150_000
WIDE, PHONE = (1280, 800), (390, 844)

Fact = TypeVar("Fact")
_CHANGING = (
    NoSuchElementException,
    StaleElementReferenceException,
    ElementClickInterceptedException,
    ElementNotInteractableException,
    JavascriptException,
)


class Chromium:
    """
    One browser with one window.

    Args:
        folder: for its profile.
    """

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        for one in (
            "--headless=new",
            "--no-sandbox",  # the tests may run as root; what is loaded is ours
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-proxy-server",
            "--ignore-certificate-errors",  # those the tests make are of an authority of their own
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--user-data-dir={folder / 'profile'}",
            "--lang=en-US",
        ):
            options.add_argument(one)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        downloads = folder / "downloads"
        downloads.mkdir()
        options.add_experimental_option(
            "prefs", {"download.default_directory": str(downloads), "intl.accept_languages": "en"}
        )
        service = webdriver.ChromeService("/usr/bin/chromedriver", env=dict(os.environ))
        self.downloads = downloads
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(BOUND_S)
        self.url = ""
        self.size(WIDE)

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def fresh(self, url: str) -> None:
        """Forget everything of before; *url* is where the console of the next test is."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd(
            "Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"}
        )
        self.driver.get_log("browser")
        self.url = url
        self.size(WIDE)
        self.system_dark(on=False)

    def size(self, size: tuple[int, int]) -> None:
        """Make the page as large as that, CSS pixels; what is narrow is a phone."""
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def system_dark(self, *, on: bool) -> None:
        """Say whether the system likes it dark."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, path: str) -> None:
        """Go to *path* of the console; of a page, wait until it is alive."""
        self.driver.get(f"{self.url}{path}")
        self.wait(
            lambda: self.script(
                "return !document.getElementById('app') || window.did_handshake === true"
            ),
            f"{path} to be alive",
        )

    def sign_in(self, token: str = "", path: str = "/") -> None:
        """Sign in, with *token* or as anybody of this machine, and be at *path*."""
        self.driver.get(f"{self.url}/signin?next={path}")
        if token:
            self.type("#token", token)
            self.click("#form button")
        else:
            self.click("#without")
        self.wait(lambda: self.path == path, f"to be at {path}")
        self.open(path)

    @property
    def path(self) -> str:
        """Where it is, without the host."""
        return str(self.script("return location.pathname"))

    @property
    def text(self) -> str:
        """Everything that can be read on the page."""
        return str(self.script("return document.body.innerText"))

    def script(self, code: str, *given: object) -> Any:
        """Return what *code* returns in the page."""
        return self.driver.execute_script(code, *given)

    def wait(self, fact: Callable[[], Fact], what: str, bound_s: float = BOUND_S) -> Fact:
        """Look again and again until *fact* is true, and return it."""
        waiting = WebDriverWait(self.driver, bound_s, 0.05, ignored_exceptions=_CHANGING)
        try:
            return waiting.until(lambda _: fact())
        except Exception as error:
            shown = self.text[-3_000:]
            raise AssertionError(f"waited in vain for {what}; shown:\n{shown}") from error

    def wait_text(self, text: str) -> None:
        """Wait until *text* can be read."""
        self.wait(lambda: text in self.text, repr(text))

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector that is there, waiting for it."""
        return self.wait(lambda: self.driver.find_element(By.CSS_SELECTOR, selector), selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return every element of a CSS selector, now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def named(self, name: str) -> WebElement:
        """Return what a screen reader calls *name*: by its label, or its text."""
        quoted = json.dumps(name, ensure_ascii=False)
        path = f"//*[@aria-label={quoted}]|//button[normalize-space(.)={quoted}]"
        path += f"|//*[@role='menuitem' or @role='menuitemradio'][normalize-space(.)={quoted}]"
        path += f"|//a[normalize-space(.)={quoted}]"
        return self.wait(lambda: self.driver.find_element(By.XPATH, path), name)

    def click(self, what: str | WebElement) -> None:
        """Click on a CSS selector or an element, as soon as that can be done."""

        def clicked() -> bool:
            (self.find(what) if isinstance(what, str) else what).click()
            return True

        self.wait(clicked, f"a click on {what}")

    def click_named(self, name: str) -> None:
        """Click on what is called *name*."""

        def clicked() -> bool:
            self.named(name).click()
            return True

        self.wait(clicked, f"a click on {name}")

    def type(self, selector: str, text: str) -> None:
        """Type *text* into a field."""

        def typed() -> bool:
            self.find(selector).send_keys(text)
            return True

        self.wait(typed, f"typing into {selector}")

    def complaints(self) -> list[str]:
        """Return what the browser complains of since it was asked last: errors and broken rules."""
        log = self.driver.get_log("browser")
        return [
            one["message"]
            for one in log
            if one["level"] == "SEVERE" or "Content Security Policy" in one["message"]
        ]

    def serious(self) -> list[str]:
        """Return what axe-core finds serious or critical on the page, each with where it is."""
        self.driver.execute_script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"
        )
        return [
            f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:160] for node in one["nodes"])
            for one in found
            if one["impact"] in {"serious", "critical"}
        ]

    def picture(self, name: str) -> None:
        """Keep what is shown as a picture of the docs, where RKD_BROWSER_PICTURES says so."""
        folder = PICTURES if os.environ.get("RKD_BROWSER_PICTURES") else self.downloads
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}.png"
        file.write_bytes(_small(self.driver.get_screenshot_as_png()))
        assert file.stat().st_size <= MOST_PICTURE_BYTES, f"{file} is too large for the docs"

    def looks(self, name: str, ready: Callable[[], bool] = lambda: True) -> None:
        """Keep four pictures of the page once it is *ready*: light, dark, wide, on a phone."""
        for look in ("light", "dark"):
            self.script(f"document.cookie = 'rkd_dark={look}; path=/; samesite=strict'")
            for size, said in ((WIDE, "wide"), (PHONE, "phone")):
                self.size(size)
                self.open(self.path)
                self.wait(ready, "what the picture is to show")
                self.picture(f"{name}-{look}-{said}")
        self.size(WIDE)


def _small(png: bytes) -> bytes:
    """Return *png* with a palette: a page has few colours."""
    import io  # noqa: PLC0415 - for the pictures alone

    from PIL import Image  # noqa: PLC0415

    held = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(64).save(held, "PNG", optimize=True)
    return held.getvalue()


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Chromium]:
    """Run a browser."""
    browser = Chromium(folder)
    try:
        yield browser
    finally:
        browser.close()
