"""The console's settings, and the page that tells them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rkd_client.errors import InvalidInputError
from rkd_console.settings import PROGRAM, read
from rkd_web.settings import refuse_open_doors

DOCS = Path(__file__).resolve().parents[2] / "docs" / "console.md"
NAMES = ("LISTEN", "ORIGINS", "ALLOWED_HOSTS", "TLS_CERT", "TLS_KEY", "IDLE_S")


def test_by_default_this_machine_alone_is_listened_to() -> None:
    """On the console's port."""
    settings = read({})

    assert [str(one) for one in settings.listen] == ["127.0.0.1:7589"]
    assert all(one.is_local for one in settings.listen)


def test_the_page_tells_every_setting() -> None:
    """And no other."""
    told = set(re.findall(r"`(RKD_CONSOLE_[A-Z_]+)`", DOCS.read_text(encoding="utf-8")))

    assert told == {f"{PROGRAM.prefix}_{name}" for name in NAMES}
    assert PROGRAM.listen in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "nowhere"),
        ("ORIGINS", "*"),
        ("ALLOWED_HOSTS", "a/b"),
        ("TLS_CERT", "/no/such/file"),
        ("IDLE_S", "0"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(name: str, value: str) -> None:
    """Not by what a gateway would call it."""
    with pytest.raises(InvalidInputError, match=f"RKD_CONSOLE_{name}"):
        read({f"RKD_CONSOLE_{name}": value})


def test_other_machines_want_tls() -> None:
    """An address of theirs is refused without it."""
    settings = read({"RKD_CONSOLE_LISTEN": "0.0.0.0:7589"})
    with pytest.raises(InvalidInputError, match="without TLS") as told:
        refuse_open_doors(settings.listen, settings)

    assert "RKD_CONSOLE_TLS_CERT" in told.value.remedy
