"""The way to the hub: what stands in it is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rkd.errors import ForbiddenError
from rkd.hub.connection import Connection

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
