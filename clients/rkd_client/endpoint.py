"""
Where the daemon is: endpoints parsed, tried in order; the first that listens is taken.

A plain socket is connected first: it says at once, and in the system's own words, why an endpoint
cannot be had, which a gRPC channel does not.
"""

from __future__ import annotations

import errno
import os
import socket
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rkd_client.errors import ForbiddenError, InvalidInputError, RkdError, UnavailableError
from rkd_client.files import named, place_of

DEFAULT_PORT = 7588
PROBE_S = 3.0
"""Longest wait for one endpoint to accept; three default endpoints stay below ten seconds."""

_PLAIN = ("http://", "tcp://", "dns:///", "ipv4:", "ipv6:")
_TLS = ("https://", "tls://")
_NAME = frozenset(f"{string.ascii_letters}{string.digits}._-")
_MOST_NAME = 64


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One place to look.

    Args:
        path: of a unix socket, or "".
        host: without brackets, or "".
        port: 0 for a unix socket.
        tls: asked for by the way it was written.
        board: the one meant, behind an address of several; "" where none is named.
    """

    path: str = ""
    host: str = ""
    port: int = 0
    tls: bool = False
    board: str = ""

    @property
    def target(self) -> str:
        """Return what gRPC calls it."""
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        whole = f"https://{self.target}" if self.tls else self.target
        return f"{whole}#{self.board}" if self.board else whole


def parse(text: str) -> tuple[Endpoint, ...]:
    """
    Read a comma-separated list of endpoints.

    Raises:
        InvalidInputError: INVALID_ENDPOINT, with what is allowed.
    """
    found = tuple(_one(part.strip()) for part in text.split(",") if part.strip())
    if not found:
        raise _wrong(text)
    return found


def defaults(environment: Mapping[str, str]) -> tuple[Endpoint, ...]:
    """Return where a daemon listens unless told otherwise: the user's, the system's, loopback."""
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return (
        Endpoint(path=f"{runtime}/rkd/rkd.sock"),
        Endpoint(path="/run/rkd/rkd.sock"),
        Endpoint(host="127.0.0.1", port=DEFAULT_PORT),
    )


def choose(candidates: tuple[Endpoint, ...]) -> Endpoint:
    """
    Return the first of *candidates* that accepts a connection.

    Raises:
        RkdError: none does; with every attempt and how to start the daemon.
    """
    refusals: list[tuple[Endpoint, OSError]] = []
    for candidate in candidates:
        try:
            _probe(candidate)
        except OSError as error:
            refusals.append((candidate, error))
        else:
            return candidate
    raise _unreachable(refusals)


def _one(text: str) -> Endpoint:
    if text.startswith(("unix:", "/", "./", "../", "~")):
        return _place(text)
    text, mark, board = text.partition("#")
    if mark and not (board and len(board) < _MOST_NAME and set(board) <= _NAME):
        raise _wrong(f"{text}#{board}")
    return replace(_place(text), board=board)


def _place(text: str) -> Endpoint:
    tls = text.startswith(_TLS)
    if text.startswith("unix:"):
        rest = text.removeprefix("unix:")
        return Endpoint(path=rest.removeprefix("//") if rest.startswith("///") else rest)
    if text.startswith(("/", "./", "../", "~")):
        return Endpoint(path=str(place_of(text)))
    for prefix in (*_TLS, *_PLAIN):
        text = text.removeprefix(prefix)
    text = text.rstrip("/")
    if "/" in text or not text:
        raise _wrong(text)
    bracketed, _, rest = text.partition("]")
    if text.startswith("["):
        host, port = bracketed[1:], rest.removeprefix(":")
    else:
        host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "")
    if port and not (port.isdecimal() and 0 < int(port) < 1 << 16):
        raise _wrong(text)
    return Endpoint(host=host, port=int(port or DEFAULT_PORT), tls=tls)


def _wrong(text: str) -> InvalidInputError:
    return InvalidInputError(
        "INVALID_ENDPOINT",
        f"'{named(text)}' is no endpoint",
        remedy="give a unix socket (/run/rkd/rkd.sock), host:port or https://host:port; "
        "behind an address of several boards, #NAME names one",
    )


def _probe(candidate: Endpoint) -> None:
    if candidate.path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(PROBE_S)
            probe.connect(candidate.path)
        return
    try:
        with socket.create_connection((candidate.host, candidate.port), timeout=PROBE_S):
            pass
    except UnicodeError as error:  # a part of a name that is empty, or longer than 63
        raise OSError(errno.EINVAL, "no host has such a name") from error


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror or str(error)).lower()


def _unreachable(refusals: list[tuple[Endpoint, OSError]]) -> RkdError:
    tried = ", ".join(f"{named(str(endpoint))} ({_words(error)})" for endpoint, error in refusals)
    if any(error.errno in {errno.EACCES, errno.EPERM} for _, error in refusals):
        remedy = "join the group that may use the socket: sudo usermod -aG rkd $USER; log in anew"
        said = f"no permission to reach the rkd daemon: tried {tried}"
        return ForbiddenError("PERMISSION_DENIED", said, remedy=remedy)
    remedy = "start it: systemctl start rkd (as a service) or rkd (by hand)"
    if all(e.host not in {"", "127.0.0.1", "localhost", "::1"} for e, _ in refusals):
        remedy = "start it there: systemctl start rkd; check its RKD_LISTEN and the firewall"
    said = f"the rkd daemon is not there: tried {tried}"
    return UnavailableError("UNAVAILABLE", said, remedy=remedy)
