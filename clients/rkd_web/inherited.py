"""
Sockets that systemd holds for us: started by the first connection, gone when nobody calls.

The protocol is sd_listen_fds(3): LISTEN_PID is us, LISTEN_FDS are from descriptor 3 on.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from typing import Final

from rkd_client.errors import InvalidInputError

from rkd.setting import Listen
from rkd_web.settings import Program

FIRST: Final = 3
MOST: Final = 64


def sockets(
    environment: MutableMapping[str, str], pid: int, program: Program
) -> list[tuple[Listen, socket.socket]]:
    """
    Return the sockets handed to *program*, process *pid*, and what each is; none is usual.

    The variables go from *environment*, so that no child takes them for its own.

    Raises:
        InvalidInputError: INVALID_SETTING, one of them is no listening stream socket.
    """
    given, owner = environment.pop("LISTEN_FDS", ""), environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if owner != str(pid) or not given.isdecimal():
        return []
    found = []
    for number in range(FIRST, FIRST + min(int(given[:4]), MOST)):
        try:
            held = socket.socket(fileno=number)
            listens = held.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise _wrong(number, program) from error
        if held.type != socket.SOCK_STREAM or not listens:
            raise _wrong(number, program)
        held.setblocking(False)
        found.append((_place(held), held))
    return found


def _place(held: socket.socket) -> Listen:
    name = held.getsockname()
    if held.family == socket.AF_UNIX:
        return Listen(socket=name or "/")
    return Listen(host=name[0], port=name[1])


def _wrong(number: int, program: Program) -> InvalidInputError:
    said = f"LISTEN_FDS: descriptor {number} is no socket that listens"
    return InvalidInputError("INVALID_SETTING", said, remedy=f"see {program.name}.socket")
