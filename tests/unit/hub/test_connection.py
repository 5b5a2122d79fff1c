"""The way to the hub: what stands in it is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rkd.errors import ForbiddenError
from rkd.hub.connection import Connection
from tests.hub.server import LocalHub

ASK = """
import sys
from pathlib import Path
from rkd.errors import RkdError
from rkd.hub.connection import Connection
connection = Connection(
    endpoint="https://hub.example",
    token=lambda: None,
    offline=lambda: False,
    home=Path(sys.argv[1]),
)
try:
    connection.document("/api/models", {}, what="a search")
except RkdError as error:
    print(error.reason, error.message, error.remedy)
"""


@pytest.mark.parametrize("variable", ["ALL_PROXY", "https_proxy"])
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "magic"])
def test_a_proxy_that_cannot_be_used_is_named(tmp_path: Path, variable: str, scheme: str) -> None:
    """The variable, not its value: that may hold a password."""
    environment = {**os.environ, variable: f"{scheme}://me:s3cret@127.0.0.1:9"}
    told = subprocess.run(
        [sys.executable, "-c", ASK, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout

    assert told.startswith("HUB_UNREACHABLE")
    assert variable in told or "cannot be reached" in told  # with socksio installed it is tried
    assert "s3cret" not in told


@pytest.mark.parametrize("value", ["http://me:s3cret@127.0.0.1:9", "127.0.0.1:9"])
def test_a_proxy_that_does_not_answer_is_named(tmp_path: Path, value: str) -> None:
    """As the thing to check: the network may be well."""
    told = answered(tmp_path, "http://127.0.0.1:9", {"http_proxy": value})

    assert told.startswith("HUB_UNREACHABLE")
    assert "the proxy in http_proxy" in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    "excepted", ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:PORT", " x , 127.0.0.1 ,::1", "*"]
)
def test_what_is_excepted_goes_past_the_proxy(tmp_path: Path, excepted: str) -> None:
    """By address, network, port, in a list with blanks; `*` is everything."""
    with LocalHub() as hub:
        port = hub.endpoint.rpartition(":")[2]
        proxies = {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": excepted.replace("PORT", port)}
        assert answered(tmp_path, hub.endpoint, proxies) == ""


def answered(folder: Path, endpoint: str, proxies: dict[str, str]) -> str:
    """Ask in a process with *proxies* alone; returns what was refused, "" for an answer."""
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(
        [sys.executable, "-c", ASK.replace("https://hub.example", endpoint), str(folder)],
        env={**plain, **proxies},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.parametrize("token", ["hf_é", "hf_a\nb", "hf_\x00"])
def test_what_is_no_token_is_told(tmp_path: Path, token: str) -> None:
    """Nothing is sent, and the token is not shown."""
    connection = Connection(
        endpoint="http://127.0.0.1:9",
        token=lambda: token,
        offline=lambda: False,
        home=tmp_path,
    )
    with pytest.raises(ForbiddenError) as caught:
        _ = connection.token

    assert token not in caught.value.message
