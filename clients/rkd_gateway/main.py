"""`rkd-gateway`: the apps people have, over HTTP."""

from __future__ import annotations

from rkd_web.main import run

from rkd_gateway.settings import PROGRAM


def main() -> int:
    """Run the gateway; returns its exit code."""
    return run(PROGRAM)
