"""`rkd-console`: rkd in a browser."""

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
    """Run the console; returns its exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write("rkd-console: rkd in a browser; see docs/console.md\n")
        return 0
    try:
        settings = import_module("rkd_console.settings").read(os.environ)
        import_module("rkd_web.server")
        asyncio.run(import_module("rkd_console.life").live(settings, os.environ))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rkd"):
            raise
        sys.stderr.write(
            f"rkd-console cannot start: the package {error.name} is missing. "
            "In rkd's checkout: pip install '.[console]'\n"
        )
        return EXIT_CONFIG
    except RkdError as error:
        sys.stderr.write(f"rkd-console: {error}\n{error.remedy}\n".rstrip("\n") + "\n")
        return EXIT_CONFIG
    return 0
