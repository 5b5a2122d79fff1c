"""How one setting's text becomes a value, and what is refused."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rkd import setting
from rkd.setting import Listen

Reader = Callable[[object], object]
WHOLE = setting.integer(1, 64)
COLOUR = setting.choice("red", "blue")

GOOD: list[tuple[Reader, object, object]] = [
    (setting.text, " a ", "a"),
    (setting.words, "a, b,,", ("a", "b")),
    (setting.words, ["a,b", "c"], ("a,b", "c")),
    (setting.words, "", ()),
    (setting.path, "", None),
    (setting.path, "/a/b", Path("/a/b")),
    (setting.paths, "/a:/b:", (Path("/a"), Path("/b"))),
    (setting.paths, ["/a", "/b"], (Path("/a"), Path("/b"))),
    (setting.boolean, True, True),
    (setting.boolean, "Yes", True),
    (setting.boolean, "1", True),
    (setting.boolean, "off", False),
    (setting.boolean, "", False),
    (COLOUR, "RED", "red"),
    (WHOLE, 1, 1),
    (WHOLE, "64", 64),
    (setting.fraction, 1, 1.0),
    (setting.fraction, "0.5", 0.5),
    (setting.duration, 90, 90.0),
    (setting.duration, 0, 0.0),
    (setting.duration, "0", 0.0),
    (setting.duration, "1h30m", 5400.0),
    (setting.duration, "1.5m", 90.0),
    (setting.duration, "2m5s", 125.0),
    (setting.duration, "7", 7.0),
    (setting.duration, -1, math.inf),
    (setting.duration, "-1", math.inf),
    (setting.duration, "Forever", math.inf),
    (setting.duration, math.inf, math.inf),
    (setting.duration, "366h", 366 * 3600.0),
    (setting.wait(1, 60), "1m", 60.0),
    (setting.web_address, "", ""),
    (setting.web_address, "http://[::1]:8080/mirror", "http://[::1]:8080/mirror"),
    (setting.byte_count, 5, 5),
    (setting.byte_count, "5", 5),
    (setting.byte_count, "1.5G", 3 * 2**29),
    (setting.byte_count, "512 MiB", 2**29),
    (setting.byte_count, "1k", 1024),
    (setting.byte_count, "1tb", 2**40),
    (setting.listen_addresses, "/s, 127.0.0.1:0", (Listen("/s"), Listen(host="127.0.0.1"))),
    (setting.listen_addresses, ["unix:/s"], (Listen("/s"),)),
    (setting.listen_addresses, "[::1]:65535", (Listen(host="::1", port=65535),)),
    (setting.loopback_address, "", None),
    (setting.loopback_address, "localhost:9", Listen(host="localhost", port=9)),
]
BAD: list[tuple[Reader, object, str]] = [
    (setting.text, 5, "should be a string"),
    (setting.words, [5], "should be a string"),
    (setting.path, "a/b", "should be an absolute path"),
    (setting.path, "~nobody-of-that-name/x", "should be an absolute path"),
    (setting.paths, ["a"], "should be an absolute path"),
    (setting.boolean, "maybe", "should be true or false"),
    (setting.boolean, 1, "should be a string"),
    (COLOUR, "green", "should be one of red, blue"),
    (WHOLE, 0, "should be from 1 to 64"),
    (WHOLE, 65, "should be from 1 to 64"),
    (WHOLE, True, "should be from 1 to 64"),
    (WHOLE, "1.5", "should be a whole number"),
    (WHOLE, 1.5, "should be a whole number"),
    (setting.fraction, 0, "above 0 and at most 1"),
    (setting.fraction, 1.01, "above 0 and at most 1"),
    (setting.fraction, "nan", "above 0 and at most 1"),
    (setting.fraction, True, "should be a number"),
    (setting.fraction, "half", "should be a number"),
    (setting.duration, "", "should be a duration"),
    (setting.duration, "5x", "should be a duration"),
    (setting.duration, "-2", "should be a duration"),
    (setting.duration, math.nan, "should be a duration"),
    (setting.duration, True, "should be a string"),
    (setting.text, "a\0b", "control characters"),
    (setting.text, "a\x1b[2J", "control characters"),
    (setting.text, "a\nb", "one line"),
    (setting.text, "/srv/\udce9", "UTF-8"),
    (setting.text, "a" * 4_097, "no longer than 4096"),
    (setting.words, "a," * 300, "at most 256"),
    (setting.words, [["a"]], "should be a string"),
    (setting.path, {"a": 1}, "should be a string"),
    (setting.paths, ["/a"] * 300, "at most 256"),
    (setting.paths, dt.date(1979, 5, 27), "should be a string"),
    (WHOLE, 10**400, "should be from 1 to 64"),
    (WHOLE, "9" * 4_000, "should be a whole number"),
    (WHOLE, "1_0", "should be a whole number"),
    (WHOLE, "\u0663", "should be a whole number"),
    (WHOLE, math.nan, "should be a whole number"),
    (setting.fraction, 10**400, "above 0 and at most 1"),
    (setting.fraction, math.inf, "above 0 and at most 1"),
    (setting.fraction, "9" * 4_000, "should be a number"),
    (setting.duration, 10**400, "more than 31622400 s is -1"),
    (setting.duration, 1e300, "more than 31622400 s is -1"),
    (setting.duration, "8785h", "more than 31622400 s is -1"),
    (setting.duration, "9" * 4_000 + "h", "should be a duration"),
    (setting.duration, [], "should be a string"),
    (setting.wait(1, 60), "forever", "should be from 1 s to 60 s"),
    (setting.wait(1, 60), -1, "should be from 1 s to 60 s"),
    (setting.wait(1, 60), "0", "should be from 1 s to 60 s"),
    (setting.byte_count, 10**400, "should be a size"),
    (setting.byte_count, 1 << 51, "at most 1024T"),
    (setting.byte_count, "999999999999999T", "at most 1024T"),
    (setting.byte_count, "9" * 4_000, "should be a size"),
    (setting.byte_count, math.inf, "should be a size"),
    (setting.byte_count, [], "should be a string"),
    (setting.web_address, "hub.lan", "should be an address"),
    (setting.web_address, "file:///etc/passwd", "should be an address"),
    (setting.web_address, "https://", "should be an address"),
    (setting.web_address, "https://[::1", "should be an address"),
    (setting.web_address, "https://h:99999", "should be an address"),
    (setting.web_address, "https://h:0", "should be an address"),
    (setting.web_address, "https://h/a b", "should be an address"),
    (setting.byte_count, -1, "should be a size"),
    (setting.byte_count, True, "should be a size"),
    (setting.byte_count, "much", "should be a size"),
    (setting.listen_addresses, "", "at least one address"),
    (setting.listen_addresses, "unix:s", "absolute path"),
    (setting.listen_addresses, "host", "should be unix:/path, host:port"),
    (setting.listen_addresses, ":80", "should be unix:/path, host:port"),
    (setting.listen_addresses, "a:65536", "should be unix:/path, host:port"),
    (setting.listen_addresses, "a:-1", "should be unix:/path, host:port"),
    (setting.listen_addresses, "a:\u0663", "should be unix:/path, host:port"),
    (setting.listen_addresses, "a:" + "9" * 4_000, "should be unix:/path, host:port"),
    (setting.listen_addresses, "a b:1", "should be unix:/path, host:port"),
    (setting.listen_addresses, "unix:/" + "a" * 107, "at most 107 bytes"),
    (setting.loopback_address, "0.0.0.0:9", "on loopback"),
    (setting.loopback_address, "unix:/s", "on loopback"),
]


@pytest.mark.parametrize(("read", "given", "expected"), GOOD)
def test_what_is_allowed_becomes_a_value(read: Reader, given: object, expected: object) -> None:
    """As TOML gives it and as the environment does."""
    assert expected == read(given)


@pytest.mark.parametrize(("read", "given", "said"), BAD)
def test_what_is_not_says_what_is(read: Reader, given: object, said: str) -> None:
    """A ValueError, never another, naming what is allowed."""
    with pytest.raises(ValueError, match=said):
        read(given)


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a single path and in several."""
    monkeypatch.setenv("HOME", "/home/me")

    assert setting.path("~/x") == Path("/home/me/x")
    assert setting.paths("~/x:/y") == (Path("/home/me/x"), Path("/y"))


