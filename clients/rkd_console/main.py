"""`rkd-console`: rkd in a browser."""

from __future__ import annotations

from rkd_web.main import run

from rkd_console.settings import PROGRAM


def main() -> int:
    """Run the console; returns its exit code."""
    return run(PROGRAM)
