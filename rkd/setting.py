"""
How one setting's text becomes a value: durations, byte counts, addresses, choices.

Each reader takes what a TOML file or an environment variable holds, of whatever type and length,
and raises ValueError saying what it should be; the value itself is not repeated: it may be
endless, a secret, or nothing that can be printed. Imports nothing of rkd.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TypeGuard, TypeVar
from urllib.parse import urlsplit

MAX_TEXT_CHARACTERS = 4_096
"""Linux' longest path; nothing else that is set is as long."""
MAX_WORDS = 256
"""Models, addresses or libraries in one list."""
MAX_SOCKET_BYTES = 107
"""Longest path of a unix socket (`sockaddr_un`, unix(7))."""
MAX_DURATION_S = 366 * 24 * 3600.0
"""Longer waits are for ever, and say so."""
MAX_BYTE_COUNT = 1 << 50
"""No board has a pebibyte; keeps absurd numbers out of size arithmetic."""

_NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,15})?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s?)?")
_BYTES = re.compile(rf"{_NUMBER}\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}")
_REAL = re.compile(r"[+-]?[0-9]{0,15}(?:\.[0-9]{0,15})?|[+-]?(?:nan|inf)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}|\*")
_BOARD = re.compile(r"[A-Za-z0-9._-]{1,63}")
_PORT = re.compile(r"[0-9]{1,5}")
_WEB = ("http", "https")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
MAX_PORT = 65535
FOREVER = frozenset({"-1", "forever", "infinite"})

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Listen:
    """
    One address to listen on: a unix socket's path, or host and port.

    Args:
        socket: absolute path, or "" for TCP.
        host: name or address without brackets; "" for a unix socket.
    """

    socket: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.socket) or is_loopback(self.host)

    @property
    def target(self) -> str:
        """As gRPC wants it."""
        if self.socket:
            return f"unix:{self.socket}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.target


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, and no other reaches it by that name or address."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def text(value: object) -> str:
    """A string that can be stored, sent and printed: UTF-8, one line."""
    if not isinstance(value, str):
        raise ValueError("should be a string")  # noqa: TRY004 - one kind for callers
    if len(value) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"should be no longer than {MAX_TEXT_CHARACTERS} characters")
    given = value.strip()
    if _CONTROL.search(given):
        raise ValueError("should be one line without control characters")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise ValueError("should be UTF-8 text") from error
    return given


def board_name(value: object) -> str:
    """A name a header can hold: letters, digits, `.`, `_`, `-`."""
    given = text(value)
    if not _BOARD.fullmatch(given):
        raise ValueError("should be 1 to 63 letters, digits, '.', '_' or '-'")
    return given


def words(value: object) -> tuple[str, ...]:
    """Strings: a TOML array, or separated by commas."""
    given = value if isinstance(value, list) else text(value).split(",")
    if len(given) > MAX_WORDS:
        raise ValueError(f"should be at most {MAX_WORDS}")
    return tuple(word for one in given if (word := text(one)) or isinstance(value, list))


def path(value: object) -> Path | None:
    """An absolute path; "" is none."""
    given = text(value)
    if not given:
        return None
    try:
        found = Path(given).expanduser()
    except RuntimeError:  # a tilde of nobody's
        found = Path(given)
    if not found.is_absolute():
        raise ValueError("should be an absolute path")
    return found


def required(read: Callable[[object], _Value | None]) -> Callable[[object], _Value]:
    """Read as *read* does; none is none too few."""

    @wraps(read)
    def given(value: object) -> _Value:
        found = read(value)
        if found is None:
            raise ValueError("must be set")
        return found

    return given


def paths(value: object) -> tuple[Path, ...]:
    """Absolute paths: a TOML array, or separated by colons."""
    parts = value if isinstance(value, list) else text(value).split(":")
    if len(parts) > MAX_WORDS:
        raise ValueError(f"should be at most {MAX_WORDS}")
    found = (path(one) for one in parts)
    return tuple(one for one in found if one is not None)


def boolean(value: object) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    given = text(value).lower()
    if given in _TRUE:
        return True
    if given in _FALSE:
        return False
    raise ValueError("should be true or false")


def choice(*allowed: str) -> Callable[[object], str]:
    """One of *allowed*, ignoring case."""

    def read(value: object) -> str:
        given = text(value).lower()
        if given not in allowed:
            raise ValueError(f"should be one of {', '.join(allowed)}")
        return given

    return read


def integer(least: int, most: int) -> Callable[[object], int]:
    """A whole number from *least* to *most*."""

    def read(value: object) -> int:
        number = value
        if not isinstance(value, int):
            given = "" if isinstance(value, float) else text(value)
            if not _WHOLE.fullmatch(given):
                raise ValueError("should be a whole number")
            number = int(given)
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise ValueError(f"should be from {least} to {most}")
        return number

    return read


