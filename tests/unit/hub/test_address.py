"""Where redirects may lead, and what of an address is shown."""

from __future__ import annotations

import pytest

from rkd.hub.address import followed, origin
from rkd.hub.connection import LONGEST_WAIT_S, Connection, Limits
from rkd.outside import shown_address


@pytest.mark.parametrize(
    ("url", "location", "expected"),
    [
        ("https://h/a/b", "c", "https://h/a/c"),
        ("https://h/a", "https://cdn:8443/x", "https://cdn:8443/x"),
        ("http://h/a", "https://h/a", "https://h/a"),
    ],
)
def test_redirects_within_the_web_are_followed(url: str, location: str, expected: str) -> None:
    """Relative, to another host, up to https."""
    assert followed(url, location) == expected


@pytest.mark.parametrize(
    "location",
    ["http://h/a", "ftp://h/", "file:///x", "https://h:0/", "https://h:65536/", "https://[::1/"],
)
def test_others_are_not(location: str) -> None:
    """Down to http, another scheme, no port, no address."""
    with pytest.raises(ValueError, match=r".+"):
        followed("https://h/", location)


def test_an_origin_has_its_port() -> None:
    """Default ports are written out."""
    assert origin("https://H/x") == ("https", "h", 443) == origin("https://h:443")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://me:pass@h/x", "https://***@h/x"),
        ("https://me:p@ss@h/x?sig=1#y", "https://***@h/x"),
        ("https://token@h", "https://***@h"),
        ("https://h/a@b", "https://h/a@b"),
        ("https://h/\x1b[2J", "https://h/\\x1b[2J"),
    ],
)
def test_secrets_in_addresses_are_not_shown(url: str, expected: str) -> None:
    """Who asks, their password, and signed parameters."""
    assert shown_address(url) == expected


@pytest.mark.parametrize(
    ("given_s", "expected_s"),
    [(float("inf"), LONGEST_WAIT_S), (float("nan"), 30.0), (0.0, 30.0), (1e300, LONGEST_WAIT_S)],
)
def test_every_limit_has_an_end(tmp_path: object, given_s: float, expected_s: float) -> None:
    """A read timeout of for ever is one of ten minutes."""
    connection = Connection(
        endpoint="",
        token=lambda: None,
        offline=lambda: False,
        home=tmp_path,  # type: ignore[arg-type] - a path, as pytest gives it
        limits=lambda: Limits(read_s=given_s),
    )

    assert connection.limits.read_s == expected_s
