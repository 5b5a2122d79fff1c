"""`python -m rkd` and the `rkd` command."""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module

EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h, as in `daemon/main.py`, which may not be importable here."""


def start() -> int:
    """
    Run the daemon; returns its exit code.

    structlog loads all of rich when it finds it, for prettier tracebacks in a terminal: 4.5 MB of
    the daemon's 50 and 60 ms of its start (measured 2026-11-21). Only rkctl needs rich.
    """
    # gRPC's own lines go past our log, straight to a stderr that may block.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    # Until the daemon listens to signals itself: told to stop while it starts, it stops.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # None: "is not there"
    # What is imported stays: looking for garbage in it took 30 ms of a start's 470 (2026-11-26).
    gc.disable()
    try:
        daemon = import_module("rkd.daemon.main")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rkd"):
            raise
        sys.stderr.write(
            f"rkd cannot start: the package {error.name} is missing. This installation has rkctl "
            "alone: in rkd's checkout, pip install '.[daemon]'\n"
        )
        return EXIT_CONFIG
    gc.freeze()
    gc.enable()
    code: int = daemon.main()
    return code


if __name__ == "__main__":
    sys.exit(start())
