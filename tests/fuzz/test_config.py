"""Whatever stands in a configuration file, the answer is a Config or INVALID_FIELD."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd import config
from rkd.errors import Reason
from tests.fuzz.frame import Fuzz, Target

EXAMPLES = (
    b'models = "/srv/models"\nlisten = ["unix:/run/rkd.sock", "127.0.0.1:0"]\nkeep_alive = "5m"\n',
    b'threads = 4\nmemory_fraction = 0.8\nmemory_reserve = "256M"\noffline = true\nmax_queue = 6\n',
    b'load_timeout = "1h30m"\nhub_read_timeout = 30\npreload = ["a", "b"]\ninsecure = false\n',
    b'rkllm_library = ["/usr/lib/a.so", "/b.so"]\nmetrics_listen = "[::1]:9100"\nsysroot = "/"\n',
)
WORDS = (
    *(f"{row.key} = ".encode() for row in config.SETTINGS),
    *(b'"', b"[", b"]", b"{a = ", b"}", b"[a.b]\n", b"\n", b"1979-05-27T07:32:00Z", b"1979-05-27"),
    *(b"nan", b"inf", b"-inf", b"-1", b"1e300", b"true", b'"forever"', b'"9e9h"', b'"\\u0000"'),
    *(
        b"'''",
        b'"""',
        b"0x7fffffffffffffff",
        b'"~nobody/x"',
        b'"unix:/"',
        b'"h:99999"',
        b"a.b.c = ",
    ),
)


def test_file(fuzz: Fuzz, tmp_path: Path) -> None:
    """A configuration file of any content."""
    file = tmp_path / "rkd.toml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        made = config.read({"RKD_CONFIG": str(file), "HOME": "/home/u"}, user_id=1000)
        config.describe(made).encode()

    fuzz(Target("config", read, EXAMPLES, WORDS, reasons=frozenset({Reason.INVALID_FIELD})))


@pytest.mark.parametrize("row", config.SETTINGS, ids=lambda row: row.key)
def test_variable(fuzz: Fuzz, row: config.Setting) -> None:
    """A variable of any content, for every setting."""

    def read(data: bytes) -> None:
        row.parse(data.decode(errors="surrogateescape"))

    examples = (row.default.encode(), b"5m", b"1.5G", b"127.0.0.1:1,unix:/a", b"/a:/b", b"true")
    fuzz(Target(f"setting-{row.key}", read, examples, allowed=(ValueError,), cost=5))
