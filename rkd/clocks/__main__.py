"""`python -m rkd.clocks answering|always|restore`, as rkd-clocks.service runs it."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from rkd.clocks.answerers import Answerers, Effects
from rkd.clocks.governors import Governors
from rkd.clocks.saved import Saved
from rkd.notify import Notifier

RUN: Final = "run/rkd-clocks"
MODES: Final = ("answering", "always", "restore")
EXIT_BUSY: Final = 75
EXIT_CONFIG: Final = 78
FIRST_INHERITED: Final = 3
"""**Source:** sd_listen_fds(3)."""


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    """Run one mode; returns the exit code."""
    if len(arguments) != 1 or arguments[0] not in MODES:
        say(f"rkd-clocks wants one of: {', '.join(MODES)}")
        return EXIT_CONFIG
    root = Path(environment.get("RKD_SYSROOT") or "/")
    folder = root / RUN
    lock = _lock(folder)
    if lock is None:
        say(f"another rkd-clocks runs, or {folder} cannot be written: nothing was done")
        return EXIT_BUSY
    with lock:
        governors = Governors(root, Saved(folder / "saved"), say)
        if arguments[0] == "restore":
            return 0 if governors.restore() else 1
        return _run(governors, environment, always=arguments[0] == "always")


def _run(governors: Governors, environment: Mapping[str, str], *, always: bool) -> int:
    listener = _inherited(environment)
    if listener is None and not always:
        say("nobody can tell who answers: `systemctl start rkd-clocks.socket` starts it")
        return EXIT_CONFIG
    told, stop = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    notifier = Notifier(environment.get("NOTIFY_SOCKET"))
    governors.restore()  # what one before us, who was killed, left
    notifier.ready("clocks are up" if always else "waiting for answers")
    effects = Effects(
        raise_all=governors.raise_all,
        restore=governors.restore,
        alive=lambda: notifier.send("WATCHDOG=1"),
        clock=time.monotonic,
    )
    try:
        Answerers(listener, stop, effects, always=always).run()
    finally:
        notifier.stopping("putting governors back")
        put_back = governors.restore()
    return 0 if put_back else 1


def _inherited(environment: Mapping[str, str]) -> socket.socket | None:
    """Return the socket systemd holds for us."""
    given, owner = environment.get("LISTEN_FDS"), environment.get("LISTEN_PID")
    if given != "1" or owner != str(os.getpid()):
        return None
    return socket.socket(fileno=FIRST_INHERITED)


def _lock(folder: Path) -> TextIO | None:
    """Hold the folder's lock while the file is open; None when somebody else does."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        file = (folder / "lock").open("a", encoding="ascii")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def say(text: str) -> None:
    """Tell whoever looks after the board."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
