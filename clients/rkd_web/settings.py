"""What the environment says: where to listen, for whom, with which certificate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rkd_client.errors import InvalidInputError
from rkd_client.files import is_file

from rkd.setting import Listen, integer, listen_addresses, words

DEFAULT_IDLE_S = 300.0
LONGEST_IDLE_S = 999_999

Value = TypeVar("Value")

_HOST_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,*]{1,255}")


@dataclass(frozen=True, slots=True)
class Program:
    """
    Whose settings these are.

    Args:
        name: the command, `rkd-gateway`.
        called: what people call it, `gateway`: its page in docs/ and its extra as well.
        about: what it is, for `--help`.
        prefix: of its variables, `RKD_GATEWAY`.
        listen: where it listens unless told otherwise.
        if_taken: what to do when somebody else is there.
        web_sockets: whether it speaks them.
    """

    name: str
    called: str
    about: str
    prefix: str
    listen: str
    if_taken: str
    web_sockets: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Everything a program is told.

    Args:
        program: which.
        listen: at least one.
        origins: pages that may call, as browsers name them (`https://chat.example`).
        hosts: names it may be called by besides its own; `*.example` means all below.
        tls_cert: PEM file, or None for plain HTTP.
        tls_key: PEM file of its key.
        idle_s: started by a socket of systemd, it ends when nobody was connected for so long.
    """

    program: Program
    listen: tuple[Listen, ...]
    origins: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    idle_s: float = DEFAULT_IDLE_S


def read(environment: Mapping[str, str], program: Program) -> Settings:
    """
    Read the settings of *program* and judge them together.

    Raises:
        InvalidInputError: INVALID_SETTING, with the variable and what it should be.
    """
    prefix = program.prefix
    cert = _file(environment, f"{prefix}_TLS_CERT")
    key = _file(environment, f"{prefix}_TLS_KEY")
    if (cert is None) != (key is None):
        lacking = f"{prefix}_TLS_KEY" if key is None else f"{prefix}_TLS_CERT"
        raise _wrong(lacking, "is missing: a certificate and its key go together")
    origins = _read(environment, f"{prefix}_ORIGINS", words)
    hosts = _read(environment, f"{prefix}_ALLOWED_HOSTS", words)
    seconds = integer(1, LONGEST_IDLE_S)
    return Settings(
        program=program,
        listen=_read(environment, f"{prefix}_LISTEN", listen_addresses, program.listen),
        origins=frozenset(_origin(one, f"{prefix}_ORIGINS") for one in origins),
        hosts=tuple(_name(one, f"{prefix}_ALLOWED_HOSTS") for one in hosts),
        tls_cert=cert,
        tls_key=key,
        idle_s=_read(environment, f"{prefix}_IDLE_S", seconds, f"{DEFAULT_IDLE_S:.0f}"),
    )


def refuse_open_doors(listen: Iterable[Listen], settings: Settings) -> None:
    """
    Refuse other machines without TLS; that they need a token is asked at each call.

    Raises:
        InvalidInputError: INVALID_SETTING, an address of *listen* is open to them.
    """
    prefix = settings.program.prefix
    exposed = ", ".join(str(one) for one in listen if not one.is_local)
    if exposed and settings.tls_cert is None:
        raise InvalidInputError(
            "INVALID_SETTING",
            f"{exposed} can be reached by other machines without TLS",
            remedy=f"set {prefix}_TLS_CERT and {prefix}_TLS_KEY (`rkctl cert init` makes "
            "them), or listen on loopback; callers then need a token (`rkctl token create`)",
        )


def _read(
    environment: Mapping[str, str],
    variable: str,
    reader: Callable[[object], Value],
    default: str = "",
) -> Value:
    """Read *variable* as the daemon reads such a setting."""
    try:
        return reader(environment.get(variable, "").strip(", ") or default)
    except ValueError as error:
        raise _wrong(variable, str(error)) from error


def _origin(text: str, variable: str) -> str:
    found = text.rstrip("/").lower()
    if not _ORIGIN.fullmatch(found):
        said = f"{text[:80]!r} should be an origin such as https://chat.example:8443; no pattern"
        raise _wrong(variable, said)
    return found


def _name(text: str, variable: str) -> str:
    if not _HOST_NAME.fullmatch(text):
        said = f"{text[:80]!r} should be a host's name, or *.name for all below it; no port"
        raise _wrong(variable, said)
    return text.lower()


def _file(environment: Mapping[str, str], variable: str) -> Path | None:
    text = environment.get(variable, "").strip()
    if not text:
        return None
    path = Path(text)
    if not is_file(path):
        raise _wrong(variable, f"{text[:80]!r} is no file that can be read")
    return path


def _wrong(variable: str, said: str) -> InvalidInputError:
    return InvalidInputError("INVALID_SETTING", f"{variable}: {said}")
