"""
How one setting's text becomes a value: durations, byte counts, addresses, choices.

Each reader takes what a TOML file or an environment variable holds and raises ValueError saying
what is allowed. Imports nothing of rkd.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
MAX_PORT = 65535
FOREVER = frozenset({"-1", "forever", "infinite"})


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
        if self.socket or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def target(self) -> str:
        """As gRPC wants it."""
        if self.socket:
            return f"unix:{self.socket}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return self.target


def text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} should be a string")  # noqa: TRY004 - one kind for callers
    return value.strip()


def words(value: object) -> tuple[str, ...]:
    """Strings: a TOML array, or separated by commas."""
    if isinstance(value, list):
        return tuple(text(one) for one in value)
    return tuple(word.strip() for word in text(value).split(",") if word.strip())


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
        raise ValueError(f"{given!r} should be an absolute path")
    return found


def paths(value: object) -> tuple[Path, ...]:
    """Absolute paths: a TOML array, or separated by colons."""
    parts = value if isinstance(value, list) else text(value).split(":")
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
    raise ValueError(f"{value!r} should be true or false")


def choice(*allowed: str) -> Callable[[object], str]:
    """One of *allowed*, ignoring case."""

    def read(value: object) -> str:
        given = text(value).lower()
        if given not in allowed:
            raise ValueError(f"{value!r} should be one of {', '.join(allowed)}")
        return given

    return read


def integer(least: int, most: int) -> Callable[[object], int]:
    """A whole number from *least* to *most*."""

    def read(value: object) -> int:
        try:
            number = int(value) if isinstance(value, int) else int(text(value))
        except ValueError as error:
            raise ValueError(f"{value!r} should be a whole number") from error
        if not least <= number <= most or isinstance(value, bool):
            raise ValueError(f"{value!r} should be from {least} to {most}")
        return number

    return read


def fraction(value: object) -> float:
    """A number above 0, at most 1."""
    try:
        given = value if isinstance(value, int | float) else text(value)
        number = float(text(value) if isinstance(value, bool) else given)
    except ValueError as error:
        raise ValueError(f"{value!r} should be a number") from error
    if not 0 < number <= 1:
        raise ValueError(f"{value!r} should be above 0 and at most 1")
    return number


def duration(value: object) -> float:
    """Seconds: `90`, `5m`, `1h30m`, `0`; `-1` and `forever` are infinite."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value):
        return math.inf if value < 0 else float(value)
    given = "" if isinstance(value, float) else text(value).lower()
    if given in FOREVER:
        return math.inf
    match = _DURATION.fullmatch(given)
    if not given or match is None:
        raise ValueError(f"{value!r} should be a duration such as 90s, 5m, 1h30m, 0 or -1")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def byte_count(value: object) -> int:
    """Bytes: `1073741824`, `512M`, `1.5G` (powers of 1024)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _BYTES.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} should be a size such as 512M or 2G")
    power = " KMGT".index(match[2].upper() or " ")
    return int(float(match[1]) * 1024**power)


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
        raise ValueError(f"{given!r} should be host:port on loopback: it asks for no token")
    return found


def _listen(given: str) -> Listen:
    if given.startswith(("unix:", "/")):
        socket = given.removeprefix("unix:")
        if not socket.startswith("/"):
            raise ValueError(f"{given!r}: a unix socket needs an absolute path")
        return Listen(socket=socket)
    host, colon, port = given.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise ValueError(f"{given!r} should be unix:/path, host:port or [v6]:port")
    return Listen(host=host, port=int(port))
