"""`rkd-gateway`: the apps people have, over HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from typing import Final

from rkd_client.errors import RkdError

EXIT_CONFIG: Final = 78
"""EX_CONFIG of sysexits.h: starting again would not help."""


def main() -> int:
    """Run the gateway; returns its exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write("rkd-gateway: OpenAI's and Ollama's API over rkd; see docs/gateway.md\n")
        return 0
    try:
        settings = import_module("rkd_gateway.settings").read(os.environ)
        import_module("rkd_web.server")
        asyncio.run(import_module("rkd_gateway.life").live(settings, os.environ))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rkd"):
            raise
        sys.stderr.write(
            f"rkd-gateway cannot start: the package {error.name} is missing. "
            "In rkd's checkout: pip install '.[gateway]'\n"
        )
        return EXIT_CONFIG
    except RkdError as error:
        sys.stderr.write(f"rkd-gateway: {error}\n{error.remedy}\n".rstrip("\n") + "\n")
        return EXIT_CONFIG
    return 0