def fraction(value: object) -> float:
    """A number above 0, at most 1."""
    number = value
    if isinstance(value, bool) or not isinstance(value, int | float):
        given = "" if isinstance(value, bool) else text(value)
        if not _REAL.fullmatch(given) or given.strip("+-") in {"", "."}:
            raise ValueError("should be a number")
        number = float(given)
    # Compared before it is made a float: a whole number may be too long for one.
    if not isinstance(number, int | float) or not 0 < number <= 1:
        raise ValueError("should be above 0 and at most 1")
    return float(number)


def duration(value: object) -> float:
    """Seconds: `90`, `5m`, `1h30m`, `0`; `-1` and `forever` are infinite."""
    what = "should be a duration such as 90s, 5m, 1h30m, 0 or -1"
    if _is_number(value):
        # Compared before it is made a float: a whole number may be too long for one.
        endless = value < 0 or value == math.inf
        seconds = math.inf if endless else min(value, MAX_DURATION_S + 1)
    else:
        given = "" if isinstance(value, float) else text(value).lower()
        match = _DURATION.fullmatch(given)
        if given in FOREVER:
            seconds = math.inf
        elif not given or match is None:
            raise ValueError(what)
        else:
            hours, minutes, rest = (float(part or 0) for part in match.groups())
            seconds = hours * 3600 + minutes * 60 + rest
    if MAX_DURATION_S < seconds < math.inf:
        raise ValueError(f"{what}; more than {MAX_DURATION_S:.0f} s is -1, for ever")
    return float(seconds)


def _is_number(value: object) -> TypeGuard[float]:
    """Tell whether *value* is a number of TOML's, NaN excepted; too long for a float perhaps."""
    if isinstance(value, float):
        return not math.isnan(value)
    return isinstance(value, int) and not isinstance(value, bool)


def wait(least_s: float, most_s: float) -> Callable[[object], float]:
    """A duration from *least_s* to *most_s*: for what must come to an end."""

    def read(value: object) -> float:
        seconds = duration(value)
        if not least_s <= seconds <= most_s:
            raise ValueError(f"should be from {least_s:g} s to {most_s:g} s")
        return seconds

    return read


def byte_count(value: object) -> int:
    """Bytes: `1073741824`, `512M`, `1.5G` (powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        plain = isinstance(value, bool | float)
        match = _BYTES.fullmatch(str(value) if plain else text(value))
        if match is None:
            raise ValueError("should be a size such as 512M or 2G")
        power = " KMGT".index(match[2].upper() or " ")
        count = int(float(match[1]) * 1024**power)
    if not 0 <= count <= MAX_BYTE_COUNT:
        raise ValueError("should be a size such as 512M or 2G, at most 1024T")
    return count


def bytes_up_to(most: int) -> Callable[[object], int]:
    """Bytes as `byte_count` reads them, at most *most*."""

    def read(value: object) -> int:
        count = byte_count(value)
        if count > most:
            raise ValueError(f"should be at most {most} bytes")
        return count

    return read


def web_address(value: object) -> str:
    """`http://` or `https://`, a host, perhaps a port and a path; "" is none."""
    given = text(value)
    if not given:
        return ""
    what = "should be an address such as https://hub.lan:8080"
    try:
        parts = urlsplit(given)
        usable = parts.scheme in _WEB and parts.hostname and parts.port != 0
    except ValueError as error:  # brackets left open, a port that is none
        raise ValueError(what) from error
    if not usable or " " in given:
        raise ValueError(what)
    return given


def listen_addresses(value: object) -> tuple[Listen, ...]:
    """Addresses by commas: `unix:/path`, `host:port`, `[v6]:port`."""
    found = tuple(_listen(one) for one in words(value))
    if not found:
        raise ValueError("at least one address is needed")
    return found


def loopback_address(value: object) -> Listen | None:
    """One `host:port` only this machine can reach; empty is none."""
    given = text(value)
    if not given:
        return None
    found = _listen(given)
    if found.socket or not found.is_local:
        raise ValueError("should be host:port on loopback: it asks for no token")
    return found


def _listen(given: str) -> Listen:
    if given.startswith(("unix:", "/")):
        socket = given.removeprefix("unix:")
        if not socket.startswith("/"):
            raise ValueError("should be unix: and an absolute path, or host:port")
        if len(os.fsencode(socket)) > MAX_SOCKET_BYTES:
            raise ValueError(f"should be a path of at most {MAX_SOCKET_BYTES} bytes")
        return Listen(socket=socket)
    host, colon, port = given.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    good = colon and _HOST.fullmatch(host) and _PORT.fullmatch(port) and int(port) <= MAX_PORT
    if not good:
        raise ValueError("should be unix:/path, host:port or [v6]:port")
    return Listen(host=host, port=int(port))
