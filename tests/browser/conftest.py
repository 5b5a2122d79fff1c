"""
The console in a real Chromium, before a real daemon; `./tests/run browser` installs what it wants.

`browser` is the browser, not signed in, at the console of `daemon`; `signed_in` is the same on the
board's page. A test of another daemon or with other settings makes its own with `console`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDED = ("selenium", "nicegui", "nh3")
IS_READY = all(map(find_spec, NEEDED)) and shutil.which("chromedriver")
collect_ignore_glob = [] if IS_READY else ["test_*.py"]
"""`./tests/run browser` installs them; the other tiers say that they leave these tests out."""

if IS_READY:
    from tests.browser.chromium import Chromium, chromium
    from tests.browser.console_process import console
    from tests.integration.daemon_process import DaemonProcess
    from tests.models import tiny


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands here."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser of all tests."""
    with chromium(tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A running daemon with a tiny model and no tokens."""
    folder = tmp_path_factory.mktemp("browser")
    made = DaemonProcess(folder, {"XDG_CONFIG_HOME": str(folder / "config")})
    (made.models / "tiny").mkdir()
    tiny.write(made.models / "tiny" / "tiny.gguf")
    with made:
        yield made


@pytest.fixture(scope="module")
def url(daemon: DaemonProcess) -> Iterator[str]:
    """Address of a console before the daemon's unix socket."""
    with console(daemon.environment, daemon.folder) as address:
        yield address


@pytest.fixture
def browser(chrome: Chromium, url: str) -> Chromium:
    """A browser that knows nothing yet, before the console at `url`."""
    chrome.fresh(url)
    return chrome


@pytest.fixture
def signed_in(browser: Chromium) -> Iterator[Chromium]:
    """A browser signed in without a token; at the end it must have nothing to complain of."""
    browser.sign_in()
    yield browser
    assert browser.complaints() == []
