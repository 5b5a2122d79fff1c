"""What the environment says: where to listen, for whom, with which certificate."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rkd_client.errors import InvalidInputError

DEFAULT_LISTEN = "127.0.0.1:11434"
"""Ollama's place: apps look there."""

DEFAULT_IDLE_S = 300.0
MAX_PORT = 65535
MAX_WORDS = 64
MAX_SOCKET_BYTES = 107
"""Longest path of a unix socket (`sockaddr_un`, unix(7))."""

_HOST_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,*]{1,255}")


@dataclass(frozen=True, slots=True)
class Listen:
    """
    One address: the path of a unix socket, or host and port.

    Args:
        path: absolute, or "" for TCP.
        host: without brackets.
        port: 0 takes any.
    """

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return bool(self.path) or is_loopback(self.host)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Everything the gateway is told.

    Args:
        listen: at least one.
        origins: pages that may call, as browsers name them (`https://chat.example`).
        hosts: names it may be called by besides its own; `*.example` means all below.
        tls_cert: PEM file, or None for plain HTTP.
        tls_key: PEM file of its key.
        idle_s: started by a socket of systemd, it ends when nobody was connected for so long.
    """

    listen: tuple[Listen, ...]
    origins: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    idle_s: float = DEFAULT_IDLE_S


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine and no other can reach it by that address."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback)


def read(environment: Mapping[str, str]) -> Settings:
    """
    Read the settings and judge them together.

    Raises:
        InvalidInputError: INVALID_SETTING, with the variable and what it should be.
    """
    cert = _file(environment, "RKD_GATEWAY_TLS_CERT")
    key = _file(environment, "RKD_GATEWAY_TLS_KEY")
    if (cert is None) != (key is None):
        lacking = "RKD_GATEWAY_TLS_KEY" if key is None else "RKD_GATEWAY_TLS_CERT"
        raise _wrong(lacking, "is missing: a certificate and its key go together")
    listen = tuple(_listen(one) for one in _words(environment, "RKD_GATEWAY_LISTEN"))
    return Settings(
        listen=listen or (_listen(DEFAULT_LISTEN),),
        origins=frozenset(_origin(one) for one in _words(environment, "RKD_GATEWAY_ORIGINS")),
        hosts=tuple(_name(one) for one in _words(environment, "RKD_GATEWAY_ALLOWED_HOSTS")),
        tls_cert=cert,
        tls_key=key,
        idle_s=_seconds(environment, "RKD_GATEWAY_IDLE_S", DEFAULT_IDLE_S),
    )


def refuse_open_doors(listen: Iterable[Listen], settings: Settings) -> None:
    """
    Refuse other machines without TLS; that they need a token is asked at each call.

    Raises:
        InvalidInputError: INVALID_SETTING, an address of *listen* is open to them.
    """
    exposed = ", ".join(str(one) for one in listen if not one.is_local)
    if exposed and settings.tls_cert is None:
        raise InvalidInputError(
            "INVALID_SETTING",
            f"{exposed} can be reached by other machines without TLS",
            remedy="set RKD_GATEWAY_TLS_CERT and RKD_GATEWAY_TLS_KEY (`rkctl cert init` makes "
            "them), or listen on loopback; callers then need a token (`rkctl token create`)",
        )


def _words(environment: Mapping[str, str], variable: str) -> list[str]:
    words = [one.strip() for one in environment.get(variable, "").split(",") if one.strip()]
    if len(words) > MAX_WORDS:
        raise _wrong(variable, f"names {len(words)}; at most {MAX_WORDS} are taken")
    return words


def _listen(text: str) -> Listen:
    if text.startswith(("unix:", "/")):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or len(path.encode()) > MAX_SOCKET_BYTES:
            said = f"a socket's path is absolute and has at most {MAX_SOCKET_BYTES} bytes"
            raise _wrong("RKD_GATEWAY_LISTEN", said)
        return Listen(path=path)
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    host = "0.0.0.0" if host == "*" else host  # noqa: S104 - judged in refuse_open_doors
    known = _HOST_NAME.fullmatch(host) or _is_address(host)
    if not known or not (port.isascii() and port.isdecimal() and int(port) <= MAX_PORT):
        said = f"{text[:80]!r} should be host:port, [address]:port or unix:/path"
        raise _wrong("RKD_GATEWAY_LISTEN", said)
    return Listen(host=host, port=int(port))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _origin(text: str) -> str:
    found = text.rstrip("/").lower()
    if not _ORIGIN.fullmatch(found):
        said = f"{text[:80]!r} should be an origin such as https://chat.example:8443; no pattern"
        raise _wrong("RKD_GATEWAY_ORIGINS", said)
    return found


def _name(text: str) -> str:
    if not _HOST_NAME.fullmatch(text):
        said = f"{text[:80]!r} should be a host's name, or *.name for all below it; no port"
        raise _wrong("RKD_GATEWAY_ALLOWED_HOSTS", said)
    return text.lower()


def _seconds(environment: Mapping[str, str], variable: str, usual: float) -> float:
    text = environment.get(variable, "").strip()
    if not text:
        return usual
    if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) == 0:
        raise _wrong(variable, f"{text[:80]!r} should be a whole number of seconds from 1")
    return float(text)


def _file(environment: Mapping[str, str], variable: str) -> Path | None:
    text = environment.get(variable, "").strip()
    if not text:
        return None
    path = Path(text)
    if not path.is_file():
        raise _wrong(variable, f"{text[:80]!r} is no file that can be read")
    return path


def _wrong(variable: str, said: str) -> InvalidInputError:
    return InvalidInputError("INVALID_SETTING", f"{variable}: {said}")