@pytest.mark.parametrize(
    ("one", "local", "target"),
    [
        (Listen("/s"), True, "unix:/s"),
        (Listen(host="localhost", port=1), True, "localhost:1"),
        (Listen(host="127.9.9.9", port=1), True, "127.9.9.9:1"),
        (Listen(host="::1", port=1), True, "[::1]:1"),
        (Listen(host="::ffff:127.0.0.1", port=1), True, "[::ffff:127.0.0.1]:1"),
        (Listen(host="::ffff:10.0.0.1", port=1), False, "[::ffff:10.0.0.1]:1"),
        (Listen(host="::1%lo", port=1), True, "[::1%lo]:1"),
        (Listen(host="*", port=1), False, "*:1"),
        (Listen(host="0.0.0.0", port=1), False, "0.0.0.0:1"),  # noqa: S104 - judged, not bound
        (Listen(host="::", port=1), False, "[::]:1"),
        (Listen(host="board.lan", port=1), False, "board.lan:1"),
    ],
)
def test_an_address_knows_who_can_reach_it(one: Listen, local: bool, target: str) -> None:  # noqa: FBT001 - a table's column
    """A name that is not localhost counts as open; brackets go around IPv6 alone."""
    assert (one.is_local, one.target, str(one)) == (local, target, target)
