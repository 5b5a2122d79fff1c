"""`python -m rkd` and the `rkd` command."""

from __future__ import annotations

import sys
from importlib import import_module


def start() -> int:
    """
    Run the daemon; returns its exit code.

    structlog loads all of rich when it finds it, for prettier tracebacks in a terminal: 4.5 MB of
    the daemon's 50 and 60 ms of its start (measured 2026-11-21). Only rkctl needs rich.
    """
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # None: "is not there"
    code: int = import_module("rkd.daemon.main").main()
    return code


if __name__ == "__main__":
    sys.exit(start())
