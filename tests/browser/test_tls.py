"""The console over TLS, before a daemon with tokens."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rkd.access.role import Role
from rkd.access.tokens import new_token, write_tokens
from tests.browser.chromium import Chromium
from tests.browser.console_process import console
from tests.integration.daemon_process import DaemonProcess


def test_pages_are_alive_over_tls_and_the_cookie_stays_there(
    chrome: Chromium, tmp_path: Path
) -> None:
    """With the certificate `rkctl cert init` makes; the web socket is one over TLS."""
    kept, token = new_token("me", Role.READ, datetime.now(UTC))
    write_tokens(tmp_path / "tokens", (kept,))
    with DaemonProcess(tmp_path, {"RKD_TOKEN_FILE": str(tmp_path / "tokens")}) as daemon:
        made = tmp_path / "tls"
        command = [sys.executable, "-m", "rkctl", "cert", "init", "--dir", str(made)]
        subprocess.run(
            [*command, "--host", "localhost"], env=daemon.environment, check=True, timeout=60
        )
        settings = {
            "RKD_CONSOLE_TLS_CERT": str(made / "server.crt"),
            "RKD_CONSOLE_TLS_KEY": str(made / "server.key"),
        }
        with console(daemon.environment, tmp_path, settings) as address:
            assert address.startswith("https://")
            chrome.fresh(address)
            chrome.sign_in(token)
            cookie = chrome.driver.get_cookie("rkd_console")
            assert cookie is not None
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
                True,
                True,
                "Strict",
            )
            chrome.open("/operations")
            chrome.wait_text("Log")
